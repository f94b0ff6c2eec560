"""A simulated camera, whose truth is known at every scale."""
