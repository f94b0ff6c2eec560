"""How scenes lie on disk, one layout per file."""
