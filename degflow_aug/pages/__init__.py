"""Self-contained HTML pages: everything they show is inside them, and nothing is fetched."""
