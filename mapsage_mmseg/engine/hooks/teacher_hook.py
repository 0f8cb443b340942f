"""Loading and checking of the teacher when training begins."""

import logging

from mmengine.device import get_device
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from ...errors import InputError
from ...evaluation.score_text import sentence
from ...models.normalisation import channels, difference, normalisation
from ...models.segmentors.frozen_teacher import freeze_teacher
from ...models.segmentors.probe import probe_levels
from ...weights_file import load_whole
from ..processes import from_first
from ..runner_model import model_of
from ..runs.flops import crop_size, forward_gflops
from ..teachers.cache import TeacherCache
from ..teachers.cache_report import report
from ..teachers.doubts import doubts
from ..teachers.knowledge import teacher_knowledge
from ..teachers.recipes import resolve_teacher
from ..teachers.store import TeacherCard, read_teacher

IMAGES = 16  # images of the training and of the validation data on which the teacher's loss is measured


@HOOKS.register_module()
class TeacherHook(Hook):
    """Finds the teacher's file, checks it, loads it, and probes every level once before the first step.

    With ``model.teacher_cache`` it also finds or builds the teacher's maps of the training images, and adds them to the
    pipeline.

    Validation, test and export do not run this hook, so a student needs no teacher for them. A checkpoint carries the
    SHA-256 of the teacher's file; a run is not resumed with another teacher.

    Raises:
        InputError: The teacher is doubtful or not the one from before, and ``teacher_check`` is not ``'warn'``; or its
            classes differ from the data's; or its images were normalised differently.
    """

    priority = 'HIGH'  # before the schedules, which switch levels on

    def __init__(self) -> None:
        self._sha256: str | None = None
        self._resumed: str | None = None  # SHA-256 of the teacher before the run was resumed

    def before_train(self, runner: Runner) -> None:
        model = model_of(runner)
        path = resolve_teacher(runner.cfg, model.teacher_ckpt)
        weights, card = read_teacher(path)
        self._check_classes(runner, card)
        self._check_normalisation(model, card)
        self._check(runner, model, card)
        self._sha256 = card.sha256
        teacher = model.build_teacher()
        load_whole(teacher, weights, f'teacher {path} does not fit model.teacher')
        bands = channels(model.data_preprocessor)
        gflops = forward_gflops(teacher, crop_size(model), bands)  # before packing: packed operators are not counted
        freeze_teacher(model, crop_size(model))
        runner.message_hub.update_info('distill/teacher', {**card.record(), 'gflops': gflops})
        score = 'unknown' if card.mIoU is None else f'{card.mIoU:.2f}'
        runner.logger.info(
            f'Teacher {path}: {card.params_m:.1f} M parameters, validation mIoU {score}, on {get_device()}'
        )
        self._probe(runner, model)
        self._note_knowledge(runner, model)
        if model.teacher_cache is not None:
            cache = TeacherCache(runner, model, card.sha256)
            found = report(cache, cache.build())
            cache.attach()
            runner.message_hub.get_info('distill/teacher')['cache'] = found

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        checkpoint['teacher_sha256'] = self._sha256

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        self._resumed = checkpoint.get('teacher_sha256') if runner._resume else None

    @staticmethod
    def _check_classes(runner: Runner, card: TeacherCard) -> None:
        classes = tuple(runner.train_dataloader.dataset.metainfo.get('classes') or ())
        if card.classes and classes and card.classes != classes:
            raise InputError(
                f'teacher {card.path} knows the classes {", ".join(card.classes)}, in this order; the data has '
                f'{", ".join(classes)}. A teacher can only teach its own; train one on this data'
            )

    @staticmethod
    def _check_normalisation(model, card: TeacherCard) -> None:
        mine = normalisation(model.data_preprocessor)
        key = difference(mine, card.normalisation)
        if mine is not None and card.normalisation is not None and key is not None:
            raise InputError(
                f'teacher {card.path} saw images under {key}={card.normalisation.get(key)}, this run gives '
                f'model.data_preprocessor.{key}={mine[key]}; both see the same normalised image, so give it that one'
            )

    def _check(self, runner: Runner, model, card: TeacherCard) -> None:
        doubt = doubts(card, runner.cfg)
        if self._resumed not in (None, card.sha256):
            doubt = (
                f'teacher {card.path} is not the one that this run began with (SHA-256 {card.sha256[:12]} instead of '
                f"{self._resumed[:12]}); give it that one, begin anew, or override with model.teacher_check='warn'"
            )
        if doubt is None:
            return
        if model.teacher_check == 'error':
            raise InputError(doubt)
        runner.logger.log(logging.WARNING, f'Continuing with a doubtful teacher: {doubt}')

    @staticmethod
    def _note_knowledge(runner: Runner, model) -> None:
        if model.distill_where == 'unlabelled':  # the teacher is not used on labelled pixels then
            return
        knowledge = from_first(lambda: teacher_knowledge(model, runner.cfg, IMAGES))
        if knowledge is not None:
            runner.message_hub.get_info('distill/teacher')['knowledge'] = knowledge.as_dict()
            if knowledge.by_heart:
                runner.logger.warning(sentence(knowledge.line()))

    @staticmethod
    def _probe(runner: Runner, model) -> None:
        weighed: set[str] = set()
        for hook in runner.hooks:
            weighed |= getattr(getattr(hook, 'schedule', None), 'terms', set())
        levels = [name for name in model.distiller.levels if name in weighed or name in model.active_levels]
        norms = probe_levels(model, levels, crop_size(model))
        for name, norm in norms.items():
            runner.logger.info(f'Level {name}: gradient norm {norm:.3g} at the student before training')
