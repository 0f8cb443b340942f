"""Processes side by side: their order, their environments, and that none is left behind."""

import os
import signal
import subprocess
import sys
import time

import pytest

from mapsage_mmseg.training import jobs

STUBBORN = 'import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); print(1, flush=True); time.sleep(600)'


class Script:
    """A job that is a line of Python; what happens to it is written down."""

    def __init__(self, name, code, story):
        self.name, self.code, self.story = name, code, story

    def start(self, environment):
        self.story.append(('start', self.name, environment.get('SLOT')))
        self.process = subprocess.Popen(
            [sys.executable, '-S', '-c', self.code], env={**os.environ, **environment}, stdout=subprocess.PIPE
        )
        return self.process

    def ended(self, status):
        self.story.append(('end', self.name, status))


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(jobs, 'POLL', 0.01)


def test_one_after_another_in_their_order_whatever_their_status():
    story = []
    jobs.run_all([Script('a', 'import sys; sys.exit(3)', story), Script('b', '', story)], [{}])
    assert story == [('start', 'a', None), ('end', 'a', 3), ('start', 'b', None), ('end', 'b', 0)]


def test_two_at_a_time_in_the_environment_that_is_free():
    story = []
    wait = 'import time; time.sleep(2)'
    scripts = [Script('long', wait, story), Script('b', '', story), Script('c', '', story)]
    jobs.run_all(scripts, [dict(SLOT='0'), dict(SLOT='1')])
    assert story[:2] == [('start', 'long', '0'), ('start', 'b', '1')]
    assert story[2:4] == [('end', 'b', 0), ('start', 'c', '1')]
    assert {entry[:2] for entry in story[4:]} == {('end', 'c'), ('end', 'long')}


def test_an_interruption_stops_every_process():
    story = []
    wait = 'import os, signal, time; {}time.sleep(600)'
    calm, alarm = wait.format(''), wait.format('time.sleep(1); os.kill(os.getppid(), signal.SIGTERM); ')
    scripts = [Script('calm', calm, story), Script('alarm', alarm, story), Script('never', '', story)]
    with jobs.interruptible(), pytest.raises(KeyboardInterrupt):
        jobs.run_all(scripts, [{}, {}])
    assert [entry[:2] for entry in story] == [('start', 'calm'), ('start', 'alarm')]
    assert None not in [script.process.poll() for script in scripts[:2]]


def test_what_does_not_end_is_killed(monkeypatch):
    monkeypatch.setattr(jobs, 'PATIENCE', 0.2)
    process = subprocess.Popen([sys.executable, '-S', '-c', STUBBORN], stdout=subprocess.PIPE)
    process.stdout.readline()
    jobs.stop([process])
    assert process.returncode == -signal.SIGKILL


def test_signals_are_as_before_behind_the_context():
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)]
    with jobs.interruptible(), pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGHUP)
        time.sleep(5)
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)] == before


@pytest.mark.parametrize(
    ('devices', 'variables', 'count', 'expected'),
    [
        (0, {}, 1, [{}]),
        (0, {}, 2, [{'OMP_NUM_THREADS': '3'}] * 2),
        (0, {}, 9, [{'OMP_NUM_THREADS': '1'}] * 9),
        (0, {'OMP_NUM_THREADS': '5'}, 2, [{}] * 2),
        (1, {}, 2, [{}] * 2),
        (2, {}, 3, [{'CUDA_VISIBLE_DEVICES': name} for name in '010']),
        (2, {'CUDA_VISIBLE_DEVICES': '5,7'}, 3, [{'CUDA_VISIBLE_DEVICES': name} for name in '575']),
    ],
)
def test_devices_are_dealt_out_and_threads_divided(monkeypatch, devices, variables, count, expected):
    for name in ('OMP_NUM_THREADS', 'CUDA_VISIBLE_DEVICES'):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr('torch.cuda.device_count', lambda: devices)
    monkeypatch.setattr('os.sched_getaffinity', lambda process: set(range(7)))
    assert jobs.environments(count) == expected


def test_the_last_line_that_a_process_said(tmp_path):
    log = tmp_path / 'console.txt'
    assert jobs.last_words(log) == f'it said nothing; see {log}'
    log.write_text('first\nerror: config a.py does not exist\n\n')
    assert jobs.last_words(log) == f'error: config a.py does not exist; see {log}'


@pytest.mark.slow
def test_a_child_runs_the_training_tool_and_gives_its_status(tmp_path):
    process = jobs.start(['nowhere.py'], tmp_path / 'deep' / 'console.txt')
    assert process.wait(timeout=120) == 2
    assert 'config nowhere.py does not exist' in jobs.last_words(tmp_path / 'deep' / 'console.txt')
    assert os.getsid(0) != process.pid
