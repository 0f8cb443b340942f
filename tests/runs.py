"""A real Runner over a tiny distillation: two images a batch, six batches an epoch, a few seconds a run."""

from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmseg.registry import HOOKS, MODELS

from mapsage_mmseg.engine.teachers.store import write_teacher
from tests import tiny

PHASES = [
    dict(name='task', begin=1, end=2, weights=dict(task=1.0)),
    dict(name='distill', begin=3, weights=dict(task=0.6, distill=0.3, feature=0.1, attention=0.05)),
]


def make_teacher(folder: Path, score: float | None = 90.0, data: str | None = None) -> Path:
    """A teacher's checkpoint with random weights and a score of our choice."""
    torch.manual_seed(1)
    model = MODELS.build(tiny.teacher())
    model.init_weights()
    return write_teacher(folder / 'teacher.pth', model.state_dict(), dict(mIoU=score, data_key=data))


def config(
    folder: Path,
    *,
    name: str = 'run',
    epochs: int = 4,
    phases: list | None = None,
    model: dict | None = None,
    teacher: Path | None = None,
    loop: str = 'epoch',
    seed: int = 5,
    **hooks,
) -> Config:
    """A config as ``configs/distill/improved.py`` resolves to, made small."""
    path = Path(__file__).parents[1] / 'configs' / 'distill' / 'improved.py'
    cfg = Config.fromfile(str(path))
    if model is None:
        model = tiny.distill()
        model.teacher_ckpt = str(teacher or make_teacher(folder))
    cfg.model = model
    for loader, length in (('train_dataloader', 11), ('val_dataloader', 2), ('test_dataloader', 2)):
        cfg[loader].update(num_workers=0, persistent_workers=False, drop_last=False)
        cfg[loader].dataset.update(size=64, length=length)
    cfg.train_dataloader.batch_size = 2
    cfg.optim_wrapper.optimizer.lr = 1e-3
    cfg.work_dir, cfg.experiment_name, cfg.randomness = str(folder / name), f'{folder.name}_{name}', dict(seed=seed)
    cfg.experiments = str(folder / 'experiments')
    cfg.train_cfg = dict(type='ResumableEpochTrainLoop', max_epochs=epochs, val_interval=1)
    cfg.param_scheduler = [
        dict(
            type='CosineAnnealingLR',
            eta_min_ratio=0.01,
            T_max=epochs,
            begin=0,
            end=epochs,
            by_epoch=True,
            convert_to_iter_based=True,
        )
    ]
    if 'phases' in cfg.default_hooks:
        cfg.default_hooks.phases.phases = phases or PHASES
    if loop == 'iter':
        cfg.train_cfg = dict(type='ResumableIterTrainLoop', max_iters=6 * epochs, val_interval=6)
        cfg.param_scheduler = [dict(type='CosineAnnealingLR', eta_min_ratio=0.01, T_max=6 * epochs, by_epoch=False)]
        cfg.default_hooks.checkpoint.update(by_epoch=False, interval=6)
        for hook in ('phases', 'temperature'):
            cfg.default_hooks[hook].iters_per_epoch = 6
        cfg.log_processor.by_epoch = False
    if 'report' not in hooks:
        cfg.default_hooks.pop('report')  # a second or two that few tests want
    for hook, settings in hooks.items():
        cfg.default_hooks[hook] = {**cfg.default_hooks.get(hook, {}), **settings}
    return cfg


@HOOKS.register_module()
class Losses(Hook):
    """Keeps what every step logged."""

    priority = 'VERY_LOW'

    def before_run(self, runner):
        self.steps = []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.steps.append({key: float(value) for key, value in outputs.items()})


def losses(runner) -> list[dict[str, float]]:
    """What every step of a run with ``losses=dict(type='Losses')`` logged."""
    return next(hook for hook in runner.hooks if isinstance(hook, Losses)).steps
