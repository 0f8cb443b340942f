"""The benchmark, on the tiny pair: that everything is timed and counted, not how long it takes."""

import json

import pytest
import torch

from mapsage_mmseg.commands import benchmark, cli
from mapsage_mmseg.engine.benchmark_steps import mmrazor_config
from mapsage_mmseg.settings.load import load_config
from tests import runs


def test_every_contender_is_timed_and_every_ratio_that_can_be_is_given(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv('COLUMNS', raising=False)
    cfg = runs.config(tmp_path)
    cfg.dump(str(tmp_path / 'config.py'))
    options = ['--device', 'cpu', '--size', '64', '--batch-size', '2', '--rounds', '2', '--warm-up', '1']
    out = tmp_path / 'figures.json'
    assert cli.run(benchmark.main, [str(tmp_path / 'config.py'), *options, '--json', str(out)]) == 0
    figures = json.loads(out.read_text())
    timed_steps = {'student', 'teacher', 'phase1', 'phase2', 'phase2_half', 'cached', 'mmrazor'}
    assert figures['seconds'].keys() == figures['peak_mib'].keys() == timed_steps
    assert all(found['median'] > 0 for found in figures['seconds'].values())
    assert all(peak > 0 for peak in figures['peak_mib'].values())
    assert all(found['median'] > 0 for found in figures['ratios'].values())
    assert figures['device'].startswith('cpu')
    assert 'phase2_over_floor' in capsys.readouterr().out


def test_switches_are_timed_against_the_step_without_them(tmp_path):
    cfg = runs.config(tmp_path)
    cfg.dump(str(tmp_path / 'config.py'))
    options = ['--device', 'cpu', '--size', '64', '--batch-size', '2', '--rounds', '2', '--warm-up', '1', '--cpu-time']
    out, switches = tmp_path / 'figures.json', ['amp', 'channels_last', 'accumulate2', 'workers0']
    arguments = [str(tmp_path / 'config.py'), *options, '--json', str(out), '--switches', *switches]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        assert cli.run(benchmark.main, arguments) == 0
    finally:
        torch.set_num_threads(threads)
    figures = json.loads(out.read_text())
    assert figures['cpu_time'] is True
    assert list(figures['seconds']) == ['phase2', *switches]
    assert set(figures['ratios']) == {f'{name}_over_phase2' for name in switches}


def test_the_kl_is_timed_and_counted_by_itself(repository, tmp_path):
    out = tmp_path / 'figures.json'
    options = ['--device', 'cpu', '--size', '128', '--batch-size', '2', '--rounds', '2', '--warm-up', '1', '--kl', '50']
    assert cli.run(benchmark.main, [str(repository / 'configs/distill/improved.py'), *options, '--json', str(out)]) == 0
    figures = json.loads(out.read_text())
    tensor = 2 * 50 * 128 * 128 * 4 / 2**20
    assert figures['peak_mib']['fused'] < 2 * tensor < 4 * tensor < figures['peak_mib']['plain']
    assert set(figures['ratios']) == {'fused_over_plain'}


def test_mmrazors_pair_has_the_connectors_of_the_real_config(repository):
    config = load_config(repository / 'configs/distill/improved.py')
    connectors = mmrazor_config(config)['distiller']['connectors']
    assert [each['in_channel'] for each in connectors.values()] == [32, 64, 160, 256]


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['improved', '--rounds', '0'], '--rounds 0 must be'),
        (['no_distill'], 'has no teacher'),
        (['improved', '--device', 'cuda'], 'torch sees no CUDA device'),
        (['improved', '--device', 'cpu', '--cpu-time'], 'needs --device cpu and OMP_NUM_THREADS=1'),
    ],
)
def test_mistakes(repository, capsys, monkeypatch, arguments, message):
    monkeypatch.setattr('torch.cuda.is_available', lambda: False)
    monkeypatch.setattr('torch.get_num_threads', lambda: 2)
    config, *rest = arguments
    assert cli.run(benchmark.main, [str(repository / f'configs/distill/{config}.py'), *rest]) == 2
    assert message in capsys.readouterr().err
