"""Built-in land cover, drawn from a seed."""
