"""Killed at any moment, nothing lost: three kills here, all twenty with `make drill`."""

import pytest

from tests import drill


def test_three_kills(drilled):
    compared = drilled.runs
    drilled.kill_all(['writing', 'validating', 'any_time'])
    assert sum(drilled.kinds.values()) == 3
    assert drilled.runs > compared


@pytest.mark.slow
def test_twenty_kills(trainings, tmp_path):
    runs = drill.Drill(trainings, tmp_path, seed=0)
    runs.kill_all([drill.MOMENTS[number % len(drill.MOMENTS)] for number in range(20)])
    assert sum(runs.kinds.values()) == 20
    assert runs.kinds['half a checkpoint on the disk']


@pytest.mark.slow
def test_kills_of_a_run_whose_data_come_from_workers(trainings, tmp_path):
    runs = drill.Drill(trainings, tmp_path, seed=2, workers=2)
    runs.kill_all(['mid_epoch', 'writing', 'any_time', 'validating'])
    assert sum(runs.kinds.values()) == 4
