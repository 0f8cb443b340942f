"""Data sets, the order of their samples, and the seeding of their augmentation."""

from .folder import DatasetSpec, FolderLandCover, check_folder, fingerprint, read_dataset_yaml
from .sampler import DrawIndex, SeededSampler
from .seeding import SeedDraws, StableDraws
from .synthetic import SyntheticLandCover, draw_scene

__all__ = [
    'DatasetSpec',
    'DrawIndex',
    'FolderLandCover',
    'SeedDraws',
    'SeededSampler',
    'StableDraws',
    'SyntheticLandCover',
    'check_folder',
    'draw_scene',
    'fingerprint',
    'read_dataset_yaml',
]
