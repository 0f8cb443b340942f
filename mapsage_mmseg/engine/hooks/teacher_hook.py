"""Brings in the teacher when training begins."""

import logging

from mmengine.device import get_device
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from ...errors import InputError
from ...models.segmentors.probe import probe_levels
from .. import teachers
from ..flops import crop_size, forward_gflops


@HOOKS.register_module()
class TeacherHook(Hook):
    """Finds the teacher's file, checks it, loads it, and probes every level once before the first step.

    Validation, test and export never come here, so a student needs no teacher for them.
    """

    priority = 'HIGH'  # before the schedules, which switch levels on

    def before_train(self, runner: Runner) -> None:
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        path = teachers.resolve(runner.cfg, model.teacher_ckpt)
        weights, card = teachers.read_teacher(path)
        self._check(runner, model, card)
        teacher = model.build_teacher()
        teachers.load_whole(teacher, weights, f'teacher {path} does not fit model.teacher')
        gflops = forward_gflops(teacher, crop_size(model))
        runner.message_hub.update_info('distill/teacher', {**card.record(), 'gflops': gflops})
        score = 'unknown' if card.mIoU is None else f'{card.mIoU:.2f}'
        runner.logger.info(
            f'Teacher {path}: {card.params_m:.1f} M parameters, validation mIoU {score}, on {get_device()}'
        )
        self._probe(runner, model)

    @staticmethod
    def _check(runner: Runner, model, card: teachers.TeacherCard) -> None:
        doubt = teachers.doubts(card, runner.cfg.get('experiments', 'experiments'), teachers.data_key(runner.cfg))
        if doubt is None:
            return
        if model.teacher_check == 'error':
            raise InputError(doubt)
        runner.logger.log(logging.WARNING, f'Going on with a doubtful teacher: {doubt}')

    @staticmethod
    def _probe(runner: Runner, model) -> None:
        weighed: set[str] = set()
        for hook in runner.hooks:
            weighed |= getattr(getattr(hook, 'schedule', None), 'terms', set())
        levels = [name for name in model.distiller.levels if name in weighed or name in model.active_levels]
        norms = probe_levels(model, levels, crop_size(model))
        for name, norm in norms.items():
            runner.logger.info(f'Level {name}: gradient norm {norm:.3g} at the student before training')
