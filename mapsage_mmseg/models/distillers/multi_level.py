"""The distiller: recorders, connectors and losses of all levels."""

import copy
import functools
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from difflib import get_close_matches
from typing import Any

import torch
from mmengine.logging import print_log
from mmrazor.models.distillers import ConfigurableDistiller
from mmseg.registry import MODELS
from torch import Tensor, nn

from ...errors import InputError
from .levels import Level, Source, check_paths, takes_mask


@MODELS.register_module()
class MultiLevelDistillLoss(ConfigurableDistiller):
    """Computes the unweighted term of each level from the recorded outputs.

    Recording and connecting is done by mmrazor's recorders and connectors. This class creates them from the levels, so
    a level is one dict in the config and an ablation is one line.

    Args:
        levels: ``dict(name=dict(student=..., teacher=..., loss=..., connector=...), other=None)``. ``student`` and
            ``teacher`` are a module path with an optional output index, or a list of them. ``connector`` is one config,
            or one for each source. ``pair_weights`` are the weights of the pairs in the level's mean. A level set to
            None is declared, but off. The loss is one of this package, of your own, or of mmrazor
            (``dict(type='mmrazor.ChannelWiseDivergence')``); mmrazor's losses see every pixel, ignored ones too.

    Raises:
        InputError: A level is invalid; the message names the level and the key.
    """

    def __init__(self, levels: Mapping[str, Any], init_cfg: dict | None = None) -> None:
        if not isinstance(levels, Mapping):
            raise InputError(f'levels={levels!r} must be a dict of levels')
        self.declared = tuple(levels)
        parsed = {name: Level.parse(name, config) for name, config in levels.items() if config is not None}
        for name in levels:
            near = [] if name in parsed else get_close_matches(name, parsed, 1, cutoff=0.75)
            if near:
                raise InputError(f'levels.{name}=None switches nothing off, {near[0]!r} is on; did you mean that one?')
        super().__init__(
            student_recorders=_recorders(source for level in parsed.values() for source in level.student),
            teacher_recorders=_recorders(source for level in parsed.values() for source in level.teacher),
            connectors={
                _connector_key(name, side, i): copy.deepcopy(config)
                for name, level in parsed.items()
                for side, configs in (('student', level.connectors), ('teacher', level.teacher_connectors))
                for i, config in enumerate(configs)
            },
            distill_losses={f'loss_{name}': level.loss for name, level in parsed.items()},
            init_cfg=init_cfg,
        )
        self.levels = parsed
        self._served: dict[str, Tensor] = {}
        self.masked = {name: takes_mask(self.distill_losses[f'loss_{name}'], name) for name in parsed}
        for name, masked in self.masked.items():
            self._check_weight(name)
            if not masked:
                kind = type(self.distill_losses[f'loss_{name}']).__name__
                print_log(f'levels.{name}: {kind} takes no mask; ignored pixels count in it', 'current')

    def _check_weight(self, name: str) -> None:
        if getattr(self.distill_losses[f'loss_{name}'], 'loss_weight', 1.0) != 1.0:
            raise InputError(f'levels.{name}.loss.loss_weight must be 1: the weight of a level stands in the phases')

    def prepare_from_student(self, model: nn.Module) -> None:
        for level in self.levels.values():
            check_paths(level, 'student', model)
        super().prepare_from_student(model)

    def prepare_from_teacher(self, model: nn.Module) -> None:
        for level in self.levels.values():
            check_paths(level, 'teacher', model)
        super().prepare_from_teacher(model)

    @property
    def temperature(self) -> float | None:
        """Temperature of the losses that have one; setting it sets it for all of them. None if no loss has one."""
        return next((loss.temperature for loss in self._tempered()), None)

    @temperature.setter
    def temperature(self, value: float) -> None:
        for loss in self._tempered():
            loss.temperature = value

    def _tempered(self) -> Iterator[Any]:
        return (loss for loss in self.distill_losses.values() if hasattr(loss, 'temperature'))

    @contextmanager
    def recording(self, side: str, levels: Iterable[str]) -> Iterator[None]:
        """Records one side's sources of these levels only, inside the context."""
        manager = getattr(self, f'{side}_recorders')
        modules = {source.module for name in levels for source in getattr(self.levels[name], side)}
        with ExitStack() as stack:
            for module in modules:
                recorder = manager.get_recorder(module)
                recorder.__enter__()
                stack.push(recorder.__exit__)
            yield

    def records(self, side: str, levels: Iterable[str]) -> dict[str, Tensor]:
        """Returns the recorded outputs of one side's sources of these levels, by source, before any connector."""
        pairs = [(self.levels[name], source) for name in levels for source in getattr(self.levels[name], side)]
        return {str(source): self._recorded(level, side, source) for level, source in pairs}

    def serve(self, records: Mapping[str, Tensor]) -> None:
        """Uses these outputs, by source, instead of the teacher's recorded ones, until :meth:`forget`."""
        self._served = dict(records)

    def compute_distill_losses(
        self, levels: Iterable[str] | None = None, valid: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Computes the terms of these levels from the recorded outputs, and releases these.

        Args:
            levels: Names of the levels; None for all.
            valid: (N, 1, H, W) in float, 1 where the label counts.

        Returns:
            One unweighted scalar for each level: the mean over its pairs.
        """
        names = list(self.levels if levels is None else levels)
        try:
            return {name: self.term(name, valid) for name in names}
        finally:
            self.forget()

    def forget(self) -> None:
        """Releases the recorded outputs; they would keep the graph of their step in memory during the next step."""
        for manager in (self.student_recorders, self.teacher_recorders):
            for recorder in manager.recorders.values():
                recorder.reset_data_buffer()
        self._served = {}

    def idle_modules(self, levels: Iterable[str]) -> list[nn.Module]:
        """Returns the connectors and losses of all other levels."""
        busy = set(levels)
        connectors = [connector for key, connector in self.connectors.items() if key.split(':')[0] not in busy]
        return connectors + [self.distill_losses[f'loss_{name}'] for name in self.levels if name not in busy]

    def term(self, name: str, valid: Tensor | None) -> Tensor:
        """Computes one level's unweighted term from the recorded outputs."""
        level, loss = self.levels[name], self.distill_losses[f'loss_{name}']
        values = []
        for i, (student, teacher) in enumerate(zip(level.student, level.teacher, strict=True)):
            pair = [self._record(level, 'student', student, i), self._record(level, 'teacher', teacher, i)]
            # Under autocast either may be in half precision; losses run in float32 (float64 if one side has it).
            dtype = functools.reduce(torch.promote_types, (tensor.dtype for tensor in pair), torch.float32)
            pair = [tensor.to(dtype) for tensor in pair]
            with torch.autocast(pair[0].device.type, enabled=False):
                # mmrazor's losses take no mask, and call .view, which needs contiguous tensors
                values.append(loss(*pair, valid) if self.masked[name] else loss(*(each.contiguous() for each in pair)))
        terms = torch.stack(values)
        if not level.pair_weights:
            return terms.mean()
        weights = terms.new_tensor(level.pair_weights)
        return (terms * weights).sum() / weights.sum()

    def _record(self, level: Level, side: str, source: Source, pair: int) -> Tensor:
        served = self._served.get(str(source)) if side == 'teacher' else None
        record = self._recorded(level, side, source) if served is None else served
        key = _connector_key(level.name, side, pair)
        if key not in self.connectors:
            return record
        return self.connectors[key](record if served is None else record.float())  # served ones are in half precision

    def _recorded(self, level: Level, side: str, source: Source) -> Tensor:
        recorder = getattr(self, f'{side}_recorders').get_recorder(source.module)
        if not recorder.data_buffer:
            raise InputError(
                f'levels.{level.name}.{side}={str(source)!r} recorded nothing: the module was not run in the '
                "training forward; name one that is, such as 'decode_head.conv_seg' or 'backbone:3'"
            )
        record = recorder.get_record_data()
        if source.index is not None:
            if not isinstance(record, list | tuple) or source.index >= len(record):
                count = len(record) if isinstance(record, list | tuple) else 'a single one'
                raise InputError(
                    f'levels.{level.name}.{side}={str(source)!r}: the module gives {count} output(s), so index '
                    f'{source.index} does not exist'
                )
            record = record[source.index]
        if not isinstance(record, Tensor):
            raise InputError(
                f'levels.{level.name}.{side}={str(source)!r} recorded {type(record).__name__}, not a tensor; '
                f'choose one of its outputs, as in {source.module + ":0"!r}'
            )
        return record


def _connector_key(level: str, side: str, pair: int) -> str:
    return f'{level}:{side}:{pair}'


def _recorders(sources: Iterable[Source]) -> dict[str, dict]:
    """Returns one recorder config per module, even if several levels read it."""
    return {source.module: dict(type='mmrazor.ModuleOutputs', source=source.module) for source in sources}
