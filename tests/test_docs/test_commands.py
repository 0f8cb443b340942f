"""Every command in the documentation is one that the tools, the Makefile and the configs know."""

import pkgutil
import re
from pathlib import Path

import pytest

from tests.commands import NOT_CHECKED, PROGRAMS, ROOT, extras, fault
from tests.pages import Command, commands

PAGES = sorted(
    str(path.relative_to(ROOT)) for path in [*ROOT.glob('*.md'), *(ROOT / 'docs').rglob('*.md')] if path.is_file()
)
TRANSLATED = sorted(page for page in PAGES if page.endswith('.zh.md'))


def read(page: str) -> str:
    return (ROOT / page).read_text(encoding='utf-8')


def own_files() -> frozenset[str]:
    """Configs that a page gives in full, each with its name in the first line."""
    return frozenset(name for page in PAGES for name in re.findall(r'^```python\n# (\w+\.py)$', read(page), re.M))


@pytest.mark.parametrize('page', PAGES)
def test_every_command_is_real(page):
    found = [(command, fault(command, own_files())) for command in commands(read(page), PROGRAMS)]
    assert [f'{page}:{command.line}: {command.text}: {wrong}' for command, wrong in found if wrong] == []


def test_there_are_commands_to_check():
    whole = [command.text for command in commands(read('README.md'), PROGRAMS) if command.whole]
    assert 'make test' in whole[1] and any('tools/compare.py docs/results/dubai' in text for text in whole)
    assert len(whole) >= 10
    assert all(reason for reason in NOT_CHECKED.values())


@pytest.mark.parametrize(
    ('text', 'wrong'),
    [
        ('python tools/train.py configs/distill/improved.py --reusme', 'unrecognized arguments: --reusme'),
        ('python tools/train.py', 'required: config'),
        ('python tools/trian.py configs/distill/improved.py', 'no tools/trian.py'),
        ('python tools/train.py configs/distill/improvd.py', 'no config configs/distill/improvd.py'),
        ('python tools/train.py my_config.py', 'no config my_config.py'),
        ('pyhton tools/train.py configs/distill/improved.py', 'pyhton is no program'),
        ('python tools/train.py CONFIG --cfg-options default_hooks.temperature.strat=8', "did you mean 'start'"),
        ('python tools/train.py CONFIG --cfg-options optim_wrapper.optimizer.lr', 'must read key=value'),
        ('python tools/repeat.py CONFIG --seeds one', "invalid int value: 'one'"),
        ('python tools/prepare_data.py dubai -o dubai --size 512', 'unrecognized arguments: --size 512'),
        ('bash tools/dist_train.sh CONFIG four', 'a number of processes'),
        ('bash tools/dist_train.sh CONFIG 4 --dataroot PATH', 'unrecognized arguments: --dataroot'),
        ('NNODES=2 bash tools/dist_trian.sh CONFIG 4', 'no tools/dist_trian.sh'),
        ('NNODE=2 bash tools/dist_train.sh CONFIG 4', 'no tool reads NNODE'),
        ('make imrpoved', 'no target imrpoved'),
        ('make setup PYHTON=/usr/bin/python3', 'knows no PYHTON'),
        ("make improved ARGS='--data-rot /data/tiles'", 'unrecognized arguments: --data-rot'),
        ('mim train mmsegmentaton CONFIG', 'mmsegmentation or mapsage_mmseg'),
        ('mim search mmsegmentation', 'mim search of MMSegmentation is not documented'),
        ('mim run mapsage_mmseg docter CONFIG', 'no tools/docter.py'),
        ('mim search mapsage_mmseg --sotr dubai/miou', 'mim search has no --sotr'),
        (
            "mim gridsearch mapsage_mmseg CONFIG --work-dir x --gpus 0 --search-args '--optim_wrapper.lt 1 2'",
            'optim_wrapper',
        ),
        ('mim download mapsage_mmseg --config best', 'mim download is not documented'),
        ("pip install '.[hff]'", 'no extra hff'),
        ('source venv/bin/activate', 'make sets up .venv'),
    ],
)
def test_a_wrong_command_is_found(text, wrong):
    assert wrong in (fault(Command(1, text)) or '')


@pytest.mark.parametrize(
    ('page', 'line', 'wrong'),
    [
        ('text\n\n    python tools/train.py CONFIG --reusme   # continue\n', 3, '--reusme'),
        ('text\n\n```\nmake imrpoved\n```\n', 4, 'imrpoved'),
        ('    python tools/train.py CONFIG \\\n        --reusme\n', 2, '--reusme'),
        ('a `python tools/train.py\nCONFIG --reusme` in a line\n', 1, '--reusme'),
        ('`--reusme` continues\n', 1, '--reusme'),
        ('set `default_hooks.temperature.strat=8`\n', 1, "did you mean 'start'"),
        ('| table | `prepare_data.py scenes --mask-sufix _label` |\n', 1, '--mask-sufix'),
    ],
)
def test_it_is_found_wherever_it_stands(page, line, wrong):
    (command,) = commands(page, PROGRAMS)
    assert command.line == line and wrong in (fault(command) or '')


def test_what_is_no_command_is_left_alone():
    page = '    classes: [water]\n    make: nothing\n\n```python\nmake = tools\n```\n\nWe make it, `make` it, `T` it.\n'
    assert [fault(command) for command in commands(page, PROGRAMS) if command.text != 'make: nothing'] == [None]


@pytest.mark.parametrize('page', [*TRANSLATED, 'README_zh-CN.md'])
def test_a_translation_has_the_commands_of_its_original(page):
    original = 'README.md' if page == 'README_zh-CN.md' else page.replace('.zh.md', '.md')
    told = [
        [re.sub(r'\s+(#.*)?$', '', re.split(r'\s{2,}#', c.text)[0]) for c in commands(read(name), PROGRAMS) if c.whole]
        for name in (original, page)
    ]
    missing = [text for text in told[0] if text not in told[1]]
    if page.endswith('data.zh.md'):  # the measured scene is told in English alone
        missing = [text for text in missing if '--size 512' not in text]
    assert missing == [] and [text for text in told[1] if text not in told[0]] == []


@pytest.mark.parametrize('page', TRANSLATED)
def test_a_translation_has_the_code_of_its_original(page):
    code = [re.findall(r'```python\n.*?```', read(name), re.DOTALL) for name in (page, page.replace('.zh.md', '.md'))]
    assert code[0] == code[1]


def test_first_users_find_their_pages_in_chinese():
    pages = {Path(page).name for page in TRANSLATED}
    first = ('index', 'install', 'first_distillation', 'data', 'reading_report', 'not_transferred')
    then = ('teachers', 'own_loss', 'processes', 'deployment', 'demo')
    assert {f'{name}.zh.md' for name in (*first, *then)} <= pages


@pytest.mark.parametrize('page', ['docs/install.md', 'docs/install.zh.md'])
def test_every_extra_is_told(page):
    assert set(extras()) == set(re.findall(r'^\| `(\w+)` \|', read(page), re.M))


def documented() -> list[str]:
    """What the reference pages show the docstrings of."""
    pages = [page for page in PAGES if page.startswith('docs/reference/')]
    return [name for page in pages for name in re.findall(r'^::: (\S+)$', read(page), re.M)]


@pytest.mark.parametrize('name', documented())
def test_what_the_reference_names_exists(name):
    assert pkgutil.resolve_name(name)
