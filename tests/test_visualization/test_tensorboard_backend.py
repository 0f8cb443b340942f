"""RunTensorboardBackend: the events are read back."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.runner import Runner
from mmengine.visualization import Visualizer
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mapsage_mmseg.errors import InputError
from mapsage_mmseg.visualization.tensorboard_backend import RunTensorboardBackend


def _events(logs: Path) -> EventAccumulator:
    events = EventAccumulator(str(logs))
    events.Reload()
    return events


def test_what_is_written_into_the_runs_logs(tmp_path: Path) -> None:
    visualizer = Visualizer(
        vis_backends=[{'type': 'mmseg.RunTensorboardBackend'}], save_dir=str(tmp_path / '20250131_235959')
    )
    assert list(tmp_path.iterdir()) == []  # nothing before the first use
    visualizer.add_scalars({'loss': 1.0, 'time': 2.0}, step=1, file_path='ignored.json')
    assert list(tmp_path.iterdir()) == []
    visualizer.add_config(Config({'seed': 7}))
    for step, value in enumerate((2.5, float('nan'), torch.tensor(0.5))):
        visualizer.add_scalar('Loss/Total', value, step)
    visualizer.add_image('Val/panel', np.full((4, 6, 3), 9, np.uint8), step=2)
    visualizer.close()

    events = _events(tmp_path / 'logs')
    assert events.Tags()['scalars'] == ['Loss/Total']
    totals = [(event.step, event.value) for event in events.Scalars('Loss/Total')]
    assert [step for step, _ in totals] == [0, 1, 2]
    assert [totals[0][1], totals[2][1]] == [2.5, 0.5]
    assert (events.Images('Val/panel')[0].height, events.Images('Val/panel')[0].width) == (4, 6)
    text = events.Tensors('config/text_summary')[0].tensor_proto.string_val[0].decode()
    assert text.startswith('```python\n') and 'seed=7' in text.replace(' ', '')
    assert [path.name for path in tmp_path.iterdir()] == ['logs']


@pytest.mark.parametrize(
    ('given', 'expected'),
    [
        ('run/20250131_235959/vis_data', 'run/logs'),
        ('chosen/vis_data', 'chosen/logs'),
        ('chosen', 'chosen'),
    ],
)
def test_where_the_events_go(tmp_path: Path, given: str, expected: str) -> None:
    backend = RunTensorboardBackend(save_dir=str(tmp_path / given))
    backend.add_scalar('a', 1.0)
    backend.close()
    assert [path.parent for path in tmp_path.rglob('events*')] == [tmp_path / expected]


class _Model(BaseModel):
    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    def forward(self, inputs: torch.Tensor, mode: str = 'tensor') -> dict:
        return {'loss': (self.weight * inputs).mean()}


def test_under_a_runner_its_flat_tags_are_left_out(tmp_path: Path) -> None:
    runner = Runner(
        model=_Model(),
        work_dir=str(tmp_path),
        train_dataloader={
            'dataset': [torch.ones(1)] * 2,
            'sampler': {'type': 'mmengine.DefaultSampler', 'shuffle': False},
            'batch_size': 1,
        },
        train_cfg={'by_epoch': True, 'max_epochs': 1},
        optim_wrapper={'optimizer': {'type': 'SGD', 'lr': 0.1}},
        default_hooks={'logger': {'type': 'LoggerHook', 'interval': 1}, 'checkpoint': None},
        visualizer={'type': 'Visualizer', 'vis_backends': [{'type': 'mmseg.RunTensorboardBackend'}]},
        default_scope='mmseg',
        experiment_name='run_tensorboard_backend',
    )
    runner.visualizer.add_scalar('Loss/Total', 3.0, 1)
    runner.train()
    events = _events(tmp_path / 'logs')
    assert events.Tags()['scalars'] == ['Loss/Total']
    assert not list(tmp_path.glob('*/vis_data/events*'))


def test_without_a_folder_the_visualizer_leaves_it_out() -> None:
    with pytest.warns(UserWarning, match='save_dir'):
        visualizer = Visualizer(vis_backends=[{'type': 'mmseg.RunTensorboardBackend'}])
    visualizer.add_scalar('a', 1.0)
    with pytest.raises(InputError, match='no folder'):
        RunTensorboardBackend(save_dir=None).add_scalar('a', 1.0)


@pytest.mark.parametrize('save_dir', ['', 3])
def test_a_folder_that_is_no_path_is_refused(save_dir: object) -> None:
    with pytest.raises(InputError, match='save_dir'):
        RunTensorboardBackend(save_dir=save_dir)  # type: ignore[arg-type]
