"""Scores and their differences as text."""

from .estimate import Estimate

NAMES = dict(
    mIoU='mIoU, %',
    task_loss='Task loss',
    boundary_f1='Boundary F1, %',
    teacher_agreement='Agreement, %',
    total='Total loss',
)
NOTHING = '–'


def digits(value: float | None, key: str = '') -> str:
    """Formats a score; ``key`` decides the number of digits."""
    if value is None:
        return NOTHING
    places = 4 if 'loss' in key or (key == 'total' and abs(value) < 100) else 2
    return f'{value:.{places}f}'


def signed(value: float | None, key: str = '') -> str:
    """Formats a difference with its sign."""
    return NOTHING if value is None else f'{value:+.{4 if "loss" in key else 2}f}'.replace('-', '−')


def share(value: float | None) -> str:
    """Formats a share in percent."""
    return NOTHING if value is None else f'{100 * value:.0f} %'.replace('-', '−')


def plus_minus(found: Estimate | None, key: str = '') -> str:
    """Formats a mean, plus or minus half its interval if there is one."""
    if found is None:
        return NOTHING
    return digits(found.mean, key) + (f' ± {digits(found.half, key)}' if found.half is not None else '')


def sentence(text: str) -> str:
    """Turns a clause into a sentence, with a capital letter and a full stop."""
    return f'{text[:1].upper()}{text[1:]}.'
