"""degflow fit as a library: presets, stages in turn, the bundle."""
