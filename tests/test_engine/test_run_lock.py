"""One process a run directory, two runs two directories."""

import os
import signal
import time
from pathlib import Path

import pytest

from mapsage_mmseg import folder_lock as run_lock
from mapsage_mmseg.engine.runs.directory import new_run_dir, newest_run
from mapsage_mmseg.errors import InputError
from mapsage_mmseg.folder_lock import RunLock, claimed, held
from tests.tool_process import kill, wait_until


def in_a_process(task):
    """What a function returns, in a forked process; it may not say more than a pipe holds."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.write(writing, str(task()).encode())
        finally:
            os._exit(0)
    os.close(writing)
    return child, reading


def answer(child, reading):
    with open(reading) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return text


def test_two_runs_of_the_same_second_get_two_directories(tmp_path):
    start = time.time() + 1.0

    def task():
        time.sleep(max(0.0, start - time.time()))
        return new_run_dir(tmp_path, 'a')

    folders = {answer(*asked) for asked in [in_a_process(task) for _ in range(3)]}
    assert len(folders) == 3 and all(claimed(folder) for folder in folders)


def refusal(folder):
    lock = RunLock(folder)
    try:
        lock.acquire()
    except InputError as error:
        lock.release()  # as a tool does with whatever ended it
        return error
    return 'taken'


def test_a_directory_in_use_is_refused_by_name_and_a_dead_owner_keeps_nobody_out(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(run_lock, 'print_log', lambda message, *_: said.append(message))

    def hold():
        lock = RunLock(tmp_path)
        lock.acquire()
        time.sleep(600)

    assert held(tmp_path) is None
    owner, _ = in_a_process(hold)
    assert wait_until(lambda: claimed(tmp_path) and (tmp_path / '.lock').read_text(), owner)
    assert held(tmp_path) is True
    text = answer(*in_a_process(lambda: refusal(tmp_path)))
    assert f'{tmp_path} is in use by process {owner} on ' in text and '--work-dir' in text
    assert f'process {owner} on ' in (tmp_path / '.lock').read_text()
    kill(owner)
    os.waitpid(owner, 0)
    assert held(tmp_path) is False
    lock = RunLock(tmp_path)
    lock.acquire()
    assert f'process {owner} on ' in said[0] and said[0].endswith('had this run and is gone')
    assert answer(*in_a_process(lambda: held(tmp_path))) == 'True'
    lock.release()
    assert (tmp_path / '.lock').read_text() == ''


def test_what_the_process_forks_does_not_keep_the_lock(tmp_path):
    """Workers outlive a killed training by some seconds."""

    def owner():
        lock = RunLock(tmp_path)
        lock.acquire()
        if not os.fork():
            time.sleep(30)
            os._exit(0)
        time.sleep(600)

    process, _ = in_a_process(owner)
    assert wait_until(lambda: claimed(tmp_path) and (tmp_path / '.lock').read_text(), process)
    assert held(tmp_path) is True
    kill(process)
    os.waitpid(process, 0)
    assert held(tmp_path) is False


@pytest.mark.slow
def test_a_second_training_in_the_same_directory_ends_with_status_2(trainings, tmp_path):
    from tests import drill

    config, log = drill.write_config(tmp_path), tmp_path / 'console.txt'
    arguments = [config, '--work-dir', tmp_path / 'run']
    first = trainings.start(arguments, log)
    assert wait_until(lambda: (tmp_path / 'run/result.json').is_file(), first)
    os.kill(first, signal.SIGSTOP)  # it might be done before the second one asks
    second = tmp_path / 'second.txt'
    assert trainings.train(arguments, second) == 2
    assert f'error: {tmp_path / "run"} is in use by process {first} on ' in second.read_text()
    kill(first)
    assert trainings.wait(first) == -9


def run(folder, name, claim=True, record=None):
    path = Path(folder) / name
    path.mkdir(parents=True)
    if claim:
        (path / '.lock').touch()
    if record:
        (path / 'result.json').write_text(record)
    return path


def test_the_newest_run_is_the_newest_of_that_experiment_that_began(tmp_path):
    run(tmp_path, 'improved_20260101_000000', record='{"experiment": "improved"}')
    run(tmp_path, 'improved_20260105_000000', claim=False)
    run(tmp_path, 'improved_2_20260106_000000')
    with pytest.raises(InputError, match="no run of 'other' lies under"):
        newest_run(tmp_path, 'other')
    assert newest_run(tmp_path, 'improved').name == 'improved_20260101_000000'
    killed = run(tmp_path, 'improved_20260103_000000')  # before it wrote a record
    assert newest_run(tmp_path, 'improved') == killed
