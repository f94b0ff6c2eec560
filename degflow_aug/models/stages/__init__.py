"""What the generator's stages share: kernel, targets, paths, teacher."""
