"""What one-step systems cost, and what each of their losses does."""
