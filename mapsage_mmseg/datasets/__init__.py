"""Data sets, the order of their samples, and the seeding of their augmentation."""

from importlib import import_module
from typing import Any

from .. import compat

compat.apply()  # before mmseg.models or mmrazor is imported

# Names that other packages import from here; their modules are imported when they are asked for.
_HOMES = dict(
    DatasetSpec='tiles.dataset_yaml',
    DrawIndex='sampler',
    FolderLandCover='tiles.dataset',
    RandomColourShift='transforms.colour_shift',
    RandomQuarterTurn='transforms.quarter_turn',
    RandomRescale='transforms.rescale',
    ReplayedPipeline='transforms.replayed_pipeline',
    SeedDraws='transforms.seeding',
    SeededSampler='sampler',
    StableDraws='transforms.seeding',
    SyntheticLandCover='synthetic.dataset',
    check_folder='tiles.dataset',
    draw_scene='synthetic.drawing',
    read_dataset_yaml='tiles.dataset_yaml',
)
__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(import_module(f'.{_HOMES[name]}', __name__), name)
