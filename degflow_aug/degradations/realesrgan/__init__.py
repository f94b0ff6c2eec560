"""Real-ESRGAN's degradation, drawn from seeds, one scale per sample."""
