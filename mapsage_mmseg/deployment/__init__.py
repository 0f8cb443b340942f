"""A trained student at work: exported, over whole scenes, and in a demo."""
