"""Options of a training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True)
class TrainOptions:
    """Options of a training, as ``tools/train.py`` takes them.

    Attributes:
        work_dir: The run directory; None for ``<experiments>/<experiment>_<time>``.
        resume: Continue the newest run of the experiment, or the one in ``work_dir``.
        amp: Mixed precision in bfloat16.
        channels_last: Convolutions in NHWC.
        compile: ``torch.compile`` for the forwards of student and teacher.
        cfg_options: Overrides of the config: a list of ``key=value``, one such text, or a dict.
        launcher: ``'none'``, ``'pytorch'``, ``'slurm'`` or ``'mpi'``.
        data_root: Folder with ``dataset.yaml``, or in the layout of the config's own data set; None for the config's.
        skip_data_check: Do not read every file of ``data_root`` first.
        epochs: Another length of the run; phases and schedules in epochs are scaled with it.
        seed: Of weights, order, augmentation and dropout; None for the config's.
        strict: Stop at the first finding of the diagnosis.
        retrain_teacher: Train the teacher again even where it exists.
    """

    work_dir: str | None = None
    resume: bool = False
    amp: bool = False
    channels_last: bool = False
    compile: bool = False
    cfg_options: Sequence[str] = ()
    launcher: str = 'none'
    data_root: str | None = None
    skip_data_check: bool = False
    epochs: int | None = None
    seed: int | None = None
    strict: bool = False
    retrain_teacher: bool = False

    def __post_init__(self) -> None:
        given: Any = self.cfg_options
        pairs = [f'{key}={value}' for key, value in given.items()] if isinstance(given, Mapping) else given
        object.__setattr__(self, 'cfg_options', (pairs,) if isinstance(pairs, str) else tuple(pairs))

    @classmethod
    def of(cls, arguments: Any) -> 'TrainOptions':
        """Reads options from parsed arguments; options that a tool does not have keep their defaults."""
        names = [field.name for field in fields(cls)]
        return cls(**{name: getattr(arguments, name) for name in names if hasattr(arguments, name)})

    def argv(self) -> list[str]:
        """Returns the arguments that give ``tools/train.py`` these options."""
        words: list[str] = []
        for field in fields(self):
            value, flag = getattr(self, field.name), f'--{field.name.replace("_", "-")}'
            if value is True:
                words.append(flag)
            elif field.name == 'cfg_options':
                words += [flag, *value] if value else []
            elif value is not None and value is not False and value != field.default:
                words += [flag, str(value)]
        return words
