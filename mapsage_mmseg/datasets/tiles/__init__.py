"""Folders of tiles, described by their dataset.yaml."""
