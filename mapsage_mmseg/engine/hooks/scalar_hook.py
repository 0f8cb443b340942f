"""Sends a run's curves to the visualizer's backends, such as TensorBoard."""

from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, Runner
from mmseg.registry import HOOKS

from ...errors import InputError
from ..processes import global_means
from ..runner_model import model_of

TITLES = dict(loss='Total', task='Task', distill='Distillation', feature='Feature', attention='Attention')
VALIDATION = {
    'mIoU': 'mIoU',
    'aAcc': 'aAcc',
    'task_loss': 'TaskLoss',
    'boundary_f1': 'BoundaryF1',
    'teacher_agreement': 'TeacherAgreement',
    'teacher/mIoU': 'TeacherMIoU',
}
GRADIENTS = {'norm': 'Norm', 'cosine': 'Cosine', 'cosine_all': 'CosineAll'}


@HOOKS.register_module()
class ScalarHook(Hook):
    """Draws ``Loss/*``, ``Share/*``, ``Weight/*``, ``Balance/*``, ``Training/*``, ``Gradient/*`` and ``Val/*`` over
    iterations.

    A level of the user's own is ``Loss/<key>``. ``Weight/*`` are the declared weights. If a balance adapts them,
    ``Balance/*`` are the effective weights, from which shares are computed. With several processes a point is their
    mean.

    Args:
        interval: Iterations between two points; values leave the device, and are averaged over processes, only then.
    """

    priority = 'BELOW_NORMAL'

    def __init__(self, interval: int = 10) -> None:
        if interval < 1:
            raise InputError(f'ScalarHook: interval={interval} must be a whole number from 1')
        self.interval = interval

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        model = model_of(runner)
        for key, value in global_means(getattr(model, 'term_gradients', {})).items():  # only in measured steps
            kind, slash, term = key.partition('/')
            runner.visualizer.add_scalar(f'Gradient/{GRADIENTS[kind]}{slash}{term}', float(value), runner.iter + 1)
        last = isinstance(runner.train_loop, EpochBasedTrainLoop) and self.end_of_epoch(
            runner.train_dataloader, batch_idx
        )
        if not (last or self.every_n_train_iters(runner, self.interval)):
            return
        hub, step = runner.message_hub.runtime_info, runner.iter + 1
        logged = {  # mmseg's own segmentors log values with a graph
            key: torch.as_tensor(value)
            for key, value in {**(outputs or {}), **getattr(model, 'effective_weights', {})}.items()
            if key in {*self._terms(hub), 'weighted'} or key.startswith('effective/')
        }
        means = {key: float(value) for key, value in global_means(logged).items()}
        values = {key: value for key, value in means.items() if key in self._terms(hub)}
        values.setdefault('task', values.get('loss', 0.0))
        for key, mean in values.items():
            runner.visualizer.add_scalar(f'Loss/{TITLES.get(key, key)}', mean, step)
        weighted = means.get('weighted', values.get('loss', 0.0))
        for key, weight in hub.get('distill/weights', {'task': 1.0}).items():
            runner.visualizer.add_scalar(f'Weight/{key}', weight, step)
            if f'effective/{key}' in means:
                weight = means[f'effective/{key}']
                runner.visualizer.add_scalar(f'Balance/{key}', weight, step)
            if key in values and weighted:
                runner.visualizer.add_scalar(f'Share/{key}', weight * values[key] / weighted, step)
        runner.visualizer.add_scalar('Training/LearningRate', runner.optim_wrapper.get_lr()['lr'][0], step)
        if 'distill/temperature' in hub:
            runner.visualizer.add_scalar('Training/Temperature', hub['distill/temperature'], step)
        runner.visualizer.add_scalar(
            'Training/Phase', hub['distill/phase']['index'] if 'distill/phase' in hub else 1, step
        )

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Flushes points to the disk before the checkpoint, since a resume does not draw them again."""
        for backend in runner.visualizer._vis_backends.values():
            if hasattr(backend, 'flush'):
                backend.flush()

    @staticmethod
    def _terms(hub: dict) -> set[str]:
        return {'loss', 'task', *hub.get('distill/weights', {})}

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        for key, value in (metrics or {}).items():
            title = f'IoU/{key.removeprefix("IoU.")}' if key.startswith('IoU.') else VALIDATION.get(key)
            if title:
                runner.visualizer.add_scalar(f'Val/{title}', float(value), runner.iter)
