"""What an installation carries: the package, and in ``.mim`` what ``mim`` looks for."""

import email
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

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


def test_mim_reads_the_packaged_model_index():
    modelindex = pytest.importorskip('modelindex', reason='needs the extra [mim]')
    index = modelindex.load(str(ROOT / 'model-index.yml'))
    index.build_models_with_collections()
    for model in index.models or []:
        assert (ROOT / model.config).is_file(), model.name
        assert model.results, f'{model.name}: an entry without results that were measured'
