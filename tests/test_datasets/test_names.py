"""Public names can be imported from the package, by a process that has imported nothing else."""

import subprocess
import sys

import mapsage_mmseg.datasets


def test_every_public_name_is_there_and_its_module_registers_what_it_needs():
    code = (
        'import warnings; warnings.simplefilter("ignore"); import mapsage_mmseg.datasets as found; '
        '[getattr(found, name) for name in found.__all__]; from mmseg.registry import DATASETS, TRANSFORMS; '
        'assert DATASETS.get("FolderLandCover") and TRANSFORMS.get("LoadRasterImage")'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert not hasattr(mapsage_mmseg.datasets, 'Nothing')
