"""TensorBoard events in the run's ``logs`` folder, without MMEngine's flat tags."""

import logging
import os
import re
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.visualization import TensorboardVisBackend
from mmengine.visualization.vis_backend import force_init_env
from mmseg.registry import VISBACKENDS

from ..compat import catch_event_errors
from ..errors import InputError
from ..whole_file import whole_file

LOGS = 'logs'
ROOM = 1 << 16  # free bytes required to start another event file
_TIMESTAMP = re.compile(r'\d{8}_\d{6}(_\d+)?')  # of ToolRunner, numbered if two runs begin in one second


@VISBACKENDS.register_module()
class RunTensorboardBackend(TensorboardVisBackend):
    """Writes TensorBoard events to ``<work_dir>/logs``, so that a run has them in one place, even if it is resumed.

    MMEngine passes ``<work_dir>/<timestamp>/vis_data`` to its backends. The run's hooks choose what is shown and call
    ``add_scalar`` and ``add_image``. ``add_scalars`` is ignored: MMEngine's LoggerHook uses it to write everything that
    it prints under flat tags (``loss``, ``time``).

    If events cannot be written because the disk is full, it logs an error and continues without them. Every
    :meth:`flush` checks whether there is space again, and then starts another file.

    Args:
        save_dir (str): The folder that MMEngine passes. ``<work_dir>/<timestamp>/vis_data`` becomes
            ``<work_dir>/logs``, ``<folder>/vis_data`` becomes ``<folder>/logs``; any other folder is used as it is.
            With None, MMEngine's Visualizer skips the backend, as in inference without a work_dir.

    Raises:
        InputError: ``save_dir`` is neither a path nor None.
    """

    def __init__(self, save_dir: str | os.PathLike | None) -> None:
        if save_dir is not None and (not isinstance(save_dir, (str, os.PathLike)) or not os.fspath(save_dir)):
            raise InputError(f'RunTensorboardBackend: save_dir={save_dir!r}: the path of a folder is needed')
        super().__init__(None if save_dir is None else str(_logs_dir(Path(save_dir))))

    def _init_env(self) -> None:
        """Creates the folder and the writer; MMEngine calls this before the first use."""
        if self._save_dir is None:
            raise InputError('RunTensorboardBackend: save_dir=None: there is no folder to write TensorBoard events to')
        super()._init_env()
        self._broken = False
        catch_event_errors(self._tensorboard, self._say_broken)

    def _say_broken(self, error: OSError) -> None:
        self._broken = True
        print_log(f'{self._save_dir}: points are lost until there is room ({error.strerror})', 'current', logging.ERROR)

    @force_init_env
    def add_config(self, config: Config, **kwargs: Any) -> None:
        """Writes the config as a code block, because TensorBoard's text tab renders Markdown."""
        self._tensorboard.add_text('config', f'```python\n{config.pretty_text}\n```')

    def add_scalars(self, scalar_dict: dict, step: int = 0, file_path: str | None = None, **kwargs: Any) -> None:
        """Writes nothing: the run's hooks write their own tags with ``add_scalar``."""

    def flush(self) -> None:
        """Writes pending events; TensorBoard itself does so every two minutes."""
        if not self._env_initialized:
            return
        if self._broken and _has_room(Path(self._save_dir)):
            self._tensorboard.close()
            self._init_env()
        self._tensorboard.flush()


def _has_room(folder: Path) -> bool:
    probe = folder / 'room'
    try:
        with whole_file(probe) as file:
            file.write(bytes(ROOM))
        probe.unlink()
    except OSError:
        return False
    return True


def _logs_dir(save_dir: Path) -> Path:
    """Returns the folder of the events for the folder that MMEngine passes."""
    if save_dir.name != 'vis_data':
        return save_dir
    parent = save_dir.parent
    return (parent.parent if _TIMESTAMP.fullmatch(parent.name) else parent) / LOGS
