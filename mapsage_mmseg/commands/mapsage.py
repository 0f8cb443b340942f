"""The installed command, ``mapsage``: the first word chooses the tool."""

import sys
from difflib import get_close_matches
from importlib import import_module

from . import cli

TOOLS = dict(
    train='train a student, its teacher, or its control',
    test='score a student or a teacher on tiles with labels',
    compare='compare runs, and draw a report',
    repeat='train configs with several seeds, each with its control, and compare',
    doctor='look at a distillation before it runs',
    tune='search the knobs of a config',
    prepare='cut scenes and masks into tiles',
    predict='draw maps of pictures and GeoTIFFs',
    export='write a student for MMSegmentation or ONNX Runtime',
    demo='serve a page that shows a student at work',
    benchmark='time the steps of a distillation',
    replay='repeat the step that stopped a run',
)
MODULES = dict(prepare='prepare_data')  # tools whose module has another name


def usage() -> str:
    """Returns the list of tools, one per line."""
    lines = ['usage: mapsage TOOL [arguments]; mapsage TOOL --help lists them', '']
    return '\n'.join([*lines, *(f'  {name:<10} {does}' for name, does in TOOLS.items())])


def main() -> int:
    """Runs the tool that the command line names; returns its exit status."""
    words = sys.argv[1:]
    if not words or words[0] in ('-h', '--help'):
        print(usage())
        return cli.DONE if words else cli.WRONG_INPUT
    named = {**{name: name for name in TOOLS}, **MODULES, **{module: module for module in MODULES.values()}}
    if words[0] not in named:
        near = get_close_matches(words[0], named, 1)
        meant = f'did you mean {near[0]!r}?' if near else f'there are {", ".join(TOOLS)}'
        print(f'error: mapsage {words[0]}: no such tool; {meant}', file=sys.stderr)
        return cli.WRONG_INPUT
    tool = import_module(f'.{named[words[0]]}', __package__)
    sys.argv = [f'mapsage {words[0]}', *words[1:]]
    return cli.run(tool.main)
