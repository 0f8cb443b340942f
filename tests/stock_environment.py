"""A second environment: stock MMSegmentation with compiled mmcv, and not this package."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import mmcv
import mmengine
import mmseg
import torch

VERSIONS = (mmcv.__version__, mmseg.__version__, mmengine.__version__, torch.__version__.partition('+')[0])


def stock_python() -> Path:
    """Its interpreter: what $MAPSAGE_STOCK_PYTHON names, or of an environment that is built once, in twelve minutes on
    two cores, under ~/.cache/mapsage_mmseg.

    Raises:
        subprocess.CalledProcessError: It cannot be built.
    """
    named = os.environ.get('MAPSAGE_STOCK_PYTHON')
    if named:
        return Path(named)
    cache = Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache') / 'mapsage_mmseg'
    folder = cache / '-'.join(('stock', f'{sys.version_info.major}.{sys.version_info.minor}', *VERSIONS))
    cache.mkdir(parents=True, exist_ok=True)
    with open(folder.with_suffix('.lock'), 'w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / 'built').is_file():
            _build(folder)
            (folder / 'built').touch()
    return folder / 'bin/python'


def _build(folder: Path) -> None:
    ops, models, engine, torch_version = VERSIONS
    subprocess.run([sys.executable, '-m', 'venv', '--clear', folder], check=True)
    pip = [folder / 'bin/python', '-m', 'pip', '-qq', '--disable-pip-version-check', 'install']
    steps = [
        ['--upgrade', 'pip'],
        [f'torch=={torch_version}'],
        ['setuptools<81', 'wheel', 'ninja'],
        ['--no-build-isolation', f'mmcv=={ops}'],
        [f'mmsegmentation=={models}', f'mmengine=={engine}', 'ftfy', 'regex', 'openmim==0.3.9', 'openxlab==0.0.11'],
        ['--force-reinstall', '--no-deps', 'opencv-python-headless'],
    ]
    for step in steps:
        subprocess.run([*pip, *step], check=True, env={**os.environ, 'MMCV_WITH_OPS': '1', 'FORCE_CUDA': '0'})
