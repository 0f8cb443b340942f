"""A signal ends a run in order, and the run is gone on with; a second one ends it at once."""

import os
import signal
import subprocess
import sys

import pytest

from mapsage_mmseg.engine.hooks import InterruptHook
from mapsage_mmseg.evaluation.record import read_record
from tests import drill
from tests.tool_process import wait_until

BUSY = """
import signal, time
from mapsage_mmseg.engine.hooks import InterruptHook
signal.signal(signal.SIGINT, signal.default_int_handler)
InterruptHook().before_train(None)
print('ready', flush=True)
while True:
    time.sleep(0.01)
"""


@pytest.fixture(scope='module', params=[0, pytest.param(2, marks=pytest.mark.slow)], ids=['no workers', '2 workers'])
def undisturbed(request, trainings, tmp_path_factory):
    return drill.Drill(trainings, tmp_path_factory.mktemp('interrupt'), seed=0, workers=request.param)


def interrupt(run, number, condition):
    """Signals the training and its workers, as a terminal or a cluster does; returns what the record says."""
    process = run.start()
    assert wait_until(condition, process, pause=0.001)
    os.killpg(process, number)
    status, record = run.trainings.wait(process), read_record(run.run / 'result.json')
    text = run.log.read_text()
    assert status == 1, text[-3000:]
    assert f'{number.name}: finishing the step, then saving' in text
    assert 'Traceback' not in text
    return record


def test_a_run_that_is_interrupted_time_and_again_ends_the_same(undisturbed):
    run, checkpoints = undisturbed, undisturbed.run / 'checkpoints'
    record = interrupt(run, signal.SIGTERM, lambda: list(checkpoints.glob('epoch_1.pth')))
    assert record['status'] == 'interrupted'
    before = run.pictured()
    record = interrupt(run, signal.SIGINT, lambda: run.pictured() > before)
    assert (record['status'], record['epochs'][-1]['val']) == ('interrupted', None)
    before = run.validated()
    record = interrupt(run, signal.SIGTERM, lambda: run.validated() > before)
    assert record['status'] == 'interrupted'
    assert 'interrupted by SIGTERM after iteration' in run.log.read_text()
    run.finish()


def test_a_second_signal_ends_it_at_once():
    process = subprocess.Popen([sys.executable, '-c', BUSY], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert 'SIGINT: finishing the step' in process.stderr.readline() + process.stderr.readline()
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == -signal.SIGTERM


def test_signals_are_given_back_and_what_is_ignored_stays_so():
    former = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    hook = InterruptHook()
    try:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        hook.before_train(None)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGINT) == hook._note
        hook.restore()
        assert signal.getsignal(signal.SIGINT) is former[signal.SIGINT]
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
