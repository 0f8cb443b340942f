"""Console for tables, which are not cut when piped."""

from rich.console import Console

WIDE = 160  # columns, if the output is not a terminal


def console() -> Console:
    """Returns a console as wide as the terminal; for a file or a pipe, wide enough for our tables instead of 80
    columns."""
    found = Console()
    return found if found.is_terminal else Console(width=WIDE)
