"""Consoles for tables, whole when piped."""

from rich.console import Console

WIDE = 160  # columns, where nobody says how many there are


def console() -> Console:
    """As wide as the terminal; into a file or a pipe as wide as our tables, which would be cut to 80 columns."""
    found = Console()
    return found if found.is_terminal else Console(width=WIDE)
