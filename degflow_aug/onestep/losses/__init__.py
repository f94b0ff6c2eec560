"""Losses that only one-step systems name."""
