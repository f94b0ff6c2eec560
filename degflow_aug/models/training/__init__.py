"""What every model shares: step, checkpoint, resume, interrupt."""
