"""Settings of the teacher cache, from ``model.teacher_cache``."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...errors import InputError

WANTED = "'float16', 'top8' (or another number), or dict(keep='float16', levels=['distill', 'feature'])"


@dataclass(frozen=True)
class CacheSettings:
    """What the cache stores, and for which levels.

    Attributes:
        keep: ``'float16'``, or ``'top<k>'``: the k most probable classes and the total probability of the rest.
        levels: Names of the levels; None for those that compare logits.
    """

    keep: str
    levels: tuple[str, ...] | None = None

    @property
    def top(self) -> int | None:
        """k of ``'top<k>'``."""
        return None if self.keep == 'float16' else int(self.keep[3:])

    @classmethod
    def parse(cls, value: Any, known: Iterable[str]) -> 'CacheSettings | None':
        """Reads ``model.teacher_cache``.

        Args:
            value: The value in the config; None for no cache.
            known: Levels that are on.

        Raises:
            InputError: The value is invalid; the message names it and the valid ones.
        """
        if value is None:
            return None
        given = dict(value) if isinstance(value, Mapping) else dict(keep=value)
        keep, levels = given.pop('keep', 'float16'), given.pop('levels', None)
        if given or not isinstance(keep, str) or not re.fullmatch(r'float16|top[1-9]\d*', keep):
            raise InputError(f'model.teacher_cache={value!r} must be None, {WANTED}')
        if levels is None:
            return cls(keep)
        known, names = tuple(known), (levels,) if isinstance(levels, str) else levels
        if not names or not isinstance(names, Sequence) or set(names) - set(known):
            raise InputError(f'model.teacher_cache.levels={levels!r} must name levels that are on: {", ".join(known)}')
        return cls(keep, tuple(names))
