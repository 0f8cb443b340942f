"""Data sets, the order of their samples, and the seeding of their augmentation."""

from .folder import DatasetSpec, FolderLandCover, check_folder, fingerprint, read_dataset_yaml
from .sampler import DrawIndex, SeededSampler
from .seeding import SeedDraws

__all__ = ['DatasetSpec', 'DrawIndex', 'FolderLandCover', 'SeedDraws', 'SeededSampler', 'check_folder', 'fingerprint',
           'read_dataset_yaml']
