"""Networks of a fixed scale that BasicSR lacks, and its own for images that have their final size already."""
