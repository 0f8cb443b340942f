"""Trained teachers: keys, recipes, files, checks, and the cache of their outputs."""
