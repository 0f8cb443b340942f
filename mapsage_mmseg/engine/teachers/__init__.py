"""Trained teachers: their keys, their files, what they know, and the cache of what they say."""
