"""A teacher of several: each member is trained once, the whole is scored, kept, found again and learned from."""

import json
import re
from pathlib import Path

import pytest
import torch

from mapsage_mmseg.commands import cli, test, train
from mapsage_mmseg.engine.teachers.keys import content_key
from mapsage_mmseg.engine.teachers.recipes import load_recipe
from mapsage_mmseg.engine.teachers.store import read_teacher
from mapsage_mmseg.settings.load import load_config
from tests import small, tiny

ENSEMBLE = dict(
    type='SegmentorEnsemble',
    data_preprocessor=tiny.PREPROCESSOR,
    members=[tiny.teacher().to_dict(), tiny.teacher().to_dict()],
    views=2,
)
MEMBERS = [dict(recipe='teacher.py', seed=0), dict(recipe='teacher.py', seed=1)]


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """The configs, and a run that has learned from the two."""
    folder = tmp_path_factory.mktemp('ensemble')
    small.write_configs(folder)
    (folder / 'two.py').write_text(
        f"_base_ = 'teacher.py'\nmembers = {MEMBERS!r}\nmodel = dict(_delete_=True, **{ENSEMBLE!r})\n"
    )
    (folder / 'learns.py').write_text(
        "_base_ = 'improved.py'\nexperiment = 'learns'\nteacher_recipe = 'two.py'\n"
        f"model = dict(teacher=dict(_delete_=True, **{ENSEMBLE!r}), teacher_cache='float16', "
        'distiller=dict(levels=dict(feature=None, attention=None)))\n'
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert cli.run(train.main, ['learns.py']) == 0
    return folder


def stored(folder):
    """The teachers that are kept, by their numbers of members."""
    cards = {}
    for path in folder.glob('experiments/teachers/*/teacher.pth'):
        members = torch.load(path, weights_only=True)['meta'].get('members')
        cards.setdefault(len(members or [0]), []).append(path)
    return cards


def test_each_member_is_trained_with_its_seed_and_kept_and_so_is_the_whole(folder):
    kept = stored(folder)
    assert {number: len(paths) for number, paths in kept.items()} == {1: 2, 2: 1}
    records = [json.loads(path.read_text()) for path in folder.glob('experiments/teacher_*/result.json')]
    assert sorted(record['seed'] for record in records) == [0, 1]
    whole, _ = read_teacher(kept[2][0])
    singles = [read_teacher(path)[0] for path in kept[1]]
    for number in range(2):
        mine = {key.removeprefix(f'members.{number}.'): value for key, value in whole.items() if f's.{number}.' in key}
        assert any(all(torch.equal(mine[key], single[key]) for key in single) for single in singles)
    assert not torch.equal(*(whole[f'members.{number}.decode_head.conv_seg.weight'] for number in range(2)))


def test_its_score_is_what_the_test_tool_measures(folder, monkeypatch, capfd):
    monkeypatch.chdir(folder)
    run = next(Path('experiments').glob('learns_*'))
    assert cli.run(test.main, [str(run), '--teacher', '--out', 'scores.json', '--pictures', '0']) == 0
    score = json.loads(Path('scores.json').read_text())['mIoU']
    record = json.loads((run / 'result.json').read_text())
    assert record['teacher']['mIoU'] == pytest.approx(score) == record['epochs'][-1]['val']['teacher_mIoU']


def test_the_next_command_finds_it(folder, monkeypatch, capfd):
    monkeypatch.chdir(folder)
    before = sorted(folder.glob('experiments/*'))
    assert cli.run(train.main, ['two.py']) == 0
    assert 'Teacher: found' in capfd.readouterr().err and sorted(folder.glob('experiments/*')) == before


def test_a_member_that_is_there_is_not_trained_again(folder, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(folder)
    Path('three.py').write_text("_base_ = 'two.py'\nmodel = dict(views=4)\n")
    before = len(list(folder.glob('experiments/teacher_*')))
    assert cli.run(train.main, ['three.py']) == 0
    assert len(list(folder.glob('experiments/teacher_*'))) == before
    assert len(stored(folder)[2]) == 2


def test_another_recipe_or_seed_of_a_member_is_another_ensemble(folder, tmp_path):
    def key(members, rate='lr=1e-3'):
        there = tmp_path / str(len(list(tmp_path.iterdir())))
        there.mkdir()
        for name in ('teacher.py', 'improved.py', 'two.py'):
            (there / name).write_text((folder / name).read_text().replace('lr=1e-3', rate))
        (there / 'changed.py').write_text(f"_base_ = 'two.py'\nmembers = {members!r}\n")
        (there / 'asks.py').write_text("_base_ = 'improved.py'\nteacher_recipe = 'changed.py'\n")
        return content_key(load_recipe(load_config(there / 'asks.py')))

    keys = [key(MEMBERS), key([MEMBERS[0], dict(MEMBERS[1], seed=5)]), key(MEMBERS, rate='lr=2e-3')]
    assert len(set(keys)) == 3 and key(MEMBERS) == keys[0]


def test_a_member_that_is_not_there_is_named(folder, monkeypatch, capfd):
    monkeypatch.chdir(folder)
    Path('wrong.py').write_text("_base_ = 'two.py'\nmembers = [dict(recipe='none.py', seed=0)]\n")
    assert cli.run(train.main, ['wrong.py']) == 2
    assert "members[0].recipe='none.py' was not found beside" in capfd.readouterr().err


@pytest.mark.parametrize(
    ('text', 'argv', 'message'),
    [
        ('', ('--epochs', '3'), '--epochs 3: two.py is an ensemble, which has no training of its own'),
        ('', ('--seed', '4'), '--seed 4: two.py is an ensemble'),
        ("members = ['teacher.py']", (), r"members\[0\]='teacher.py': expected dict\(recipe="),
        ("members = [dict(recipe='teacher.py', sed=1)]", (), r"members\[0\]=.*'sed': 1}: expected dict\(recipe="),
    ],
)
def test_what_an_ensemble_would_ignore_is_refused(folder, monkeypatch, capfd, text, argv, message):
    monkeypatch.chdir(folder)
    name = 'two.py'
    if text:
        name = 'mistaken.py'
        Path(name).write_text(f"_base_ = 'two.py'\n{text}\n")
    assert cli.run(train.main, [name, *argv]) == 2
    assert re.search(message, capfd.readouterr().err)
