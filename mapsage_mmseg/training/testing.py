"""Scores and pictures of a student, or of its teacher."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config

from ..deployment.find_student import last_checkpoint, leave_alone, model_facts
from ..deployment.student_data import as_model_knows, check_fits
from ..errors import InputError
from ..settings.check import check_config
from ..settings.data_root import apply_data_root, check_data, set_bands, set_classes
from ..settings.load import is_distillation, load_config, override
from .scoring import score
from .teacher_training import trained_teacher


@dataclass(frozen=True)
class TestOptions:
    """What to score, and on what.

    Attributes:
        checkpoint: The checkpoint; None for the last one of the run, or for its teacher's.
        teacher: Score the teacher instead of the student.
        data_root: A folder of tiles instead of the config's data.
        skip_data_check: Do not read every file of ``data_root`` first.
        work_dir: Folder of logs and pictures; None for ``<run>/test`` or ``work_dirs/test``.
        pictures: Number of pictures to draw.
        cfg_options: Overrides of the config, each ``key=value``.
        launcher: ``'none'``, ``'pytorch'``, ``'slurm'`` or ``'mpi'``.
    """

    __test__ = False  # not a pytest test

    checkpoint: str | None = None
    teacher: bool = False
    data_root: str | None = None
    skip_data_check: bool = False
    work_dir: str | None = None
    pictures: int = 8
    cfg_options: Sequence[str] = ()
    launcher: str = 'none'


@dataclass(frozen=True)
class Tested:
    """Scores, the checkpoint that was scored, and the folder of logs and pictures."""

    scores: dict[str, float]
    checkpoint: str
    work_dir: str


def test(source: str | Path, options: TestOptions | None = None) -> Tested:
    """Scores a student, or its teacher, on validation tiles.

    Args:
        source: A config, or a run directory.
        options: What to score, and on what.

    Raises:
        InputError: Something named is missing or does not fit.
    """
    options = options or TestOptions()
    run = Path(source) if Path(source).is_dir() else None
    config = load_config(run / 'config.py' if run else source)
    if options.data_root:
        apply_data_root(config, options.data_root)
    override(config, options.cfg_options)
    check_config(config)
    check_data(config, bool(options.data_root and not options.skip_data_check), ('test_dataloader',))
    checkpoint = options.checkpoint or default_checkpoint(config, run, options.teacher, options.data_root)
    if options.data_root:
        follow_model(config, checkpoint)
    weights = leave_alone(config, checkpoint, options.teacher)
    name, folder = 'teacher' if options.teacher else 'student', run / 'test' if run else Path('work_dirs') / 'test'
    config.work_dir = options.work_dir or str(folder / name)
    config.launcher, config.resume, config.load_from = options.launcher, False, None
    return Tested(score(config, weights, checkpoint, options.pictures, name), checkpoint, config.work_dir)


test.__test__ = False  # type: ignore[attr-defined]


def follow_model(config: Config, checkpoint: str) -> None:
    """Makes a folder of tiles match the model: its classes, its bands, its normalisation.

    Raises:
        InputError: The folder has a class that the model does not know, or other bands.
    """
    known, dataset = model_facts(Path(checkpoint)), config.test_dataloader.dataset
    if known is None or dataset.get('type') != 'FolderLandCover':
        return
    check_fits(dataset.data_root, known)
    set_classes(config, len(known.classes))
    if known.bands:
        set_bands(config, known.bands)
    dataset.update(as_model_knows(known))


def default_checkpoint(config: Config, run: Path | None, teacher: bool, data_root: str | None) -> str:
    """Returns the run's student, or the teacher that its config names.

    Raises:
        InputError: There is none.
    """
    if teacher:
        if not is_distillation(config):
            raise InputError('--teacher: this config has no teacher; name the config of a distillation')
        return str(trained_teacher(config, data_root))
    found = last_checkpoint(run) if run else None
    if found is None and run:
        raise InputError(f'{run} has no checkpoint in checkpoints; name the checkpoint to score')
    if found is None:
        raise InputError(
            'name the checkpoint to score: tools/test.py CONFIG CHECKPOINT, or tools/test.py RUN_DIRECTORY'
        )
    return str(found)
