"""The comparison tool, from its command line to the files that it writes."""

import json
import re

import pytest

from mapsage_mmseg.commands import cli, compare
from tests.records import record, write


@pytest.fixture
def experiments(tmp_path):
    for seed in range(3):
        write(tmp_path, record('no_distill', seed, 50.0), f'2026010{seed}_000000')
        write(tmp_path, record(seed=seed, miou=(52.0, 52.1, 51.9)[seed]), f'2026010{seed}_000000')
    return tmp_path


def run(*arguments):
    return cli.run(compare.main, [str(argument) for argument in arguments])


def test_a_folder_of_runs_is_compared_on_the_terminal(experiments, capsys):
    assert run(experiments) == 0
    out = capsys.readouterr().out
    for figure in ('52.00 ± 0.25', '+2.00 (+1.75 to +2.25) better', '20 %', 'knowledge transferred? Yes.'):
        assert figure in out, figure
    assert not list(experiments.glob('*.html'))


def test_reports_are_written_where_they_are_asked_for(experiments, tmp_path, capsys):
    files = [tmp_path / name for name in ('report.html', 'table.md', 'figures.json')]
    assert run(experiments, '-o', files[0], '--markdown', files[1], '--json', files[2]) == 0
    assert 'Was knowledge transferred?' in files[0].read_text()
    assert '| improved_distill | 0, 1, 2 | 52.00 ± 0.25 |' in files[1].read_text()
    assert '**improved_distill: Yes.**' in files[1].read_text()
    found = json.loads(files[2].read_text())
    assert found['control'] == 'no_distill'
    assert found['arms'][1]['differences']['mIoU']['verdict'] == 'better'


def test_runs_are_named_by_directory_by_record_or_together(experiments, capsys):
    one, other = 'improved_distill_20260100_000000', 'no_distill_20260100_000000'
    assert run(experiments / one) == 0
    assert 'no interval' not in capsys.readouterr().err
    assert run(experiments / one, experiments / one / 'result.json', experiments / other) == 0
    out = capsys.readouterr().out
    assert 'left out' not in out  # one run named twice is one run
    assert '+2.00 (one seed) not shown' in out


def test_another_control_by_path_or_by_name(experiments, tmp_path, capsys):
    elsewhere = write(tmp_path / 'elsewhere', record('baseline_distill', 0, 40.0))
    assert run(experiments, '--control', elsewhere) == 0
    assert 'Against baseline_distill' in capsys.readouterr().out
    assert run(experiments, '--control', 'improved_distill') == 0
    assert 'Against improved_distill' in capsys.readouterr().out


def test_single_runs_are_compared_by_their_names(experiments, capsys):
    first = write(experiments, record(seed=0, miou=55.0), '20260109_000000')
    control = experiments / 'no_distill_20260100_000000'
    assert run(first, experiments / 'improved_distill_20260100_000000', control, '--names') == 0
    out = capsys.readouterr().out
    assert 'Against no_distill_20260100_000000' in out
    assert '+2.00 (one seed)' in out and '+5.00 (one seed)' in out
    assert 'left out' not in out


def test_the_newest_run_of_a_seed_counts_by_the_time_in_its_name(experiments, capsys):
    older = write(experiments, record(seed=0, miou=10.0), '20250101_000000')  # written last
    assert run(older, experiments) == 0
    out = capsys.readouterr().out
    assert 'improved_distill_20250101_000000 is left out' in out
    assert '52.00 ± 0.25' in out


def test_teachers_are_no_arms_unless_they_are_named(experiments, capsys):
    teacher = record('teacher', teacher=None)
    teacher['dataset']['key'] = 'the teacher sees more of it'
    folder = write(experiments, teacher)
    assert run(experiments) == 0
    capsys.readouterr()
    assert run(folder) == 0
    assert 'teacher' in capsys.readouterr().out


def test_a_folder_of_several_data_sets_has_a_section_for_each_the_newest_first(experiments, tmp_path, capsys):
    for name, miou in (('no_distill', 30.0), ('improved_distill', 33.0)):
        other = record(name, 0, miou)
        other['dataset'].update(name='built-in', key='other')
        write(experiments, other, '20260201_000000')
    files = [tmp_path / name for name in ('report.html', 'table.md', 'figures.json')]
    assert run(experiments, '-o', files[0], '--markdown', files[1], '--json', files[2]) == 0
    out = capsys.readouterr().out
    assert out.index('built-in: last validation') < out.index('tiles: last validation')
    assert '+3.00 (one seed)' in out and '52.00 ± 0.25' in out
    page = files[0].read_text()
    assert '<title>2 data sets: improved_distill on built-in: Not shown; improved_distill on tiles: Yes</title>' in page
    assert '<a href="#data-2">improved_distill on tiles: Yes</a>' in page
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids)) and {'comparison', 's1-comparison'} <= set(ids)
    assert [each['dataset']['name'] for each in json.loads(files[2].read_text())] == ['built-in', 'tiles']
    assert files[1].read_text().count('### ') == 8


def test_names_are_text_and_no_markup(tmp_path, capsys):
    write(tmp_path, record('[red]odd'))
    assert run(tmp_path) == 0
    assert '[red]odd' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['nowhere'], 'nowhere does not exist; name a run directory'),
        (['empty'], 'empty holds no run'),
        (['teachers'], 'teachers holds no run'),
        (['text'], 'result.json is no JSON'),
        (['list'], 'schema=None, where 1 is needed'),
        (['old'], 'schema=0, where 1 is needed'),
        (['half'], 'result.json has no status'),
        (['.', '--control', 'nothing'], "the control 'nothing' is not among the experiments"),
        (['.', '--control', 'two'], '--control two: one experiment is needed'),
        (['improved_distill_20260100_000000', 'elsewhere/no_distill_20260101_000000'], 'are on other data'),
        (['.', '-o', 'missing/report.html'], 'missing/report.html cannot be written'),
        (['.', '--json', 'empty'], 'empty cannot be written'),
        (['.', '--looks', '5', '3'], '--looks 5 3: expected two numbers of seeds'),
        (['.', '--colour', 'blue'], 'unrecognized arguments'),
        ([], 'the following arguments are required: RUN'),
    ],
)
def test_mistakes_end_with_status_2_and_one_line(experiments, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(experiments)
    other = record('no_distill')
    other['dataset']['key'] = 'other'
    write(experiments / 'elsewhere', other)
    write(experiments / 'teachers', record('teacher'))
    write(experiments / 'two', record('a'))
    write(experiments / 'two', record('b'))
    half = record()
    del half['status']
    contents = dict(text='{', list='[1]', old=json.dumps(record(schema=0)), half=json.dumps(half))
    for name, content in contents.items():
        (experiments / 'bad' / name).mkdir(parents=True)
        (experiments / 'bad' / name / 'result.json').write_text(content)
    (experiments / 'empty').mkdir()
    assert run(*(f'bad/{argument}' if argument in contents else argument for argument in arguments)) == 2
    error = capsys.readouterr().err
    assert message in error
    assert 'Traceback' not in error
