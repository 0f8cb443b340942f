"""Checkpoint files of a run, and the newest whole one."""

import re
from pathlib import Path

from mmengine.fileio import LocalBackend, register_backend

from ...errors import InputError
from ...weights_file import load_checkpoint_file
from ...whole_file import whole_file, write_text

FOLDER = 'checkpoints'  # in the run directory
POINTER = 'last_checkpoint'  # beside it: MMEngine's name for the file that names the last one
WHOLE = 'whole'  # the name of WholeFileBackend for MMEngine's ``backend_args``
_NAME = re.compile(r'(epoch|iter)_(\d+)\.pth')


@register_backend(WHOLE)
class WholeFileBackend(LocalBackend):
    """MMEngine's local files, written whole or not at all."""

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Writes bytes.

        Raises:
            OSError: It cannot be written; what was there before is there still.
        """
        with whole_file(filepath) as file:
            file.write(obj)

    def put_text(self, obj: str, filepath: str | Path, encoding: str = 'utf-8') -> None:
        """Writes text, likewise."""
        self.put(obj.encode(encoding), filepath)

    def remove(self, filepath: str | Path) -> None:
        """Leaves the file: MMEngine's CheckpointHook removes before it writes. RunCheckpointHook does so afterwards."""


def point_to(work_dir: str | Path, checkpoint: str | Path) -> None:
    """Names the last checkpoint where MMEngine's own resume looks for its name."""
    write_text(Path(work_dir) / POINTER, str(checkpoint))


def resumable(work_dir: str | Path, iters_per_epoch: int = 1) -> list[tuple[int, Path]]:
    """Checkpoints that a run can resume from, each with its iteration, the newest first; not the best, which have no
    optimizer.

    Args:
        work_dir: The run directory.
        iters_per_epoch: Orders checkpoints of epochs among those of iterations.
    """
    units = dict(epoch=iters_per_epoch, iter=1)
    found = []
    for path in (Path(work_dir) / FOLDER).glob('*.pth'):
        if match := _NAME.fullmatch(path.name):
            found.append((units[match[1]] * int(match[2]), path))
    return sorted(found, reverse=True)


def set_aside(work_dir: str | Path, iteration: int, iters_per_epoch: int) -> list[Path]:
    """Renames the checkpoints that lie ahead of a run that begins at an iteration: another run's, or damaged ones.

    Returns:
        Their former names.
    """
    ahead = [path for its, path in resumable(work_dir, iters_per_epoch) if its > iteration]
    ahead += [] if iteration else list((Path(work_dir) / FOLDER).glob('best_*.pth'))
    for path in ahead:
        path.replace(f'{path}.aside')
    return ahead


def damage(path: Path) -> str | None:
    """What is wrong with a checkpoint, in words; None where all of it can be read and its checksums hold."""
    try:
        load_checkpoint_file(path)
    except InputError as error:
        return str(error)
    return None


def newest_whole(work_dir: str | Path, iters_per_epoch: int = 1) -> tuple[Path | None, list[str]]:
    """The newest checkpoint that is whole, and for each that was passed over what is wrong with it.

    Returns:
        None and no line where there are no checkpoints at all.

    Raises:
        InputError: There are some, and none is whole.
    """
    passed: list[str] = []
    for _, path in resumable(work_dir, iters_per_epoch):
        trouble = damage(path)
        if trouble is None:
            return path, passed
        passed.append(trouble)
    if passed:
        raise InputError(
            f'--resume: no checkpoint of {work_dir} is whole ({"; ".join(passed)}); put a whole copy there, or begin '
            'anew without --resume'
        )
    return None, []
