"""A run under an adaptive balance, stopped and resumed, ends as one that was not, bit for bit."""

import json
import shutil

import pytest
import torch
from mmengine.runner import Runner

from tests import runs

BALANCES = dict(shares='shares', uncertainty='uncertainty', gradnorm=dict(type='gradnorm', interval=4))


def run(folder, name, balance, loop, resume_from=None):
    cfg = runs.config(
        folder,
        name=name,
        loop=loop,
        panels=dict(images=0),
        checkpoint=dict(by_epoch=False, interval=15, max_keep_ckpts=-1),
    )
    cfg.model.balance = BALANCES[balance]
    if resume_from:
        cfg.load_from, cfg.resume = str(resume_from), True
    runner = Runner.from_cfg(cfg)
    runner.train()
    return runner


@pytest.mark.parametrize(
    ('balance', 'loop'), [('shares', 'epoch'), ('uncertainty', 'epoch'), ('gradnorm', 'epoch'), ('gradnorm', 'iter')]
)
def test_the_same_weights_bit_for_bit(balance, loop, tmp_path):
    """24 iterations, 6 an epoch, the phase edge behind the 12th; stopped behind the 15th, in mid-epoch and between two
    of gradnorm's measurements."""
    reference = run(tmp_path, 'whole', balance, loop)
    (tmp_path / 'left').mkdir()
    shutil.copy(tmp_path / 'whole' / 'result.json', tmp_path / 'left')
    resumed = run(tmp_path, 'left', balance, loop, tmp_path / 'whole' / 'checkpoints' / 'iter_15.pth')
    expected = reference.model.state_dict()
    assert any(key.startswith('balance.') for key in expected)
    assert [key for key, value in resumed.model.state_dict().items() if not torch.equal(value, expected[key])] == []
    left, right = (json.loads((tmp_path / name / 'result.json').read_text())['epochs'] for name in ('left', 'whole'))
    for entry in (*left, *right):
        entry.pop('seconds')
    assert left == right
