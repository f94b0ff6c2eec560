"""Losses that any model may name; a loss of one system alone lies in its folder, such as ``fluxsr``."""
