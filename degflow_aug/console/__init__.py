"""What commands say: progress, one sentence for an error, JSON."""
