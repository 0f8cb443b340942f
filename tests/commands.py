"""Commands in Markdown, and what is wrong with each."""

import contextlib
import importlib
import io
import re
import shlex
import tempfile
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path

import mmseg

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10, where coverage[toml] brings it
    import tomli as tomllib  # type: ignore[no-redef]

from mapsage_mmseg.commands.prepare_data import KNOWN, known_parser
from mapsage_mmseg.datasets.stock import has_own_layout
from mapsage_mmseg.errors import InputError
from mapsage_mmseg.settings.check import check_config
from mapsage_mmseg.settings.data_root import apply_data_root
from mapsage_mmseg.settings.load import load_config, override
from tests.pages import ASSIGNMENT, KNOB, Command

ROOT = Path(__file__).resolve().parents[1]
NOT_CHECKED = dict(  # by program, and why
    tensorboard="another project's command line",
    git="another project's command line",
    cd="the shell's own",
    export="the shell's own",
    sed="the system's own",
)
EXAMPLE = 'configs/distill/improved.py'  # what a setting or a placeholder is tried on
FOREIGN_FLAGS = {  # in running text: other programs'
    '--system-site-packages': 'venv',
    '--gpus': 'mim',
    '--no-build-isolation': 'pip',
}
PLACEHOLDER = re.compile(r'\$?[A-Z][A-Z_]*|.*\.\.\..*')  # PATH, CONFIG, $RUN; experiments/improved_distill_...


class Wrong(Exception):
    """What is wrong with a command."""


def fault(command: Command, own: frozenset[str] = frozenset()) -> str | None:
    """What is wrong with a command; None where it is real.

    Args:
        command: As :func:`commands` found it.
        own: Names of configs that the pages define.
    """
    try:
        words = shlex.split(command.text, comments=True)
        if not command.whole:
            _loose(words)
            return None
        while words and ASSIGNMENT.match(words[0]):
            _variable(words.pop(0).partition('=')[0], alone=not words)
        if words and words[0] not in NOT_CHECKED:
            if words[0] not in CHECKS:
                raise Wrong(f'{words[0]} is no program that is known here')
            CHECKS[words[0]](words[1:])
            _configs(words, own)
    except (Wrong, ValueError) as wrong:
        return str(wrong)
    return None


def parser_of(tool: str, arguments: list[str]) -> ArgumentParser:
    """The parser of ``tools/<tool>.py``."""
    if not (ROOT / 'tools' / f'{tool}.py').is_file():
        raise Wrong(f'there is no tools/{tool}.py')
    if tool == 'prepare_data' and arguments[:1] and arguments[0] in KNOWN:
        return known_parser(arguments[0])
    return importlib.import_module(f'mapsage_mmseg.commands.{tool}').parser()


def _parse(tool: str, arguments: list[str]) -> None:
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            parsed = parser_of(tool, arguments).parse_args(arguments)
    except SystemExit as end:
        if end.code:
            raise Wrong(said.getvalue().strip().splitlines()[-1]) from end
        return
    for name in getattr(parsed, 'configs', None) or [getattr(parsed, 'config', None)]:
        if getattr(parsed, 'cfg_options', None):
            over_tiles = getattr(parsed, 'data_root', None) is not None
            _options(EXAMPLE if PLACEHOLDER.fullmatch(name) else name, parsed.cfg_options, over_tiles)


def _options(config: str, pairs: list[str], over_tiles: bool = False) -> None:
    try:
        loaded = load_config(ROOT / config)
        if over_tiles and not has_own_layout(loaded.train_dataloader.dataset):
            with tempfile.TemporaryDirectory() as folder:
                Path(folder, 'dataset.yaml').write_text('name: tiles\nclasses: [a, b]\nimg_suffix: .png\n')
                apply_data_root(loaded, folder)
        override(loaded, pairs)
        check_config(loaded)
    except InputError as error:
        raise Wrong(str(error)) from error


def _variable(name: str, alone: bool) -> None:
    """One that is set for a command has to mean something to a tool, or to Python."""
    read = ''.join(path.read_text() for path in (ROOT / 'tools').iterdir() if path.is_file())
    if not alone and name not in ('PYTHONPATH', 'OMP_NUM_THREADS') and not re.search(rf'\b{name}\b', read):
        raise Wrong(f'no tool reads {name}')


def _python(words: list[str]) -> None:
    if words[:1] == ['-m']:
        if importlib.util.find_spec(words[1]) is None:
            raise Wrong(f'there is no module {words[1]}')
        return
    tool = re.fullmatch(r'tools/(\w+)\.py', words[0] if words else '')
    if not tool:
        raise Wrong(f'{" ".join(words[:1])} is no tool')
    _parse(tool[1], words[1:])


def _bash(words: list[str]) -> None:
    script = words[0] if words else ''
    if not re.fullmatch(r'tools/\w+\.sh', script) or not (ROOT / script).is_file():
        raise Wrong(f'there is no {script}')
    tool = re.search(r'(train|test)\.sh$', script)[1]
    if script.startswith('tools/slurm'):
        _parse(tool, [*words[3:], '--launcher', 'slurm'])
        return
    if len(words) < 3 or not words[2].isdigit():
        raise Wrong(f'{script} takes a config and a number of processes')
    _parse(tool, [words[1], *words[3:], '--launcher', 'pytorch'])


def _make(words: list[str]) -> None:
    text = (ROOT / 'Makefile').read_text()
    recipes = dict(re.findall(r'^([a-z-]+):[^=\n]*##.*\n((?:\t.*\n)*)', text, re.MULTILINE))
    targets = [word for word in words if not ASSIGNMENT.match(word)]
    for target in targets:
        if target not in recipes:
            raise Wrong(f'make has no target {target}; it has {", ".join(recipes)}')
    for name, value in (word.split('=', 1) for word in words if ASSIGNMENT.match(word)):
        if not re.search(rf'\$\({name}\)|^{name} ?[:?]?=|\$\(or \$\({name}\)', text, re.MULTILINE):
            raise Wrong(f'the Makefile knows no {name}')
        for line in recipes[targets[0]].splitlines() if name == 'ARGS' and targets else ():
            command = line.strip().replace('$(BIN)/', '').replace('$(ARGS)', value)
            if command.startswith('python tools/'):
                _python(shlex.split(command)[1:])


def _mim(words: list[str]) -> None:
    """What mim is documented for: it hands what follows a package and a config on to our tools, or MMSegmentation's."""
    verb, package, rest = words[0] if words else '', words[1] if len(words) > 1 else '', words[2:]
    if verb == 'install' and len(words) == 2:
        return
    if package not in ('mapsage_mmseg', 'mmsegmentation'):
        raise Wrong(f'mim {verb}: {package} is not mmsegmentation or mapsage_mmseg')
    if package == 'mmsegmentation' and verb == 'run':
        if not list((Path(mmseg.__file__).parent / '.mim' / 'tools').rglob(f'{rest[0]}.py')):
            raise Wrong(f'MMSegmentation has no tool {rest[0]}')
        return
    if package == 'mmsegmentation' and verb not in ('train', 'test'):
        raise Wrong(f'mim {verb} of MMSegmentation is not documented')
    if verb == 'train':
        _parse(verb, rest)
    elif verb == 'test':
        _parse(verb, [word for word in rest if word != '--checkpoint'])
    elif verb == 'run':
        _parse(rest[0], rest[1:])
    elif verb == 'search':
        if unknown := [word for word in rest if word.startswith('-') and word not in ('--sort', '--field', '--config')]:
            raise Wrong(f'mim search has no {unknown[0]}')
    elif verb == 'gridsearch':
        grid = ArgumentParser(exit_on_error=False)
        for flag in ('--work-dir', '--gpus', '--search-args'):
            grid.add_argument(flag, required=True)
        known, others = grid.parse_known_args(rest)
        key, first, *_ = known.search_args.removeprefix('--').split()
        _parse('train', [*others, '--cfg-options', f'{key}={first}'])
    else:
        raise Wrong(f'mim {verb} is not documented')


def _pip(words: list[str]) -> None:
    """Extras; which packages an index has is its own business."""
    if words[:1] != ['install']:
        raise Wrong('pip is there to install')
    known = extras()
    for names in re.findall(r'\.\[([\w,]+)\]', ' '.join(words)):
        for name in names.split(','):
            if name not in known:
                raise Wrong(f'there is no extra {name}; there are {", ".join(known)}')


def extras() -> list[str]:
    """Names of the extras in pyproject.toml that bring something."""
    project = tomllib.loads((ROOT / 'pyproject.toml').read_text())['project']
    return [name for name, packages in project['optional-dependencies'].items() if packages]


def _source(words: list[str]) -> None:
    if words != ['.venv/bin/activate']:
        raise Wrong('make sets up .venv')


CHECKS: dict[str, Callable[[list[str]], None]] = dict(
    python=_python, bash=_bash, make=_make, mim=_mim, pip=_pip, source=_source
)
PROGRAMS = frozenset({*CHECKS, *NOT_CHECKED})


def _configs(words: list[str], own: frozenset[str]) -> None:
    for word in words:
        if not word.endswith('.py') or '=' in word or word.startswith('tools/') or (ROOT / word).is_file():
            continue
        if word not in own and not PLACEHOLDER.fullmatch(word):
            raise Wrong(f'there is no config {word}')


def _loose(words: list[str]) -> None:
    """In running text: settings; flags, of the tool that is named or of any; tools, targets and configs."""
    if KNOB.fullmatch(words[0]):
        _options(EXAMPLE, words)
        return
    words = words[1:] if words[0] in ('python', 'bash') and len(words) > 1 else words
    tool = re.fullmatch(r'(?:tools/)?(\w+)\.(py|sh)', words[0])
    if tool and tool[2] == 'py' and (ROOT / 'tools' / words[0].removeprefix('tools/')).is_file():
        known = _option_strings(parser_of(tool[1], words[1:]))
    elif words[0] in CHECKS:
        if words[0] in ('make', 'pip') and '-e' not in words and '-n' not in words:
            CHECKS[words[0]](words[1:])
        return
    else:
        known = {flag for name in tools() for flag in _option_strings(parser_of(name, []))} | set(FOREIGN_FLAGS)
    for word in words:
        if re.match(r'--?[a-z]', word) and word.split('=')[0] not in known:
            raise Wrong(f'no such flag: {word}')
    _configs(words[1:], frozenset())


def tools() -> list[str]:
    """Names of the tools that have a parser."""
    return sorted(path.stem for path in (ROOT / 'tools').glob('*.py') if path.stem != 'launch')


def _option_strings(parser: ArgumentParser) -> set[str]:
    found = set(parser._option_string_actions)
    for action in parser._actions:  # subcommands
        for sub in getattr(action, 'choices', None) or ():
            if isinstance(action.choices, dict):
                found |= _option_strings(action.choices[sub])
    return found
