"""Validation: items, metrics, tables, the best checkpoint."""
