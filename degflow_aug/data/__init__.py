"""BasicSR's data sets, one file each, what they share, and the layouts of pairs on disk."""
