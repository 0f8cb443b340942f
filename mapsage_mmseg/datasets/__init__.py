"""Data sets, the order of their samples, and the seeding of their augmentation."""

from .bands import Bands, LoadBands, read_bands
from .dataset_yaml import DatasetSpec, read_dataset_yaml
from .folder import HANDLING, FolderLandCover, check_folder
from .folder_files import fingerprint, has_unlabelled, unlabelled_fingerprint
from .map_store import MapKind, MapStore
from .replay import Replay, ReplayedPipeline
from .rescale import RandomRescale
from .sampler import DrawIndex, SeededSampler, epoch_size
from .scene import draw_scene
from .seeding import SeedDraws, StableDraws
from .stock import check_layout, divide, has_own_layout, names_and_sizes
from .synthetic import SyntheticLandCover
from .unlabelled import LoadLabelIfAny

__all__ = [
    'HANDLING',
    'Bands',
    'DatasetSpec',
    'DrawIndex',
    'FolderLandCover',
    'LoadBands',
    'LoadLabelIfAny',
    'MapKind',
    'MapStore',
    'RandomRescale',
    'Replay',
    'ReplayedPipeline',
    'SeedDraws',
    'SeededSampler',
    'StableDraws',
    'SyntheticLandCover',
    'check_folder',
    'check_layout',
    'divide',
    'draw_scene',
    'epoch_size',
    'fingerprint',
    'has_own_layout',
    'has_unlabelled',
    'names_and_sizes',
    'read_bands',
    'read_dataset_yaml',
    'unlabelled_fingerprint',
]
