"""A run directory and what is in it: name, key, facts and checkpoints."""
