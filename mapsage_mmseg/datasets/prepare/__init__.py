"""Preparation of tiles from published or delivered scenes."""

from .colours import ClassTable, read_classes
from .known import KNOWN, KnownDataSet, unpacked
from .layouts import LAYOUTS, Layout
from .pairing import Pair, find_pairs, find_unlabelled
from .preparing import Cutting, prepare
from .split import split_scenes

__all__ = [
    'KNOWN',
    'LAYOUTS',
    'ClassTable',
    'Cutting',
    'KnownDataSet',
    'Layout',
    'Pair',
    'find_pairs',
    'find_unlabelled',
    'prepare',
    'read_classes',
    'split_scenes',
    'unpacked',
]
