"""What a super-resolution network gains by training on each kind of LR."""
