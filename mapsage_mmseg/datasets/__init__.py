"""Data sets, the order of their samples, and the seeding of their augmentation."""

from ..imagery import Bands
from .dataset_yaml import DatasetSpec, read_dataset_yaml
from .folder import HANDLING, FolderLandCover, check_folder
from .folder_files import fingerprint, has_unlabelled, unlabelled_fingerprint
from .folder_settings import band_names, check_settings, class_numbers
from .leaves import leaves, put_leaf
from .map_store import MapKind, MapStore
from .quarter_turn import RandomQuarterTurn
from .replay import Replay, ReplayedPipeline
from .rescale import RandomRescale
from .sampler import DrawIndex, SeededSampler, epoch_size
from .scene import draw_scene
from .seeding import SeedDraws, StableDraws
from .stock import check_layout, divide, has_own_layout, names_and_sizes
from .synthetic import SyntheticLandCover

__all__ = [
    'HANDLING',
    'Bands',
    'DatasetSpec',
    'DrawIndex',
    'FolderLandCover',
    'MapKind',
    'MapStore',
    'RandomQuarterTurn',
    'RandomRescale',
    'Replay',
    'ReplayedPipeline',
    'SeedDraws',
    'SeededSampler',
    'StableDraws',
    'SyntheticLandCover',
    'band_names',
    'check_folder',
    'check_layout',
    'check_settings',
    'class_numbers',
    'divide',
    'draw_scene',
    'epoch_size',
    'fingerprint',
    'has_own_layout',
    'has_unlabelled',
    'leaves',
    'names_and_sizes',
    'put_leaf',
    'read_dataset_yaml',
    'unlabelled_fingerprint',
]
