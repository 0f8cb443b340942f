"""Configs: reading, checking and changing them."""
