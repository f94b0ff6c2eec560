"""Measures of likeness between images; LPIPS is trained on as well. Losses of one-step systems: ``onestep/``."""
