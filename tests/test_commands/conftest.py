"""The package's configs, made small."""

import textwrap
from pathlib import Path

import pytest

from tests import tiny

SMALL = """
optim_wrapper = dict(optimizer=dict(lr=1e-3))
train_cfg = dict(max_epochs={epochs})
param_scheduler = [dict(
    type='CosineAnnealingLR', eta_min_ratio=0.01, T_max={epochs}, by_epoch=True, convert_to_iter_based=True)]
train_dataloader = dict(batch_size=2, num_workers=0, persistent_workers=False, dataset=dict(size=64, length=6))
val_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(size=64, length=2))
test_dataloader = val_dataloader
experiments = {experiments!r}
"""


@pytest.fixture
def configs(tmp_path, repository, monkeypatch):
    """The package's configs made small, in an empty folder that is the current one."""
    monkeypatch.chdir(tmp_path)
    experiments = str(tmp_path / 'experiments')
    write = lambda name, base, model, epochs=2: Path(name).write_text(  # noqa: E731
        textwrap.dedent(
            f'_base_ = {str(repository / "configs/distill" / base)!r}\n'
            f'model = dict(_delete_=True, **{model.to_dict()!r})\n'
        )
        + SMALL.format(epochs=epochs, experiments=experiments)
    )
    write('teacher.py', 'teacher.py', tiny.teacher(), epochs=1)
    with open('teacher.py', 'a') as file:  # as the real one: it trains on more than its student
        file.write('train_dataloader["dataset"]["length"] = 8\n')
    write('improved.py', 'improved.py', tiny.distill())
    write('no_distill.py', 'no_distill.py', tiny.student())
    with open('improved.py', 'a') as file:
        file.write(
            'default_hooks = dict(phases=dict(phases=[dict(begin=1, end=1, weights=dict(task=1.0)), '
            'dict(begin=2, weights=dict(task=1.0, distill=1.0, feature=1.0))]))\n'
        )
    return tmp_path
