"""Sections of an option file: YAML, known keys, dataclasses."""
