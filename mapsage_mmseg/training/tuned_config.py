"""The best trial of a study as a config."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ..engine.teachers.recipes import find_config
from ..settings.knobs import changes
from ..settings.load import configs_dir, experiment_of, is_distillation, load_config
from .command_lines import find_control


def write_tuned(folder: Path, original: str | Path, values: Mapping[str, Any], told: str) -> Path:
    """Writes ``best.py`` and, if the learning rate was tuned, ``best_control.py``: the student alone at that rate.

    Args:
        folder: Folder of the new files.
        original: The config that was tuned.
        values: Values of the knobs.
        told: Docstring of ``best.py``.

    Returns:
        Path of ``best.py``.
    """
    config = load_config(original)
    found: dict[str, Any] = dict(experiment=f'{experiment_of(config, original)}_tuned')
    if is_distillation(config):
        found.update(_companions(config))
        control = find_control(config)
        if control and 'learning_rate' in values:
            found['control'] = 'best_control.py'
            rate = dict(optim_wrapper=dict(optimizer=dict(lr=values['learning_rate'])))
            name = experiment_of(load_config(control), control)
            text = '"""The control of best.py: the student alone, at the same learning rate."""'
            _write(folder / 'best_control.py', control, dict(experiment=f'{name}_tuned', **rate), text)
    path = folder / 'best.py'
    _write(path, Path(original), {**found, **changes(config, values)}, f'"""{told}"""')
    return path


def _companions(config: Config) -> dict[str, str]:
    """Returns the configs that the original names beside itself, where the new one would not find them."""
    names = {key: config.get(key) for key in ('teacher_recipe', 'control')}
    paths = {key: find_config(config, name) for key, name in names.items() if name}
    return {
        key: str(path.resolve())
        for key, path in paths.items()
        if path and path.resolve() != (configs_dir() / 'distill' / names[key]).resolve()
    }


def _write(path: Path, base: Path, content: Mapping[str, Any], docstring: str) -> None:
    path.write_text(f'{docstring}\n\n_base_ = {str(base.resolve())!r}\n{Config(dict(content)).pretty_text}')
