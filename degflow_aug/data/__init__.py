"""Image files, the ways in which pairs lie on disk, and the datasets over them."""
