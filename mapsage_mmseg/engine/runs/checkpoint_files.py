"""Checkpoint files of a run, and the newest intact one."""

import re
from pathlib import Path

from mmengine.fileio import LocalBackend, register_backend

from ...errors import InputError
from ...weights_file import load_checkpoint_file
from ...whole_file import whole_file, write_text

FOLDER = 'checkpoints'  # in the run directory
POINTER = 'last_checkpoint'  # next to it: MMEngine's file that names the last checkpoint
WHOLE = 'whole'  # the name of WholeFileBackend for MMEngine's ``backend_args``
_NAME = re.compile(r'(epoch|iter)_(\d+)\.pth')


@register_backend(WHOLE)
class WholeFileBackend(LocalBackend):
    """MMEngine's local files with atomic writes."""

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Writes bytes.

        Raises:
            OSError: The file cannot be written; its former content stays.
        """
        with whole_file(filepath) as file:
            file.write(obj)

    def put_text(self, obj: str, filepath: str | Path, encoding: str = 'utf-8') -> None:
        """Writes text, as :meth:`put` does."""
        self.put(obj.encode(encoding), filepath)

    def remove(self, filepath: str | Path) -> None:
        """Keeps the file: MMEngine's CheckpointHook removes before it writes. RunCheckpointHook removes afterwards."""


def point_to(work_dir: str | Path, checkpoint: str | Path) -> None:
    """Writes the last checkpoint's path where MMEngine's own resume looks for it."""
    write_text(Path(work_dir) / POINTER, str(checkpoint))


def resumable(work_dir: str | Path, iters_per_epoch: int = 1) -> list[tuple[int, Path]]:
    """Returns the checkpoints that a run can resume from, each with its iteration, newest first.

    The best checkpoints are not among them: they have no optimizer.

    Args:
        work_dir: The run directory.
        iters_per_epoch: Iterations of an epoch, to order checkpoints by epoch among those by iteration.
    """
    units = dict(epoch=iters_per_epoch, iter=1)
    found = []
    for path in (Path(work_dir) / FOLDER).glob('*.pth'):
        if match := _NAME.fullmatch(path.name):
            found.append((units[match[1]] * int(match[2]), path))
    return sorted(found, reverse=True)


def set_aside(work_dir: str | Path, iteration: int, iters_per_epoch: int) -> list[Path]:
    """Renames the checkpoints ahead of the iteration at which a run starts: another run's, or damaged ones.

    Returns:
        Their former names.
    """
    ahead = [path for its, path in resumable(work_dir, iters_per_epoch) if its > iteration]
    ahead += [] if iteration else list((Path(work_dir) / FOLDER).glob('best_*.pth'))
    for path in ahead:
        path.replace(f'{path}.aside')
    return ahead


def damage(path: Path) -> str | None:
    """Returns what is wrong with a checkpoint, in words; None if all of it can be read and its checksums match."""
    try:
        load_checkpoint_file(path)
    except InputError as error:
        return str(error)
    return None


def newest_whole(work_dir: str | Path, iters_per_epoch: int = 1) -> tuple[Path | None, list[str]]:
    """Finds the newest intact checkpoint.

    Returns:
        The checkpoint, and for each that was skipped what is wrong with it; None and an empty list if there are no
        checkpoints at all.

    Raises:
        InputError: There are checkpoints, and none is intact.
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
