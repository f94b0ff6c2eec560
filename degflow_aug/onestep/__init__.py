"""One-step real-world super-resolution: a frozen autoencoder, a backbone with LoRA, and one evaluation of it."""
