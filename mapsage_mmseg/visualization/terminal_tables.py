"""A comparison as tables on the terminal."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..evaluation.comparison_text import notes, tables
from ..evaluation.read_runs import Compared


def show_comparison(compared: Compared, console: Console) -> None:
    """Prints the tables, the notes, and whether knowledge was transferred."""
    for content in tables(compared.comparison):
        table = Table(title=Text(content.title), title_justify='left')
        for index, name in enumerate(content.header):
            # Names are never cut, so that rows can be told apart; figures wrap on a narrow terminal.
            table.add_column(
                Text(name), justify='right' if index else 'left', no_wrap=index == 0, overflow='fold', min_width=4
            )
        for row in content.rows:
            table.add_row(*(Text(cell) for cell in row))
        console.print(table)
    for line in notes(compared.comparison):
        console.print(Text(line, style='dim'))
    for answer in compared.answers:
        console.print(Text(f'{answer.experiment}: was knowledge transferred? {answer.headline}. {answer.reason}'))
