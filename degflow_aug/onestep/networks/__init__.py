"""Published backbones, LoRA, prompts, discriminator."""
