"""The report on runs as a single HTML file."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ..evaluation.comparison import SCORES, Comparison, compare
from ..evaluation.comparison_text import AGAINST
from ..evaluation.conventions import MATTERS
from ..evaluation.criteria import Record, judge
from ..evaluation.grouping import group, run_name
from ..evaluation.milestones import milestones
from ..evaluation.read_runs import Compared
from ..evaluation.score_text import NAMES, digits, share, signed
from ..evaluation.transfer import answers
from ..evaluation.verdict_text import MARKS, number
from . import figures
from .figures import Groups
from .tiles import pictures

IDS = r'(\bid="|url\(#|href="#)'  # text before an id, in its definition or in a reference to it
TEMPLATES = Path(__file__).parent / 'templates'


def render(
    records: Sequence[Record], control: str | None = None, focus: str | None = None, matters: float = MATTERS
) -> str:
    """Renders a report on runs with the same data set.

    Args:
        records: Oldest first, each with the ``path`` of its record.
        control: As for :func:`~mapsage_mmseg.evaluation.comparison.compare`.
        focus: The experiment that the report is about; None for the best one with a teacher.
        matters: As for :func:`~mapsage_mmseg.evaluation.comparison.compare`.

    Returns:
        A self-contained HTML page.

    Raises:
        InputError: As for ``compare``.
    """
    return _page([_section(records, compare(records, control, matters), focus)])


def render_all(sections: Sequence[Compared]) -> str:
    """Renders a report with a section for each data set.

    Args:
        sections: At least one; the page has the title of the first.

    Returns:
        A self-contained HTML page.
    """
    return _page([_section(each.records, each.comparison, None, f's{n}-' * bool(n)) for n, each in enumerate(sections)])


def _page(sections: Sequence[tuple[str, str]]) -> str:
    """Renders the page of (title, body) sections; several have a table of contents."""
    titles = [title for title, _ in sections]
    title = titles[0] if len(titles) == 1 else f'{len(titles)} data sets: {"; ".join(titles)}'
    bodies = [Markup(body) for _, body in sections]
    return environment().get_template('report.html.j2').render(title=title, titles=titles, bodies=bodies)


def _section(records: Sequence[Record], comparison: Comparison, focus: str | None, prefix: str = '') -> tuple[str, str]:
    """Returns title and HTML of a section; ``prefix`` is put before its ids."""
    unordered, _ = group(records)
    groups = {arm.experiment: unordered[arm.experiment] for arm in comparison.arms}
    found = answers(comparison, records)
    focus = focus or _best(comparison, [answer.experiment for answer in found]) or comparison.arms[-1].experiment
    found.sort(key=lambda answer: answer.experiment != focus)
    arms = {arm.experiment: arm for arm in comparison.arms}
    controls = comparison.controls() or [name for name in (comparison.control,) if name]
    title = f'{focus} on {comparison.dataset["name"]}: {found[0].headline if found else "report"}'
    body = (
        environment()
        .get_template('section.html.j2')
        .render(
            comparison=comparison,
            answers=found,
            intervals=any(len(arm.seeds) > 1 for arm in comparison.arms),
            arms=arms,
            groups=groups,
            focus=arms[focus],
            phased=any(entry.get('phase') for run in groups[focus] for entry in run['epochs']),
            control=arms.get(arms[focus].control or comparison.control or ''),
            dashed=controls,
            colours=figures.colours_of(groups, controls, focus),
            scores=figures.scores(groups, controls, focus),
            losses=figures.losses(groups),
            pictures=pictures(groups),
            judged=_judged(comparison, groups),
            findings=_findings(groups),
            places=_places(groups),
        )
    )
    return title, re.sub(IDS, rf'\g<1>{prefix}', body)


def _judged(comparison: Comparison, groups: Groups) -> dict[str, list[Record]]:
    """Returns the runs with their criteria; knowledge transfer is judged again, with the control on the page."""
    found: dict[str, list[Record]] = {}
    for arm in comparison.arms:
        controls = {run['seed']: run for run in groups.get(arm.control or '', ())}
        for run in groups[arm.experiment]:
            if run['criteria']:
                again = judge(run, control=controls.get(run['seed']))['knowledge_transfer']
                criteria = {**run['criteria'], 'knowledge_transfer': again}
                found.setdefault(arm.experiment, []).append({**run, 'criteria': criteria})
    return found


def _best(comparison: Comparison, names: Sequence[str]) -> str | None:
    scored = [(arm.scores['mIoU'], arm.experiment) for arm in comparison.arms if arm.experiment in names]
    return max(((score.mean if score else -1.0, name) for score, name in scored), default=(0.0, None))[1]


def _findings(groups: Groups) -> dict[tuple[str, str, str], list[tuple[Record, Any]]]:
    """Returns the findings of all runs, grouped by experiment, situation and suggestion."""
    found: dict[tuple[str, str, str], list[tuple[Record, Any]]] = {}
    for experiment, runs in groups.items():
        for run in runs:
            for finding in run['findings']:
                key = experiment, finding['situation'], finding['suggestion']
                found.setdefault(key, []).append((run, finding))
    return found


def _places(groups: Groups) -> dict[str, list[str]]:
    """Returns the experiments that ran on each device with each set of package versions."""
    found: dict[str, list[str]] = {}
    for experiment, runs in groups.items():
        for run in runs:
            versions = ', '.join(f'{package} {version}' for package, version in run.get('versions', {}).items())
            names = found.setdefault(f'{run.get("device")}; {versions}', [])
            names += [experiment] * (experiment not in names)
    return found


def environment() -> Environment:
    """Returns the Jinja environment of the page templates, with their filters and globals; names are escaped."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number=number, digits=digits, signed=signed, share=share, run_name=run_name)
    environment.globals.update(names=NAMES, against=AGAINST, directed=SCORES, marks=MARKS, milestones=milestones)
    return environment
