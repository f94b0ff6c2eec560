"""How near made LR comes to real LR."""
