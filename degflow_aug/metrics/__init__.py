"""Measures of likeness between generated and real LR."""
