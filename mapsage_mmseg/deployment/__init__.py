"""Use of a trained student: export, maps of whole scenes, and a demo."""
