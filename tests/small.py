"""The package's configs over tiny models and data: files that a command line takes, a few seconds of training each."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests import tiny

REPOSITORY = Path(__file__).resolve().parents[1]
SETTINGS = """
optim_wrapper = dict(optimizer=dict(lr=1e-3))
train_cfg = dict(max_epochs={epochs}, val_interval=1)
param_scheduler = [dict(
    type='CosineAnnealingLR', eta_min_ratio=0.01, T_max={epochs}, begin=0, end={epochs}, by_epoch=True,
    convert_to_iter_based=True)]
train_dataloader = dict(batch_size=2, num_workers=0, persistent_workers=False, dataset=dict(size=64, length=10))
val_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(size=64, length=4))
test_dataloader = val_dataloader
experiments = {experiments!r}
"""
PHASES = """
default_hooks = dict(phases=dict(phases=[
    dict(name='task', begin=1, end=1, by='epoch', weights=dict(task=1.0)),
    dict(name='distill', begin=2, by='epoch', weights=dict(task=1.0, distill=1.0, feature=0.5, attention=0.1))]))
"""


def write_configs(folder: Path, epochs: int = 2) -> None:
    """Writes ``teacher.py``, ``improved.py`` and ``no_distill.py``; runs go to ``<folder>/experiments``."""
    models = dict(teacher=tiny.teacher(), improved=tiny.distill(), no_distill=tiny.student())
    models['improved'].teacher_check = 'warn'  # a few steps of training leave the better one to chance
    for name, model in models.items():
        base = REPOSITORY / 'configs/distill' / f'{name}.py'
        text = f'_base_ = {str(base)!r}\nmodel = dict(_delete_=True, **{model.to_dict()!r})\n'
        text += SETTINGS.format(epochs=1 if name == 'teacher' else epochs, experiments=str(folder / 'experiments'))
        (folder / f'{name}.py').write_text(text + (PHASES if name == 'improved' else ''))


@contextmanager
def interrupt_when(pattern: str) -> Iterator[None]:
    """Sends this process SIGINT as soon as a file below the current folder matches."""
    folder, over = Path.cwd(), threading.Event()

    def watch() -> None:
        while not over.wait(0.05):
            if next(folder.glob(pattern), None):
                os.kill(os.getpid(), signal.SIGINT)
                return

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
