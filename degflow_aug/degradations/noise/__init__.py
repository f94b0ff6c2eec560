"""What HR does not determine: the noise, and how it is estimated."""
