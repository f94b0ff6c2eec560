"""BSRGAN's degradation, whose steps come in random order, drawn from seeds, one scale per sample."""
