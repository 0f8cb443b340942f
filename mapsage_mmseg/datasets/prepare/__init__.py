"""From scenes, as they are published or delivered, to the folder of tiles that this package trains on."""

from .colours import ClassTable, read_classes
from .known import KNOWN, KnownDataSet, unpacked
from .pairing import Pair, find_pairs
from .preparing import Cutting, prepare
from .split import split_scenes

__all__ = [
    'KNOWN',
    'ClassTable',
    'Cutting',
    'KnownDataSet',
    'Pair',
    'find_pairs',
    'prepare',
    'read_classes',
    'split_scenes',
    'unpacked',
]
