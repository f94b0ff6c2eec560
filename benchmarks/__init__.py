"""Measurements, each a package or a module run by ``python -m``; benchmarks/README.md says which answers what."""
