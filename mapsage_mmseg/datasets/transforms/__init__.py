"""Transforms whose draws follow from a seed, and can be replayed on a teacher's maps."""
