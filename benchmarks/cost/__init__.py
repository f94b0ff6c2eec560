"""What LR costs: time and memory of every degradation."""
