"""The loss that generators share with metrics; those of one-step systems are in ``onestep/losses``."""
