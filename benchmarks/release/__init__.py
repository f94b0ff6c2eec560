"""Not benchmarks: what makes the shipped bundles, their cards and the figures."""
