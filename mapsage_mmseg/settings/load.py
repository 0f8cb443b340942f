"""Finding and reading configs."""

import inspect
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from mmengine.config import Config
from mmengine.runner import Runner

from .. import register  # noqa: F401  (configs of earlier versions import the package alone, which registers nothing)
from ..errors import InputError

PACKAGE = Path(__file__).parents[1]
# Keys that a config may have: those that MMEngine's Runner reads, and those that this package reads.
KEYS = {*inspect.signature(Runner.__init__).parameters} - {'self', 'cfg'}
KEYS |= {'custom_imports', 'experiment', 'experiments', 'control', 'teacher_recipe', 'publish_teacher', 'commands'}
# Errors that executing a wrong config may raise.
MISTAKES = (SyntaxError, OSError, KeyError, AttributeError, TypeError, ValueError, NameError, ImportError)


def configs_dir() -> Path:
    """Returns the folder of the package's own configs: in its checkout, or in an installed wheel."""
    for folder in (PACKAGE.parent / 'configs', PACKAGE / '.mim' / 'configs'):
        if (folder / '_base_' / 'default_runtime.py').is_file():
            return folder
    raise InputError(
        f'the configs of mapsage_mmseg were not found beside {PACKAGE}; install with: pip install . (not -e)'
    )


def load_config(path: str | Path) -> Config:
    """Reads a config.

    Raises:
        InputError: The file is missing, is not valid Python, or names something that does not exist.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f'config {path} does not exist')
    try:
        return Config.fromfile(str(path))
    except InputError:
        raise
    except (yaml.YAMLError, RecursionError, *MISTAKES) as error:
        reason = ''.join(str(error).splitlines()[:1])
        raise InputError(f'config {path} cannot be read: {type(error).__name__}: {reason}') from error


def _is_path(config: Config, key: str, value: str) -> bool:
    """Returns whether a value with commas is one text, not a list: it is an existing path, or replaces a text."""
    if ',' not in value or value[:1] in '[(':
        return False
    node: Any = config
    for part in key.split('.'):
        node = node.get(part) if isinstance(node, dict | Config) else None
    return isinstance(node, str) or Path(value).expanduser().exists()


def override(config: Config, pairs: Sequence[str]) -> None:
    """Applies ``--cfg-options key=value ...``.

    Raises:
        InputError: A pair has no equals sign, or its key is unknown, which MMEngine would silently accept.
    """
    from mmengine.config import DictAction

    options: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition('=')
        if not equals or not key:
            raise InputError(f'--cfg-options {pair}: must read key=value, as in optim_wrapper.optimizer.lr=2e-4')
        first, known = key.split('.')[0], {*config, *KEYS}
        if first not in known:
            near = get_close_matches(first, known, 1)
            meant = f'did you mean {near[0]!r}?' if near else f'it has {", ".join(sorted(config))}'
            raise InputError(f'--cfg-options {pair}: the config has no {first!r}; {meant}')
        try:
            options[key] = value if _is_path(config, key, value) else DictAction._parse_iterable(value)
        except AssertionError as error:
            raise InputError(f'--cfg-options {pair}: {error}') from error
        except RecursionError as error:  # raised by MMEngine for dict(...)
            raise InputError(
                f'--cfg-options {pair}: no value that can be given here; give its keys one by one, as in '
                f'{key}.KEY=value, or put it into a config'
            ) from error
    try:
        config.merge_from_dict(options)
    except (KeyError, TypeError, AssertionError, IndexError) as error:
        raise InputError(f'--cfg-options {" ".join(pairs)}: {str(error).splitlines()[0]}') from error


def is_distillation(config: Config) -> bool:
    """Returns whether a config has a teacher."""
    return config.model.get('type') == 'MultiLevelDistill'


def experiment_of(config: Config, path: str | Path) -> str:
    """Returns the prefix of run directories: the experiment that the config names, or else the name of its file."""
    return config.get('experiment') or Path(path).stem
