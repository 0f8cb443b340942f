"""A signal ends a run in order, and the run is resumed; a second one ends it at once."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from torch import distributed, multiprocessing
from torch.utils.data import DataLoader

from mapsage_mmseg.engine.hooks import InterruptHook
from mapsage_mmseg.engine.hooks.interrupt_hook import SIGNALS, LastingWorker
from mapsage_mmseg.evaluation.record import read_record
from tests import drill
from tests.tool_process import wait_until

BUSY = """
import signal, time, types
from mapsage_mmseg.engine.hooks import InterruptHook
signal.signal(signal.SIGINT, signal.default_int_handler)
InterruptHook().before_train(types.SimpleNamespace(_train_loop=None, _val_loop=None))
print('ready', flush=True)
while True:
    time.sleep(0.01)
"""


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


@pytest.mark.slow
def test_a_run_with_workers_that_is_interrupted_ends_the_same(trainings, tmp_path):
    test_a_run_that_is_interrupted_time_and_again_ends_the_same(drill.Drill(trainings, tmp_path, seed=0, workers=2))


def test_a_run_that_is_interrupted_time_and_again_ends_the_same(drilled):
    run = drilled
    record = interrupt(run, signal.SIGTERM, (run.run / 'checkpoints/epoch_1.pth').is_file)
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


def test_a_worker_of_the_data_lives_on_after_the_first_signal():
    batches = iter(DataLoader(range(200), num_workers=1, worker_init_fn=LastingWorker(None, SIGNALS)))
    next(batches)
    os.kill(batches._workers[0].pid, signal.SIGTERM)
    assert len(list(batches)) == 199


def agree(rank, port, folder):
    distributed.init_process_group('gloo', f'tcp://127.0.0.1:{port}', world_size=2, rank=rank)
    hook = InterruptHook()
    said = [hook._agreed(step) for step in (0, 10)]
    hook._came = signal.SIGTERM if rank else None
    said += [hook._agreed(step) for step in (13, 20)]
    (folder / str(rank)).write_text(repr(said))
    distributed.destroy_process_group()


@pytest.mark.slow
def test_processes_stop_at_the_same_step_whichever_of_them_was_asked(tmp_path):
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = probe.getsockname()[1]
    multiprocessing.spawn(agree, (port, tmp_path), nprocs=2)
    for rank in '01':
        assert (tmp_path / rank).read_text() == '[False, False, False, True]'


@pytest.mark.slow
def test_the_stock_tool_ends_the_same_way(tmp_path):
    """Without a traceback, and resumed by its own flag."""
    import mmseg

    run, config = tmp_path / 'run', drill.write_config(tmp_path)
    tool = Path(mmseg.__file__).parent / '.mim' / 'tools' / 'train.py'
    command = [sys.executable, str(tool), str(config), '--work-dir', str(run)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert wait_until((run / 'checkpoints/epoch_1.pth').is_file, process.pid)
    process.send_signal(signal.SIGTERM)
    _, error = process.communicate(timeout=300)
    assert process.returncode == 1
    assert 'Traceback' not in error and 'interrupted by SIGTERM after iteration' in error
    assert read_record(run / 'result.json')['status'] == 'interrupted'
    subprocess.run([*command, '--resume'], check=True, capture_output=True)
    assert read_record(run / 'result.json')['status'] == 'finished'


def test_signals_are_given_back_and_what_is_ignored_stays_so():
    former = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    hook = InterruptHook()
    try:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        hook.before_train(SimpleNamespace(_train_loop=None, _val_loop=None))
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGINT) == hook._note
        hook.restore()
        assert signal.getsignal(signal.SIGINT) is former[signal.SIGINT]
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
