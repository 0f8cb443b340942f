"""What MMEngine remembers of logged values is bounded."""

import pytest
from mmengine.runner import Runner

from mapsage_mmseg.engine.hooks import HistoryHook, history_hook
from mapsage_mmseg.errors import InputError
from tests import runs


def histories(tmp_path, **settings):
    runner = Runner.from_cfg(
        runs.config(tmp_path, epochs=3, phases=[dict(begin=1, weights=dict(task=1.0))], **settings)
    )
    runner.train()
    return runner.message_hub.log_scalars


def test_as_many_values_are_kept_as_an_epoch_has(tmp_path, monkeypatch):
    monkeypatch.setattr(history_hook, 'EVERY', 6)
    kept = histories(tmp_path, history=dict(steps=2))
    assert {len(kept[name].data[0]) for name in ('train/loss', 'train/lr', 'train/grad_norm')} == {6}  # of 18


def test_without_a_reason_all_are_kept(tmp_path):
    assert len(histories(tmp_path)['train/loss'].data[0]) == 18


def test_a_window_over_the_whole_run_is_left_whole(tmp_path):
    cfg = runs.config(tmp_path, epochs=1, history=dict(steps=1))
    cfg.log_processor.custom_cfg = [dict(data_src='loss', method_name='mean', window_size='global')]
    runner = Runner.from_cfg(cfg)
    runner.train()
    assert len(runner.message_hub.log_scalars['train/loss'].data[0]) == 6


@pytest.mark.parametrize('steps', [0, 2.5])
def test_a_bound_that_is_none(steps):
    with pytest.raises(InputError, match='HistoryHook: steps='):
        HistoryHook(steps)
