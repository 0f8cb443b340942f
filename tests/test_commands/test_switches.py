"""The switches of the training tool: what they write into a config, and a run under them."""

import json

import pytest

from mapsage_mmseg.commands import cli, train
from mapsage_mmseg.errors import InputError
from mapsage_mmseg.training.options import TrainOptions
from mapsage_mmseg.training.session import prepare
from tests import small


def prepared(repository, *arguments):
    path = repository / 'configs/distill/improved.py'
    return prepare(path, TrainOptions.of(train.parser().parse_args([str(path), *arguments])))


def test_each_switch_is_what_a_config_can_say_too(repository):
    plain = prepared(repository)
    assert plain.optim_wrapper.type == 'OptimWrapper'
    assert not {'channels_last', 'compile'} & set(plain.default_hooks)
    assert prepared(repository, '--channels-last').default_hooks.channels_last.type == 'ChannelsLastHook'
    assert prepared(repository, '--compile').default_hooks.compile.type == 'CompileHook'
    amp = prepared(repository, '--amp').optim_wrapper
    assert (amp.type, amp.dtype) == ('AmpOptimWrapper', 'bfloat16')


def test_options_go_with_the_switches(repository):
    options = ['default_hooks.compile.backend=eager', 'default_hooks.compile.type=CompileHook']
    assert prepared(repository, '--compile', '--cfg-options', *options).default_hooks.compile.backend == 'eager'
    alone = prepared(repository, '--compile', '--cfg-options', options[0]).default_hooks.compile
    assert (alone.type, alone.backend) == ('CompileHook', 'eager')
    with pytest.raises(InputError, match='default_hooks.compile is set, but not in use: add --compile'):
        prepared(repository, '--cfg-options', options[0])
    half = prepared(repository, '--amp', '--cfg-options', 'optim_wrapper.dtype=float16')
    assert half.optim_wrapper.dtype == 'float16'


@pytest.mark.slow
@pytest.mark.parametrize('config', ['improved.py', 'no_distill.py'])
def test_all_of_them_at_once_to_the_end_of_a_run(config, tmp_path, monkeypatch):
    """Teacher, student and control; workers and accumulation too."""
    monkeypatch.chdir(tmp_path)
    small.write_configs(tmp_path)
    options = [
        'optim_wrapper.accumulative_counts=2',
        'train_dataloader.num_workers=1',
        'train_dataloader.pin_memory=True',
        'default_hooks.compile.type=CompileHook',
        'default_hooks.compile.backend=eager',
    ]
    assert cli.run(train.main, [config, '--amp', '--channels-last', '--compile', '--cfg-options', *options]) == 0
    (result,) = tmp_path.glob(
        f'experiments/{"improved_distill" if "improved" in config else "no_distill"}_*/result.json'
    )
    record = json.loads(result.read_text())
    assert record['status'] == 'finished'
    assert [entry['stability']['nonfinite'] for entry in record['epochs']] == [0, 0]
