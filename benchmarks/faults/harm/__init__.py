"""What the campaign does to commands."""
