"""Trainers: BasicSR models of the generator's stages and of super-resolution, and what they share."""
