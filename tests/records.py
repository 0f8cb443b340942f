"""Records of runs that never were, with the figures that a test wants."""

import copy
import json
import math
from pathlib import Path
from typing import Any

CLASSES = ['building', 'land', 'road']
VERSIONS = dict(python='3.11.7', torch='2.13.0')


def entry(epoch: int, miou: float, loss: float, agreement: float | None, distils: bool) -> dict[str, Any]:
    weights = dict(task=0.6, distill=0.3) if distils else dict(task=1.0)
    return dict(
        epoch=epoch,
        iter=10 * epoch,
        phase='distill' if distils else 'task',
        temperature=6.0 - epoch if agreement is not None else None,
        weights=weights,
        terms=dict(task=loss, distill=0.5 if distils else None, feature=None, attention=None),
        shares=dict(task=0.8 if distils else 1.0, distill=0.2 if distils else None, feature=None, attention=None),
        total=2 * loss,
        stability=dict(nonfinite=0, max_over_median=1.5, grad_norm_max=4.0),
        val=dict(
            task_loss=loss,
            mIoU=miou,
            boundary_f1=miou / 2,
            teacher_agreement=agreement,
            IoU={name: miou + 10 * index for index, name in enumerate(CLASSES)},
        ),
        seconds=10.0 + epoch,
    )


def record(
    experiment: str = 'improved_distill',
    seed: int = 0,
    miou: float = 50.0,
    loss: float = 0.8,
    agreement: tuple[float, float] = (60.0, 80.0),
    **changes: Any,
) -> dict[str, Any]:
    """A finished run of two epochs; one of ``no_distill`` has no teacher, any other distils in its second epoch."""
    alone = experiment == 'no_distill'
    before, last = (None, None) if alone else agreement
    found = dict(
        schema=1,
        experiment=experiment,
        config=f'configs/distill/{experiment}.py',
        git_commit='0123456789ab',
        seed=seed,
        device='cpu',
        versions=VERSIONS,
        dataset=dict(name='tiles', classes=CLASSES, chance_loss=math.log(3), key='k'),
        teacher=None if alone else dict(mIoU=60.0, params_m=48.8, gflops=4.2, sha256='ab' * 32),
        student=dict(params_m=3.7, gflops=0.85),
        epochs=[entry(1, miou - 20, 1.0, before, False), entry(2, miou, loss, last, not alone)],
        findings=[],
        criteria={},
        status='finished',
    )
    return copy.deepcopy({**found, **changes})


def write(folder: Path, content: dict[str, Any], stamp: str = '20260101_000000') -> Path:
    """Puts a record where a run would have left it, and gives its directory."""
    path = folder / f'{content["experiment"]}_{stamp}'
    path.mkdir(parents=True, exist_ok=True)
    (path / 'result.json').write_text(json.dumps(content))
    return path
