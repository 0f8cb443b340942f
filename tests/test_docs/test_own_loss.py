"""The worked example of docs/own_loss.md, as it stands there: what its loss gives, and that it trains."""

import re
import sys

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from mmseg.registry import MODELS

from tests import runs, tiny

FILE = re.compile(r'```python\n# (\w+\.py)\n(.*?)```', re.DOTALL)


@pytest.fixture(scope='module')
def example(repository, tmp_path_factory) -> Config:
    """The page's config, read in a folder that holds its files and, like a checkout, ``configs``."""
    folder = tmp_path_factory.mktemp('checkout')
    (folder / 'configs').symlink_to(repository / 'configs')
    for name, text in FILE.findall((repository / 'docs/own_loss.md').read_text(encoding='utf-8')):
        (folder / name).write_text(text)
    sys.path.insert(0, str(folder))
    try:
        yield Config.fromfile(str(folder / 'with_cosine.py'))
    finally:
        sys.path.remove(str(folder))
        sys.modules.pop('my_loss', None)
        MODELS.module_dict.pop('CosineFeatureLoss', None)


@pytest.fixture
def loss(example):
    return MODELS.build(example.model.distiller.levels.feature.loss)


def test_the_loss_by_hand(loss):
    """Two positions: at the one the features point the same way, at the other opposite ways."""
    student = torch.tensor([[1.0, 2.0], [0.0, 0.0]]).reshape(1, 2, 1, 2)
    teacher = torch.tensor([[3.0, -1.0], [0.0, 0.0]]).reshape(1, 2, 1, 2)
    assert loss(student, teacher, torch.ones(1, 1, 4, 8)).item() == pytest.approx((0 + 2) / 2)
    left = torch.ones(1, 1, 4, 8)
    left[..., 4:] = 0
    assert loss(student, teacher, left).item() == pytest.approx(0, abs=1e-6)
    assert loss(student, teacher, torch.zeros(1, 1, 4, 8)).item() == 0


def test_the_student_may_have_another_grid(loss):
    constant = torch.ones(2, 5, 3, 3)
    assert loss(constant, 2 * torch.ones(2, 5, 6, 6), torch.ones(2, 1, 24, 24)).item() == pytest.approx(0, abs=1e-6)


def test_it_trains_for_two_iterations(example, tmp_path):
    model = tiny.distill()
    model.distiller.levels.feature.loss = example.model.distiller.levels.feature.loss
    model.teacher_ckpt = str(runs.make_teacher(tmp_path))
    weights = dict(task=0.6, feature=0.4)
    cfg = runs.config(
        tmp_path, model=model, phases=[dict(begin=1, weights=weights)], loop='iter', losses=dict(type='Losses')
    )
    cfg.train_cfg.update(max_iters=2, val_interval=2)
    cfg.param_scheduler = None
    runner = Runner.from_cfg(cfg)
    before = [parameter.detach().clone() for parameter in runner.model.parameters()]
    runner.train()
    assert [type(each).__name__ for each in runner.model.distiller.distill_losses.values()][1] == 'CosineFeatureLoss'
    steps = runs.losses(runner)
    assert len(steps) == 2 and all(0 < step['feature'] < 2 for step in steps)
    for step in steps:
        assert step['loss'] == pytest.approx(sum(weight * step[term] for term, weight in weights.items()))
    assert any(not torch.equal(old, new) for old, new in zip(before, runner.model.parameters(), strict=True))


def test_the_level_of_its_own_is_a_whole_config(example, repository, tmp_path):
    """The page's third block: its level is declared, and weighs something."""
    blocks = re.findall(r'```python\n(_base_.*?)```', (repository / 'docs/own_loss.md').read_text(), re.DOTALL)
    (tmp_path / 'configs').symlink_to(repository / 'configs')
    (tmp_path / 'direction.py').write_text(blocks[-1])
    cfg = Config.fromfile(str(tmp_path / 'direction.py'))
    assert set(cfg.default_hooks.phases.phases[1].weights) - {'task'} == set(cfg.model.distiller.levels)
    model = MODELS.build(cfg.model)
    assert type(model.distiller.distill_losses['loss_direction']).__name__ == 'CosineFeatureLoss'
