"""How near ``degflow align`` comes to motions that are known."""
