"""How a generator is best trained: its losses, and scales never seen."""
