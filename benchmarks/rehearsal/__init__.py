"""The paper's chain from pairs to tables, at a size at which numbers mean nothing; and what it costs at full size."""
