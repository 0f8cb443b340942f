"""Transforms with seeded random draws, which can be replayed on a teacher's maps."""
