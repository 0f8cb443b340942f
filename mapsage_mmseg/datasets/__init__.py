"""Data sets, the order of their samples, and the seeding of their augmentation."""

from .dataset_yaml import DatasetSpec, read_dataset_yaml
from .folder import HANDLING, FolderLandCover, check_folder, fingerprint
from .map_store import MapKind, MapStore
from .replay import Replay, ReplayedPipeline
from .sampler import DrawIndex, SeededSampler
from .scene import draw_scene
from .seeding import SeedDraws, StableDraws
from .synthetic import SyntheticLandCover

__all__ = [
    'HANDLING',
    'DatasetSpec',
    'DrawIndex',
    'FolderLandCover',
    'MapKind',
    'MapStore',
    'Replay',
    'ReplayedPipeline',
    'SeedDraws',
    'SeededSampler',
    'StableDraws',
    'SyntheticLandCover',
    'check_folder',
    'draw_scene',
    'fingerprint',
    'read_dataset_yaml',
]
