"""How a generator is best trained: sizes, losses, scales never seen, students."""
