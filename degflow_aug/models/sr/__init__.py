"""What super-resolution on made LR shares: the source of LR, losses, discriminator."""
