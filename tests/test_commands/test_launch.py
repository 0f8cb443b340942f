"""The shell commands that start several processes, as a user calls them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import mmseg
import pytest

from tests import small
from tests.processes import free_port

TOOLS = small.REPOSITORY / 'tools'
SRUN = """#!{python}
# Starts the tasks as srun does, on this machine: its own options, then the command.
import os, subprocess, sys
given = [word for word in sys.argv[1:] if word.startswith('--ntasks=')]
count = int(given[0].partition('=')[2])
command = sys.argv[sys.argv.index({python!r}):]
print('srun', *sys.argv[1:sys.argv.index({python!r})], flush=True)
tasks = [subprocess.Popen(command, env=dict(
    os.environ, SLURM_PROCID=str(i), SLURM_LOCALID=str(i), SLURM_NTASKS=str(count), SLURM_NODELIST='localhost',
    MASTER_ADDR='127.0.0.1')) for i in range(count)]
sys.exit(max(task.wait() for task in tasks))
"""


def start(script, *arguments, **variables):
    environment = {**os.environ, 'PYTHON': sys.executable, 'PYTHONPATH': str(small.REPOSITORY), **variables}
    for name in ('OMP_NUM_THREADS', 'MKL_NUM_THREADS'):
        environment.pop(name, None)
    command = ['bash', str(TOOLS / script), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def ended(process):
    try:
        out, error = process.communicate(timeout=600)
    finally:
        process.terminate()  # nothing where it has ended
    return process.returncode, out, error


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small.write_configs(tmp_path)
    return tmp_path


def only_record(folder, experiment):
    (path,) = folder.glob(f'experiments/{experiment}_*/result.json')
    return json.loads(path.read_text())


@pytest.mark.parametrize(
    ('script', 'arguments', 'variables', 'message'),
    [
        ('dist_train.sh', ['improved.py'], {}, 'error: expected CONFIG PROCESSES [arguments of tools/train.py]'),
        ('dist_test.sh', ['improved.py', 'two'], {}, 'error: expected CONFIG PROCESSES [arguments of tools/test.py]'),
        ('dist_train.sh', ['improved.py', '2'], dict(NNODES='2'), 'error: NNODES=2 needs RDZV=host:port'),
        ('slurm_train.sh', ['partition', 'job'], {}, 'error: expected PARTITION JOB_NAME CONFIG'),
    ],
)
def test_a_command_that_cannot_be_meant_starts_nothing(script, arguments, variables, message):
    status, out, error = ended(start(script, *arguments, **variables))
    assert (status, out, len(error.splitlines())) == (2, '', 1)
    assert error.startswith(message)


@pytest.mark.slow
def test_one_command_trains_teacher_and_student_on_two_processes(folder):
    status, out, error = ended(start('dist_train.sh', 'improved.py', '2', LOGLEVEL='ERROR'))
    assert (status, error) == (0, '')
    assert out.count('Teacher: training it first') == out.count('A step sees 4 images: 2 processes') / 2 == 1
    assert only_record(folder, 'teacher')['processes'] == 2
    record = only_record(folder, 'improved_distill')
    assert (record['status'], record['processes'], record['teacher']['mIoU'] is None) == ('finished', 2, False)


@pytest.mark.slow
@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['nowhere.py', '2'], 'error: config nowhere.py does not exist\n'),
        (['improved.py', '2', '--resume', '--work-dir', 'none'], 'error: --resume: none holds no checkpoint'),
        (['improved.py', '2', '--colour'], 'train.py: error: unrecognized arguments: --colour'),
    ],
)
def test_wrong_input_ends_with_status_2_and_is_said_once(folder, arguments, message):
    status, _, error = ended(start('dist_train.sh', *arguments))
    assert status == 2
    assert error.count('error:') == error.count(message) == 1
    assert 'Traceback' not in error and 'torchrun' not in error


@pytest.mark.slow
def test_two_machines_are_the_same_command_twice(folder):
    """Both on this machine, one process each."""
    meeting = dict(NNODES='2', RDZV=f'127.0.0.1:{free_port()}')
    nodes = [start('dist_train.sh', 'no_distill.py', '1', **meeting) for _ in range(2)]
    ends = [ended(node) for node in nodes]
    assert [status for status, _, _ in ends] == [0, 0], ends
    assert sorted('Finished: validation mIoU' in out for _, out, _ in ends) == [False, True]
    assert only_record(folder, 'no_distill')['images_per_step'] == 4


@pytest.mark.slow
def test_slurm_starts_one_task_a_gpu(folder):
    """With a stand-in for srun, which is not here; on CPUs."""
    srun = Path('bin/srun')
    srun.parent.mkdir()
    srun.write_text(SRUN.format(python=sys.executable))
    srun.chmod(0o755)
    path = f'{srun.parent.resolve()}:{os.environ["PATH"]}'
    arguments = ['gpus', 'job', 'no_distill.py', '--seed', '3']
    variables = dict(PATH=path, GPUS='2', MASTER_PORT=str(free_port()))
    status, out, error = ended(start('slurm_train.sh', *arguments, **variables))
    assert status == 0, error
    assert 'srun -p gpus --job-name=job --gres=gpu:2 --ntasks=2 --ntasks-per-node=2' in out
    record = only_record(folder, 'no_distill')
    assert (record['processes'], record['images_per_step'], record['seed']) == (2, 4, 3)


@pytest.mark.slow
def test_the_stock_tool_trains_on_two_processes_without_a_gpu(folder):
    """MMEngine by itself asks for CUDA; the config brings what is missing."""
    stock = Path(mmseg.__file__).parent / '.mim' / 'tools' / 'train.py'
    command = [sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc-per-node=2', str(stock)]
    environment = {**os.environ, 'PYTHONPATH': str(small.REPOSITORY), 'OMP_NUM_THREADS': '1'}
    done = subprocess.run(
        [*command, 'no_distill.py', '--launcher', 'pytorch', '--work-dir', 'stock'],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    record = json.loads(Path('stock/result.json').read_text())
    assert (record['status'], record['processes']) == ('finished', 2)
