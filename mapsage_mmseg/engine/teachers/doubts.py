"""Checks of a teacher: its score against students from labels only."""

import math
from pathlib import Path

from mmengine.config import Config

from ...evaluation.criteria import final
from ..runs.known import best_alone
from .keys import data_key, scored_key
from .store import TeacherCard


def outdone_by(score: float, root: str | Path, data: str) -> str | None:
    """Describes the student from labels only that outscores a teacher on the same data; None if none is known."""
    best = best_alone(root, data)
    if best is None or final(best, 'mIoU') <= score:
        return None
    return (
        f'below the {final(best, "mIoU"):.2f} of {best["experiment"]}, a student of '
        f'{best["student"]["params_m"]} M parameters from labels only ({best["path"]})'
    )


def doubts(card: TeacherCard, config: Config) -> str | None:
    """Returns why a run of this config should refuse a teacher, or None."""
    data = data_key(config)
    if card.mIoU is None or not math.isfinite(card.mIoU):
        return (
            f'teacher {card.path} has no recorded validation mIoU, so nobody knows whether it has anything to teach; '
            "train it with tools/train.py, or override with model.teacher_check='warn'"
        )
    if card.data not in (None, scored_key(config), data):  # earlier cards name the training data too
        return (
            f'teacher {card.path} was scored on other data, so nobody knows what it is worth on these; train or score '
            "it on them, or override with model.teacher_check='warn'"
        )
    better = outdone_by(card.mIoU, config.get('experiments', 'experiments'), data)
    if better is not None:
        return (
            f'teacher {card.path} scored mIoU {card.mIoU:.2f}, {better}; train a better one, or override with '
            "model.teacher_check='warn'"
        )
    return None
