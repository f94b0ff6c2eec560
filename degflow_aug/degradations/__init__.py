"""Degradations: (HR, scale) -> LR, on any device, with no trainer and no option dict."""
