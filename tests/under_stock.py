"""What stock MMSegmentation makes of an export."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np

SCRIPT = Path(__file__).parent / 'test_deployment' / 'stock.py'


def run_alone(command: list, folder: Path) -> str:
    """The output of a command that succeeds in a folder, with no path to this package from the environment."""
    environment = {key: value for key, value in os.environ.items() if key != 'PYTHONPATH'}
    done = subprocess.run(
        [str(part) for part in command], cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def under_stock(
    exported: Path, images: np.ndarray, data_root: Path, folder: Path, python: str = sys.executable
) -> Mapping[str, np.ndarray]:
    """Logits, classes, palette and mIoU, by the script stock.py.

    Args:
        exported: What ``tools/export.py student`` left.
        images: (N, H, W, 3), uint8.
        data_root: The data that its config is tested on.
        folder: For what goes between the processes.
        python: The interpreter.
    """
    np.save(folder / 'images.npy', images)
    run_alone([python, '-I', SCRIPT, exported, 'images.npy', 'out.npz', data_root], folder)
    return np.load(folder / 'out.npz')
