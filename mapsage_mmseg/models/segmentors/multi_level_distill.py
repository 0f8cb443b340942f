"""A student that learns from labels and from a frozen teacher, level by level."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from mmrazor.models.algorithms import SingleTeacherDistill
from mmrazor.models.algorithms.base import BaseAlgorithm
from mmseg.registry import MODELS
from torch import Tensor, nn

from ...errors import InputError
from ..balance import build_balance
from ..distillers import MultiLevelDistillLoss
from ..distillers.cache_settings import CacheSettings
from ..distillers.fitting import fit_levels
from ..normalisation import channels, difference, normalisation
from .cached_records import cached_records
from .compared_pixels import PLACES, compared_pixels
from .teacher_predictions import TeacherPredictions
from .term_gradients import TermGradients, norms_and_cosines

DTYPES = dict(bfloat16=torch.bfloat16, float16=torch.float16)


@MODELS.register_module()
class MultiLevelDistill(SingleTeacherDistill):
    """Computes named loss terms from a student and a frozen teacher.

    It differs from mmrazor's ``SingleTeacherDistill`` in the teacher. The teacher is built when training begins: a
    student is validated, tested and exported without it. It is kept outside ``_modules``, so no checkpoint, optimizer,
    wrapper or EMA sees it. It runs in eval mode, forward only, and only while some level has a weight above 0. Terms
    stay unweighted until :meth:`parse_losses`.

    Args:
        architecture: Config of the student.
        distiller: Config of a :class:`MultiLevelDistillLoss`, fitted to the student (:func:`fit_levels`).
        teacher: Config of the teacher.
        teacher_ckpt: Path of the teacher's checkpoint, or ``'auto'`` for the one that belongs to ``teacher_recipe`` and
            the data.
        teacher_check: ``'error'`` refuses a teacher whose recorded validation mIoU is missing, or below that of a known
            student trained from labels only on the same data; ``'warn'`` accepts it.
        teacher_cache: Outputs that replace the teacher in training, computed once over whole, unaugmented images: None,
            ``'float16'`` or ``'top<k>'`` (logits), or a dict with one of these as ``keep``, and ``levels``. See
            docs/teacher_cache.md.
        teacher_dtype: ``'bfloat16'`` or ``'float16'`` runs the teacher under autocast, whatever the student's dtype;
            None uses the run's setting.
        distill_where: Pixels that the levels compare: ``'labelled'``; ``'unlabelled'``, those without a label (as in
            unlabelled tiles), where a teacher adds to the labels; or ``'everywhere'``. The padding of a batch is never
            compared.
        unlabelled_label: Label value of pixels that show something but have no label, if the data set marks them. Then
            the padding of transforms is not compared either.
        balance: Method that adapts the declared weights: None (fixed), ``'shares'``, ``'uncertainty'``, ``'gradnorm'``,
            or a dict with one of these as ``type`` and its settings.
        train_cfg, test_cfg, pretrained: Accepted because ``mmseg.apis.init_model`` passes them; the student has its
            own.

    Raises:
        InputError: Student and teacher have different numbers of classes, a module is unknown, or ``teacher_check``,
            ``teacher_cache``, ``teacher_dtype``, ``distill_where`` or ``balance`` has an invalid value.
    """

    def __init__(
        self,
        architecture: dict,
        distiller: dict,
        teacher: dict,
        teacher_ckpt: str = 'auto',
        teacher_check: str = 'error',
        teacher_cache: str | dict | None = None,
        teacher_dtype: str | None = None,
        distill_where: str = 'labelled',
        unlabelled_label: int | None = None,
        balance: str | dict | None = None,
        data_preprocessor: dict | nn.Module | None = None,
        train_cfg: dict | None = None,
        test_cfg: dict | None = None,
        pretrained: str | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        if teacher_check not in ('error', 'warn'):
            raise InputError(f"model.teacher_check={teacher_check!r} must be 'error' or 'warn'")
        if teacher_dtype not in (None, *DTYPES):
            raise InputError(f'model.teacher_dtype={teacher_dtype!r} must be None or one of {", ".join(DTYPES)}')
        if distill_where not in PLACES:
            raise InputError(f'model.distill_where={distill_where!r} must be one of {", ".join(PLACES)}')
        # Not SingleTeacherDistill.__init__, which builds the teacher, registers it as a child and reads its file.
        BaseAlgorithm.__init__(self, architecture, data_preprocessor, init_cfg)
        if isinstance(distiller.get('levels'), Mapping):
            levels = fit_levels(distiller['levels'], self.student, channels(self.data_preprocessor))
            distiller = {**distiller, 'levels': levels}
        self.distiller = _built_apart(distiller)
        self.distiller.prepare_from_student(self.student)
        self.teacher_cfg, self.teacher_ckpt, self.teacher_check = teacher, teacher_ckpt, teacher_check
        self.teacher_dtype = DTYPES[teacher_dtype] if teacher_dtype else None
        self.teacher_cache = CacheSettings.parse(teacher_cache, self.distiller.levels)
        self.distill_where, self.unlabelled_label = distill_where, unlabelled_label
        self.cached_sources: dict[
            str, int
        ] = {}  # strides of the teacher's sources whose outputs come with the training batches
        self.loss_weights: dict[str, float] = {'task': 1.0}
        self.balance = build_balance(balance, ('task', *self.distiller.levels))
        self.effective_weights: dict[str, Tensor] = {}  # keys as in a record's steps, like those of term_gradients
        self.measures_gradients = False
        self.term_gradients: dict[str, Tensor] = {}
        recorded = {source.module for level in self.distiller.levels.values() for source in level.student}
        self._probe = TermGradients(self.student, outside=recorded)
        self.teacher_predictions = TeacherPredictions()
        self.__dict__['teacher'] = None
        self._check_classes()

    def _check_classes(self) -> None:
        student = last_head(self.student).num_classes
        teacher = _num_classes(self.teacher_cfg)
        if teacher is not None and teacher != student:
            raise InputError(
                f'model.teacher.decode_head.num_classes={teacher} differs from '
                f'model.architecture.decode_head.num_classes={student}; teacher and student need the same classes'
            )

    def build_teacher(self) -> nn.Module:
        """Builds the teacher, frozen and in eval mode, on the student's device. The caller loads its weights."""
        teacher = MODELS.build(self.teacher_cfg)
        key = difference(normalisation(self.data_preprocessor), normalisation(teacher.data_preprocessor))
        if key is not None:
            raise InputError(
                f"model.teacher.data_preprocessor.{key} differs from the student's; both see the same normalised "
                "image, so give them the same, and let the teacher's stem do its own"
            )
        self._check_stem(teacher)
        teacher.requires_grad_(False)
        self.distiller.prepare_from_teacher(teacher)
        self.teacher_predictions = TeacherPredictions()
        self.__dict__['teacher'] = teacher.to(next(self.student.parameters()).device).eval()
        return teacher

    def _check_stem(self, teacher: nn.Module) -> None:
        """Checks that a stem with its own normalisation undoes the one of the data preprocessor."""
        mine = normalisation(self.data_preprocessor)
        for path, module in teacher.named_modules():
            undone = getattr(module, 'undoes', None)
            key = difference(undone, mine)
            if undone is not None and mine is not None and key is not None:
                raise InputError(
                    f'model.teacher.{path}.input_{key}={undone[key]} differs from model.data_preprocessor.{key}='
                    f'{mine[key]}, which that stem undoes; give it the same'
                )

    def _apply(self, fn: Any, recurse: bool = True) -> 'MultiLevelDistill':
        super()._apply(fn, recurse)
        if self.__dict__.get('teacher') is not None:
            self.teacher._apply(fn, recurse)
        return self

    def train(self, mode: bool = True) -> 'MultiLevelDistill':
        BaseAlgorithm.train(self, mode)
        return self

    def set_loss_weights(self, weights: Mapping[str, float]) -> None:
        """Sets the weight of each term; a term that is not named gets weight 0.

        Raises:
            InputError: No level declares a term, or nothing would be left to train.
        """
        known = {'task', *self.distiller.declared}
        for term in weights:
            if term not in known:
                raise InputError(
                    f'weights.{term}: no level of that name is declared; known: {", ".join(sorted(known))}'
                )
        on = {term: weight for term, weight in weights.items() if term == 'task' or term in self.distiller.levels}
        if not any(on.values()):
            raise InputError(f'weights={dict(weights)}: every level that they name is off, nothing would be trained')
        self.loss_weights = on

    @property
    def active_levels(self) -> list[str]:
        """Levels whose weight is above 0 now."""
        return [name for name in self.distiller.levels if self.loss_weights.get(name, 0.0) > 0]

    def loss(self, inputs: Tensor, data_samples: list) -> dict[str, Tensor]:
        """Computes the unweighted terms.

        Args:
            inputs: Images (N, B, H, W), normalised.
            data_samples: Data samples with the labels.

        Returns:
            ``task``, one term for each active level, the student's accuracies, and ``anchor``, which is 0.
        """
        levels = self.active_levels
        valid = self.valid(data_samples) if levels else None
        self._ignore_unlabelled(data_samples)
        if levels and self.cached(levels):
            self.distiller.serve(cached_records(data_samples, self.cached_sources, inputs.shape[-2:]))
        elif levels:
            self.run_teacher(inputs, data_samples, levels)
        with self.distiller.recording('student', levels):
            losses = self._task_terms(self.student(inputs, data_samples, mode='loss'))
        if levels:
            losses.update(self.distiller.compute_distill_losses(levels, valid))
        losses['anchor'] = self._anchor(levels)
        return losses

    def cached(self, levels: Iterable[str]) -> bool:
        """Returns whether the batch contains all teacher outputs that these levels read. If not, the teacher runs, and
        all levels read from it."""
        sources = (source for name in levels for source in self.distiller.levels[name].teacher)
        return all(str(source) in self.cached_sources for source in sources)

    @torch.no_grad()
    def run_teacher(self, inputs: Tensor, data_samples: list, levels: Iterable[str]) -> None:
        """Runs the teacher on a normalised batch (N, B, H, W) and records its outputs for these levels."""
        if self.teacher is None:
            raise InputError('the teacher was not loaded: TeacherHook stands in configs/_base_/distill and does it')
        with self._teacher_autocast(), self.distiller.recording('teacher', levels):
            self.teacher(inputs, data_samples, mode='tensor')

    def _teacher_autocast(self) -> AbstractContextManager:
        if self.teacher_dtype is None:
            return nullcontext()
        return torch.autocast(next(self.student.parameters()).device.type, self.teacher_dtype)

    def _predict(self, inputs: Tensor, data_samples: list) -> list:
        """Returns the student's predictions; while a teacher is loaded, each also has the teacher's as
        ``teacher_pred_sem_seg``."""
        predictions = super()._predict(inputs, data_samples)
        if self.teacher is not None:
            self.teacher_predictions.attach(self.teacher, inputs, predictions)
        return predictions

    @staticmethod
    def _task_terms(losses: Mapping[str, Any]) -> dict[str, Tensor]:
        values = {
            key: sum(item.mean() for item in value) if isinstance(value, list | tuple) else value.mean()
            for key, value in losses.items()
        }
        others = {key: value for key, value in values.items() if 'loss' not in key}
        return {'task': sum(value for key, value in values.items() if 'loss' in key), **others}

    def valid(self, data_samples: list) -> Tensor:
        """Returns the mask of the pixels that the levels compare (see ``distill_where``): (N, 1, H, W) in float, 1 or
        0."""
        return compared_pixels(
            data_samples, self.distill_where, last_head(self.student).ignore_index, self.unlabelled_label
        )

    def _ignore_unlabelled(self, data_samples: list) -> None:
        """Makes the student's own loss ignore pixels that are marked as unlabelled."""
        if self.unlabelled_label is not None:
            for sample in data_samples:
                label = sample.gt_sem_seg.data
                label[label == self.unlabelled_label] = last_head(self.student).ignore_index

    def _anchor(self, levels: list[str]) -> Tensor:
        """Returns a zero that depends on the parameters which this step may leave out: DDP needs a gradient for all."""
        zero = torch.zeros((), device=next(self.parameters()).device)
        idle = [*self.distiller.idle_modules(levels), *([] if self.balance is None else [self.balance])]
        return sum((parameter.sum() * 0.0 for module in idle for parameter in module.parameters()), zero)

    def parse_losses(self, losses: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Weights the terms; this happens only here.

        Returns:
            The total, and the values to log: ``loss`` (the total), each unweighted term and, if a balance adds a
            penalty to the total, ``weighted``, the total without it.
        """
        terms = {name: losses[name] for name in ('task', *self.distiller.levels) if name in losses}
        measured = self.measures_gradients or getattr(self.balance, 'due', False)
        gram = self._probe.gram(terms) if measured and len(terms) > 1 else None
        weights, penalty = self._weigh(terms, gram)
        total = losses['anchor'] + sum(weights[name] * value for name, value in terms.items())
        log = OrderedDict(loss=total.detach())
        log.update((name, value.detach()) for name, value in losses.items() if name != 'anchor')
        if penalty is not None:
            log['weighted'], total = log['loss'], total + penalty
            log['loss'] = total.detach()
        self.term_gradients = norms_and_cosines(gram, weights) if self.measures_gradients and gram is not None else {}
        return total, log

    def _weigh(self, terms: Mapping[str, Tensor], gram: Tensor | None) -> tuple[Mapping[str, Any], Tensor | None]:
        declared = {name: self.loss_weights.get(name, 0.0) for name in terms}
        if self.balance is None:
            return declared, None
        weights, penalty = self.balance(terms, declared, gram)
        self.effective_weights = {f'effective/{name}': weight.detach() for name, weight in weights.items()}
        return weights, penalty


def last_head(segmentor: nn.Module) -> Any:
    """Returns the decode head that gives the final logits: the last one of a cascade."""
    head = segmentor.decode_head
    return head[-1] if isinstance(head, nn.ModuleList) else head


def _built_apart(distiller: Mapping[str, Any]) -> MultiLevelDistillLoss:
    """Builds the distiller with random numbers of its own.

    The random state for the student is then the same with any levels, and without a teacher. So all arms of a seed
    start from the same weights.
    """
    with torch.random.fork_rng(devices=()):  # modules are built on the CPU
        torch.default_generator.manual_seed(torch.initial_seed() + 1)
        return MODELS.build(distiller)


def _num_classes(config: Mapping[str, Any]) -> int | None:
    config = config['members'][0] if config.get('members') else config  # of an ensemble
    head = config.get('decode_head')
    head = head[-1] if isinstance(head, list | tuple) else head
    return head.get('num_classes') if head else None
