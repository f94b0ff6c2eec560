"""The one file that holds a generator."""
