"""Commands parse first and import afterwards: help and mistakes need no torch, and a comparison neither."""

import subprocess
import sys

import pytest

from mapsage_mmseg.commands import mapsage
from mapsage_mmseg.evaluation.record import write_record
from tests.records import record

HEAVY = ('torch', 'mmengine', 'numpy', 'rasterio', 'scipy', 'transformers', 'matplotlib')
HELP = """
import sys
from importlib import import_module
from mapsage_mmseg.commands import cli, mapsage
for name in mapsage.TOOLS:
    tool = import_module(f'mapsage_mmseg.commands.{mapsage.MODULES.get(name, name)}')
    assert cli.run(tool.main, ['--help']) == 0, name
    assert cli.run(tool.main, ['--no-such-option']) == 2, name
print([name for name in sys.argv[1:] if name in sys.modules])
"""


def loaded(code, *arguments):
    """What of some modules a script has loaded when it ends."""
    done = subprocess.run([sys.executable, '-c', code, *arguments], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def test_help_and_mistakes_load_nothing_heavy():
    assert loaded(HELP, *HEAVY) == '[]'


def test_a_comparison_on_the_terminal_loads_no_torch(tmp_path):
    for name, run in (('alone', record('no_distill', 0, 50.0)), ('taught', record('improved_distill', 0, 52.0))):
        (tmp_path / name).mkdir()
        write_record(tmp_path / name / 'result.json', run)
    code = (
        'import sys; from mapsage_mmseg.commands import cli, compare; '
        'assert cli.run(compare.main, sys.argv[1:2]) == 0; '
        "print([name for name in ('torch', 'mmengine', 'matplotlib', 'scipy.stats') if name in sys.modules])"
    )
    assert loaded(code, str(tmp_path)) == '[]'


@pytest.mark.parametrize(
    ('words', 'status', 'said'),
    [
        ([], 2, 'usage: mapsage TOOL'),
        (['--help'], 0, '  compare    compare runs'),
        (['compare-runs'], 2, "error: mapsage compare-runs: no such tool; did you mean 'compare'?"),
        (['fly'], 2, 'no such tool; there are train, test'),
        (['prepare_data', '--help'], 0, 'usage: mapsage prepare_data'),
        (['train', '--help'], 0, 'usage: mapsage train'),
        (['compare', 'nowhere'], 2, 'nowhere does not exist'),
    ],
)
def test_the_installed_command_chooses_the_tool(words, status, said, monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', ['mapsage', *words])
    assert mapsage.main() == status
    captured = capsys.readouterr()
    assert said in captured.out + captured.err


def test_names_that_commands_give_without_importing_them_are_those_of_the_modules():
    from mapsage_mmseg.commands import benchmark, prepare_data, replay
    from mapsage_mmseg.datasets.prepare import KNOWN, LAYOUTS
    from mapsage_mmseg.datasets.tiles.dataset_yaml import MOST_BANDS
    from mapsage_mmseg.engine.benchmark_steps import SWITCHES
    from mapsage_mmseg.engine.runs.black_box import NAME

    assert tuple(KNOWN) == prepare_data.KNOWN and tuple(sorted(LAYOUTS)) == prepare_data.LAYOUTS
    assert prepare_data.MOST_BANDS == MOST_BANDS
    assert tuple(SWITCHES) == benchmark.SWITCHES and replay.NAME == NAME
