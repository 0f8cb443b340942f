"""Student and teacher in NHWC: the same run, near enough, and the same checkpoint."""

import pytest
import torch
from mmengine.runner import Runner

from tests import runs


def test_a_run_in_channels_last_goes_as_the_other(tmp_path):
    """Terms of 12 steps to 1e-3; the keys of a checkpoint the same."""
    phases = [dict(begin=1, weights=dict(task=0.6, distill=0.3, feature=0.1, attention=0.05))]
    runners = []
    for name, hooks in (('plain', {}), ('last', dict(channels_last=dict(type='ChannelsLastHook')))):
        cfg = runs.config(tmp_path, name=name, epochs=2, phases=phases, losses=dict(type='Losses'), **hooks)
        runners.append(Runner.from_cfg(cfg))
        runners[-1].train()
    plain, nhwc = (runner.model for runner in runners)
    kernels = [value for value in (*nhwc.parameters(), *nhwc.teacher.parameters()) if value.ndim == 4]
    assert all(value.is_contiguous(memory_format=torch.channels_last) for value in kernels)
    assert nhwc.state_dict().keys() == plain.state_dict().keys()
    steps = list(zip(*map(runs.losses, runners), strict=True))
    assert len(steps) == 12
    for its, mine in steps:
        for term in ('task', 'distill', 'feature', 'attention'):
            assert mine[term] == pytest.approx(its[term], rel=1e-3, abs=1e-5)
