"""Curves of runs as inline SVG. Text stays text, and colours are CSS variables of the page, for light and dark mode."""

import re
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from io import StringIO
from statistics import fmean
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator

from ..evaluation.criteria import Record

Points = list[tuple[int, float]]  # (epoch, value)
Band = tuple[int, int, str]  # first epoch, last epoch, name of the phase

# Colours stand for the page's CSS variables: --s<i> are the report's series, --t<i> its loss terms.
INK, MUTED, RULE, SHADE = '--ink', '--muted', '--rule', '--shade'
TERMS = ('task', 'distill', 'feature', 'attention')
SERIES = 7  # number of --s<i> on the page
VARIABLES = (INK, MUTED, RULE, SHADE, *(f'--s{i}' for i in range(SERIES)), *(f'--t{i}' for i in range(6)))
_HEX = {name: f'#0000{index + 16:02x}' for index, name in enumerate(VARIABLES)}
STYLE = {
    'svg.fonttype': 'none',
    'font.size': 11,
    'axes.spines.top': False,
    'axes.spines.right': False,
    'axes.spines.left': False,
    'axes.linewidth': 0.8,
    'xtick.major.size': 3,
    'ytick.major.size': 0,
    'text.parse_math': False,
    'axes.unicode_minus': True,
}


@dataclass(frozen=True)
class Curve:
    """One line of a chart.

    Attributes:
        name: Name in the alternative text.
        colour: A CSS variable of the page.
        runs: Points of each run. Several runs are drawn as thin lines, with their mean as a thick one.
        dashed: Draw a dashed line, for a reference such as the control.
    """

    name: str
    colour: str
    runs: list[Points]
    dashed: bool = False


def task_loss(curves: Sequence[Curve], chance: float | None, bands: Sequence[Band] = ()) -> str:
    """Draws the validation task loss, with chance level."""
    lines = [(chance, 'chance level', MUTED)] if chance is not None else []
    return _chart('task-loss', 'Validation task loss', curves, bands, lines)


def miou(curves: Sequence[Curve], teacher: float | None, bands: Sequence[Band] = ()) -> str:
    """Draws the validation mIoU, with the teacher's."""
    lines = [(teacher, 'teacher', INK)] if teacher is not None else []
    return _chart('miou', 'Validation mIoU, percent', curves, bands, lines)


def agreement(curves: Sequence[Curve], bands: Sequence[Band] = ()) -> str:
    """Draws the share of validation pixels on which student and teacher agree."""
    return _chart('agreement', 'Agreement with the teacher, percent', curves, bands)


def temperature(curves: Sequence[Curve], bands: Sequence[Band] = ()) -> str:
    """Draws the temperature of the softened logits."""
    return _chart('temperature', 'Temperature', curves, bands, steps=True)


def terms(experiment: str, index: int, curves: Sequence[Curve], bands: Sequence[Band] = ()) -> str:
    """Draws the unweighted loss terms of one experiment, on a logarithmic scale."""
    return _chart(f'terms-{index}', f'Loss terms of {experiment}, unweighted', curves, bands, log=True)


def shares(experiment: str, index: int, curves: Sequence[Curve], bands: Sequence[Band] = ()) -> str:
    """Draws the share of each weighted term in the total of one experiment, stacked; means over its runs."""
    name, title = f'shares-{index}', f'Shares of the total loss of {experiment}, percent'
    means = [dict(mean_of(curve.runs)) for curve in curves]
    epochs = sorted({epoch for mean in means for epoch in mean})

    def draw(axes: Axes) -> None:
        bottom = [0.0] * len(epochs)
        for curve, mean in zip(curves, means, strict=True):
            heights = [100 * mean.get(epoch, 0.0) for epoch in epochs]
            axes.bar(epochs, heights, width=0.86, bottom=bottom, color=_HEX[curve.colour], linewidth=0)
            bottom = [below + height for below, height in zip(bottom, heights, strict=True)]
        axes.set_ylim(0, 100)

    return _svg(name, title, curves, _told(curves, 100), draw, bands)


def mean_of(runs: Sequence[Points]) -> Points:
    """Returns the mean of several runs, at the epochs that all of them have."""
    tables = [dict(points) for points in runs if points]
    if not tables:
        return []
    common = sorted(set.intersection(*(set(table) for table in tables)))
    return [(epoch, fmean(table[epoch] for table in tables)) for epoch in common]


def bands_of(record: Record) -> list[Band]:
    """Returns the phases of a run as bands of epochs."""
    bands: list[Band] = []
    for entry in record['epochs']:
        name, epoch = entry.get('phase'), entry['epoch']
        if not name:
            continue
        if bands and bands[-1][2] == name and bands[-1][1] == epoch - 1:
            bands[-1] = (bands[-1][0], epoch, name)
        else:
            bands.append((epoch, epoch, name))
    return bands


def _chart(
    name: str,
    title: str,
    curves: Sequence[Curve],
    bands: Sequence[Band],
    lines: Iterable[tuple[float, str, str]] = (),
    log: bool = False,
    steps: bool = False,
) -> str:
    lines = list(lines)

    def draw(axes: Axes) -> None:
        for value, label, colour in lines:
            axes.axhline(value, color=_HEX[colour], linewidth=1.2, linestyle=(0, (1.5, 2.5)))
            axes.annotate(
                label,
                (1, value),
                (0, 3),
                xycoords=('axes fraction', 'data'),
                textcoords='offset points',
                ha='right',
                va='bottom',
                color=_HEX[colour],
                fontsize=10,
            )
        for curve in curves:
            _draw_curve(axes, curve, steps)
        if log:
            axes.set_yscale('log')
            low, high = axes.get_ylim()
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 100 * low else (1,)))
            axes.yaxis.set_major_formatter('{x:g}')
        axes.margins(y=0.08)

    told = _told(curves) + [f'{label} at {_figure(value)}' for value, label, _ in lines]
    return _svg(name, title, curves, told, draw, bands)


def _draw_curve(axes: Axes, curve: Curve, steps: bool) -> None:
    style: dict[str, Any] = dict(
        color=_HEX[curve.colour],
        linestyle=(0, (5, 2.5)) if curve.dashed else 'solid',
        drawstyle='steps-mid' if steps else 'default',
    )
    several = sum(bool(points) for points in curve.runs) > 1
    for points in curve.runs if several else ():
        if points:
            axes.plot(*zip(*points, strict=True), linewidth=0.8, alpha=0.45, **style)
    mean = mean_of(curve.runs)
    if mean:
        axes.plot(*zip(*mean, strict=True), linewidth=2.2, marker='o' if len(mean) == 1 else None, **style)


def _svg(
    name: str,
    title: str,
    curves: Sequence[Curve],
    told: Sequence[str],
    draw: Callable[[Axes], None],
    bands: Sequence[Band],
) -> str:
    """Draws a chart as SVG that can be embedded in a page."""
    file = StringIO()
    with rc_context({**STYLE, 'svg.hashsalt': name}), warnings.catch_warnings():
        warnings.filterwarnings('ignore', 'Glyph .* missing')  # the text is drawn in the page's font, not matplotlib's
        figure = Figure(figsize=(5.8, 3.3))
        axes = figure.add_axes((0.085, 0.125, 0.9, 0.79))
        draw(axes)
        last = max((epoch for curve in curves for points in curve.runs for epoch, _ in points), default=1)
        axes.set_xlim(0.5, last + 0.5)
        _dress(axes, bands)
        figure.savefig(file, format='svg', transparent=True)
    return _inline(file.getvalue(), name, '; '.join([title, *told]))


def _dress(axes: Axes, bands: Sequence[Band]) -> None:
    axes.set_axisbelow(True)
    axes.grid(axis='y', color=_HEX[RULE], linewidth=0.8)
    axes.tick_params(colors=_HEX[RULE], labelcolor=_HEX[MUTED], labelsize=10)
    axes.minorticks_off()
    axes.spines['bottom'].set_color(_HEX[RULE])
    axes.set_xlabel('epoch', color=_HEX[MUTED], fontsize=10, loc='right', labelpad=1)
    axes.xaxis.set_major_locator(MaxNLocator('auto', steps=[1, 2, 5, 10], integer=True))
    for index, (first, last, phase) in enumerate(bands):
        if index % 2:
            axes.axvspan(first - 0.5, last + 0.5, color=_HEX[SHADE], linewidth=0, zorder=0)
        axes.annotate(
            phase,
            (first - 0.5, 1),
            (2, 3),
            xycoords=('data', 'axes fraction'),
            textcoords='offset points',
            color=_HEX[MUTED],
            fontsize=10,
        )


def _inline(svg: str, name: str, alt: str) -> str:
    box = re.search(r'viewBox="[^"]*"', svg)
    svg = svg[svg.index('>', svg.index('<svg')) + 1 :]
    svg = re.sub(r'<metadata>.*?</metadata>|<style.*?</style>', '', svg, flags=re.DOTALL).replace('xlink:href', 'href')
    svg = re.sub(r'(\bid="|url\(#|href="#)', rf'\g<1>{name}-', svg)  # ids must be unique in a page
    for variable, colour in _HEX.items():
        svg = svg.replace(colour, f'var({variable})')
    return f'<svg role="img" aria-label="{escape(alt)}" {box[0] if box else ""}>{svg}'


def _told(curves: Iterable[Curve], factor: float = 1.0) -> list[str]:
    """Returns the alternative text of a chart."""
    found = [(curve.name, mean_of(curve.runs)) for curve in curves]
    return [
        f'{name}: {_figure(factor * points[0][1])} in epoch {points[0][0]}, {_figure(factor * points[-1][1])} in epoch '
        f'{points[-1][0]}'
        for name, points in found
        if points
    ]


def _figure(value: float) -> str:
    return f'{value:.4g}'
