"""How near a generator's views come to real ones."""
