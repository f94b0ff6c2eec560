"""A whole image through a one-step network: tiles, colours."""
