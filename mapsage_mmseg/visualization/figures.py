"""Charts of a report and their data."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from ..evaluation.criteria import Record, distilling, validated
from ..evaluation.record import TERMS
from . import charts
from .charts import Band, Curve, Points

Groups = Mapping[str, Sequence[Record]]


@dataclass(frozen=True)
class Drawn:
    """A chart with its heading, note and legend.

    Attributes:
        title: Heading.
        svg: The chart.
        note: Text below the chart.
        legend: (name, colour) of its own; empty if the report's legend of experiments applies.
    """

    title: str
    svg: str
    note: str
    legend: list[tuple[str, str]]


def colours_of(groups: Groups, controls: Sequence[str], focus: str) -> dict[str, str]:
    """Returns a colour for each experiment: neutral for the common control, the accent colour for ``focus``."""
    others = sorted((name for name in groups if name not in controls[:1]), key=lambda name: name != focus)
    numbers = {name: 1 + index % (charts.SERIES - 1) for index, name in enumerate(others)}
    return {name: f'--s{numbers.get(name, 0)}' for name in groups}


def scores(groups: Groups, controls: Sequence[str], focus: str) -> list[Drawn]:
    """Draws the charts that compare experiments; the phases of ``focus`` are shaded."""
    colours, bands, found = colours_of(groups, controls, focus), _bands(groups[focus]), []
    chance = next((run['dataset']['chance_loss'] for runs in groups.values() for run in runs), None)
    teachers = [run['teacher']['mIoU'] for runs in groups.values() for run in runs if run.get('teacher')]
    teacher = [score for score in teachers if score is not None]

    def add(title: str, points: Callable[[Record], Points], draw: Callable[[list[Curve]], str]) -> None:
        curves = [
            Curve(name, colours[name], [points(run) for run in runs], dashed=name in controls)
            for name, runs in groups.items()
        ]
        if any(any(curve.runs) for curve in curves):
            found.append(Drawn(title, draw(curves), '', []))

    add(
        'Validation task loss',
        lambda run: validated(run, 'task_loss'),
        lambda curves: charts.task_loss(curves, chance, bands),
    )
    add(
        'Validation mIoU, %',
        lambda run: validated(run, 'mIoU'),
        lambda curves: charts.miou(curves, fmean(teacher) if teacher else None, bands),
    )
    add(
        'Agreement with the teacher, %',
        lambda run: validated(run, 'teacher_agreement'),
        lambda curves: charts.agreement(curves, bands),
    )
    add(
        'Temperature',
        lambda run: _points(run, lambda entry: entry.get('temperature')),
        lambda curves: charts.temperature(curves, bands),
    )
    return found


def losses(groups: Groups) -> list[Drawn]:
    """Draws loss terms and shares of every experiment with distillation."""
    found = []
    for index, (name, runs) in enumerate(groups.items()):
        if not any(distilling(run) for run in runs):
            continue
        names = [term for term in _terms(runs) if any(_of(run, 'terms', term) for run in runs)]
        colours = {term: f'--t{number % 6}' for number, term in enumerate(names)}
        bands = _bands(runs)
        curves = [Curve(term, colours[term], [_of(run, 'terms', term) for run in runs]) for term in names]
        parts = [Curve(term, colours[term], [_of(run, 'shares', term) for run in runs]) for term in names]
        legend = list(colours.items())
        found.append(
            Drawn(f'Loss terms: {name}', charts.terms(name, index, curves, bands), 'Unweighted; log scale.', legend)
        )
        found.append(
            Drawn(
                f'Shares of the total, %: {name}',
                charts.shares(name, index, parts, bands),
                'Weight times term, over the total.',
                legend,
            )
        )
    return found


def _bands(runs: Sequence[Record]) -> list[Band]:
    return charts.bands_of(max(runs, key=lambda run: len(run['epochs'])))


def _terms(runs: Sequence[Record]) -> list[str]:
    return list(dict.fromkeys([*TERMS, *(term for run in runs for entry in run['epochs'] for term in entry['terms'])]))


def _of(run: Record, key: str, term: str) -> Points:
    return _points(run, lambda entry: entry[key].get(term))


def _points(run: Record, value: Callable[[Mapping[str, Any]], float | None]) -> Points:
    return [(entry['epoch'], found) for entry in run['epochs'] if (found := value(entry)) is not None]
