"""OMGSR."""
