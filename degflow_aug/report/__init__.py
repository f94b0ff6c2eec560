"""What a report says of a fit, a training, an evaluation."""
