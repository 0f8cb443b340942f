"""What one process decides for all, and means over them."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import distributed

from mapsage_mmseg.engine import processes
from mapsage_mmseg.engine.hooks import RecordHook
from mapsage_mmseg.errors import InputError
from mapsage_mmseg.evaluation.record import summarise
from tests.processes import run_processes


def two_processes(folder):
    processes.join('pytorch', {})
    rank = distributed.get_rank()
    assert processes.from_first(lambda: f'of {rank}') == 'of 0'
    with pytest.raises(InputError, match='of 0'):
        processes.from_first(lambda: (_ for _ in ()).throw(InputError(f'of {rank}')))
    steps = torch.tensor([1.0, 2.0]) * (rank + 1)
    means = processes.global_means(dict(a=steps, b=torch.tensor(float(rank))))
    assert means['a'].tolist() == [1.5, 3.0] and means['b'].item() == 0.5
    assert steps.tolist() == [1.0 + rank, 2.0 + 2 * rank]  # as they were
    Path(folder / f'first{rank}').write_text(str(processes.first_to_fail()))
    distributed.barrier()  # the first keeps what the other asks
    processes.leave()


def test_two_processes(tmp_path):
    run_processes(two_processes, tmp_path)
    assert sorted((tmp_path / f'first{rank}').read_text() for rank in range(2)) == ['False', 'True']


def test_steps_of_several_processes_and_of_one_have_labels_alike():
    """A run of two processes was cut off in mid-epoch after two steps, and one process resumes it."""
    hook, saved = RecordHook(), dict(task=torch.tensor([2.0, 0.5]), labelled=torch.tensor([1.0, 0.5]))
    hook.after_load_checkpoint(SimpleNamespace(_resume=True), dict(record=dict(steps=saved, seconds=1.0)))
    for task in (0.0, 3.0):
        hook._steps['task'].append(torch.tensor(task))
    means = hook._of_all()
    assert means['labelled'].tolist() == [1.0, 0.5, 0.0, 1.0] and means['task'].tolist() == [2.0, 0.5, 0.0, 3.0]
    entry = summarise({key: values.tolist() for key, values in means.items()}, dict(task=1.0))
    assert entry['terms']['task'] == 5.5 / 2.5


def test_one_process_is_the_first_and_its_values_are_the_means():
    assert processes.from_first(lambda: 7) == 7
    assert processes.global_means(dict(a=torch.tensor([1.0, 2.0])))['a'].tolist() == [1.0, 2.0]
    assert processes.first_to_fail()
