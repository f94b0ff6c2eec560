"""Networks, built from typed keyword arguments; ``plugin.register`` names them in BasicSR's registries."""
