"""What an installation carries: the package, and in ``.mim`` what ``mim`` looks for."""

import email
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from tests import metafile

ROOT = Path(__file__).resolve().parents[1]
SOURCES = (
    'setup.py',
    'pyproject.toml',
    'MANIFEST.in',
    'LICENSE',
    'model-index.yml',
    'mapsage_mmseg',
    'configs',
    'tools',
)


@pytest.fixture(scope='module')
def tree(tmp_path_factory):
    """A copy of what is packaged, so that building leaves nothing in the repository."""
    target = tmp_path_factory.mktemp('source')
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=shutil.ignore_patterns('.mim'))
        else:
            shutil.copy2(source, target / name)
    return target


def built(tree, out, hook):
    """Runs a hook of the build backend as pip does, in this environment."""
    command = f'from setuptools import build_meta; print(build_meta.{hook}({str(out)!r}))'
    done = subprocess.run(
        [sys.executable, '-c', command],
        cwd=tree,
        text=True,
        capture_output=True,
        env={key: value for key, value in os.environ.items() if key != 'PYTHONPATH'},
    )
    assert done.returncode == 0, done.stderr
    return out / done.stdout.splitlines()[-1], done.stdout + done.stderr


@pytest.fixture(scope='module')
def wheel(tree, tmp_path_factory):
    stale = tree / 'build/lib/mapsage_mmseg/.mim/configs/gone.py'
    stale.parent.mkdir(parents=True)
    stale.write_text('# left there by an earlier build')
    path, _ = built(tree, tmp_path_factory.mktemp('wheel'), 'build_wheel')
    with zipfile.ZipFile(path) as archive:
        yield archive


def packaged(folder):
    return {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / folder).rglob('*')
        if path.is_file() and '__pycache__' not in path.parts and not path.name.startswith('.')
    }


def test_mim_finds_every_config_and_tool(wheel):
    prefix = 'mapsage_mmseg/.mim/'
    found = {name.removeprefix(prefix) for name in wheel.namelist() if name.startswith(prefix)}
    assert found == packaged('configs') | packaged('tools') | {'model-index.yml'}
    assert {'tools/train.py', 'configs/distill/improved.py'} <= found


def test_the_wheel_holds_the_package_and_nothing_else(wheel):
    names = wheel.namelist()
    modules = {name for name in packaged('mapsage_mmseg') if '.mim' not in Path(name).parts and name.endswith('.py')}
    assert modules <= set(names)
    templates = packaged('mapsage_mmseg/visualization/templates')
    assert 'mapsage_mmseg/visualization/templates/report.html.j2' in templates <= set(names)
    assert {name.split('/')[0] for name in names} <= {
        'mapsage_mmseg',
        next(n for n in names if 'METADATA' in n).split('/')[0],
    }
    assert not [name for name in names if '__pycache__' in name or name.endswith('.pyc')]


def test_the_metadata_has_the_version_and_requires_no_mmcv(wheel):
    metadata = email.message_from_bytes(wheel.read(next(name for name in wheel.namelist() if 'METADATA' in name)))
    version = re.search(r"__version__ = '(.+)'", (ROOT / 'mapsage_mmseg/__init__.py').read_text())
    assert version and metadata['Version'] == version[1]
    assert sorted(metadata['Requires-Python'].split(',')) == ['<3.13', '>=3.10']
    always = [line for line in metadata.get_all('Requires-Dist') if 'extra ==' not in line]
    assert not [line for line in always if line.startswith('mmcv')]
    assert not [line for line in always if '==' in line], 'bounds, not pins'
    assert {'lite', 'pretrained', 'mim', 'dev'} <= set(metadata.get_all('Provides-Extra'))


def test_an_editable_build_says_what_it_cannot_serve(tree, tmp_path):
    _, output = built(tree, tmp_path, 'build_editable')
    assert 'mim train mmsegmentation CONFIG' in output and 'pip install .' in output
    assert not (tree / 'mapsage_mmseg/.mim').exists()


def test_the_metafile_says_what_the_committed_records_say():
    assert metafile.FILE.read_text(encoding='utf-8') == metafile.text(), 'write it again: python -m tests.metafile'
    models = {model['Name']: model for model in yaml.safe_load(metafile.FILE.read_text())['Models']}
    assert {f'{arm}_dubai_25e' for arm in metafile.CONFIGS} <= set(models)
    for name, records in metafile.runs().items():
        (result,) = models[name]['Results']
        scores = [record['epochs'][-1]['val']['mIoU'] for record in records]
        assert result['Metrics']['mIoU'] == pytest.approx(sum(scores) / len(scores), abs=1e-4)


def test_an_entry_has_the_mean_over_its_seeds():
    (records,) = (found for name, found in metafile.runs().items() if name == 'best_dubai_25e')
    other = json.loads(json.dumps(records[0]))
    other['seed'] = 1
    other['epochs'][-1]['val']['mIoU'] = records[0]['epochs'][-1]['val']['mIoU'] - 2
    entry = metafile.entry('best_dubai_25e', [records[0], other])
    assert entry['Metadata']['Seeds'] == f'{records[0]["seed"]} 1'
    (result,) = entry['Results']
    assert result['Metrics']['mIoU'] == pytest.approx(records[0]['epochs'][-1]['val']['mIoU'] - 1)


def test_mim_reads_the_packaged_model_index():
    modelindex = pytest.importorskip('modelindex', reason='needs the extra [mim]')
    index = modelindex.load(str(ROOT / 'model-index.yml'))
    index.build_models_with_collections()
    assert len(index.models) >= 5
    for model in index.models:
        assert (ROOT / model.config).is_file(), model.name
        assert model.results, f'{model.name}: an entry without results that were measured'


@pytest.fixture(scope='module')
def installed(wheel, tmp_path_factory):
    """A folder with the wheel's content, as an installation has it: what mim looks into."""
    folder = tmp_path_factory.mktemp('site')
    wheel.extractall(folder)
    return folder


def test_mim_search_shows_the_results(installed, tmp_path):
    pytest.importorskip('mim', reason='needs the extra [mim]')
    command = (
        "import sys; from mim.commands.search import cli; cli(['mapsage_mmseg', '--field', 'dubai/miou', 'config'])"
    )
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', command],
        cwd=tmp_path,
        env={**os.environ, 'PYTHONPATH': str(installed)},
        text=True,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    shown = dict(re.findall(r'config id: (\S+)\nconfig +\S+\ndubai/miou +(\S+)', done.stdout))
    assert {name: float(value) for name, value in shown.items()} == {
        name: metafile.entry(name, records)['Results'][0]['Metrics']['mIoU']
        for name, records in metafile.runs().items()
    }


def test_mim_finds_each_config_by_its_name(installed):
    """mim looks for a config that is not in the folder by its file name, in the whole package, and wants one alone."""
    names = [path.name for path in (installed / 'mapsage_mmseg').rglob('*.py')]
    configs = {path.name for path in (ROOT / 'configs/distill').rglob('*.py')}
    assert 'improved.py' in configs and [name for name in configs if names.count(name) > 1] == []
