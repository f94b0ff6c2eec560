"""Trainers: BasicSR models for the two stages, and what they share."""
