"""Built-in land cover: procedurally drawn scenes, so that everything can be tried without data."""

from typing import Any

import numpy as np
from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS

from ...errors import InputError
from ..tiles.parts import check_part, in_part
from .drawing import CLASSES, PALETTE, SPLITS, draw_scene

CACHE_BYTES = 512 * 2**20  # Cache of drawn scenes, per process; scenes that do not fit are drawn again each time.


def take_label(results: dict[str, Any]) -> dict[str, Any]:
    """Replaces LoadImageFromFile: withholds the label, because a file's image is loaded without its label."""
    results.update(label_for_later=results.pop('gt_seg_map'), seg_fields=[])
    return results


def give_label(results: dict[str, Any]) -> dict[str, Any]:
    """Replaces LoadAnnotations: adds the label. Test pipelines do so after Resize, so that the label keeps its size."""
    results.update(gt_seg_map=results.pop('label_for_later'), seg_fields=['gt_seg_map'])
    return results


@DATASETS.register_module()
class SyntheticLandCover(BaseSegDataset):
    """Procedurally drawn scenes of land cover, in memory.

    A pipeline for files works here too: its LoadImageFromFile and LoadAnnotations are replaced. Both may be omitted.

    Args:
        size, length: Side of a scene in pixels, 32 or more; number of scenes, 5 or more with a ``part``.
        seed: Another seed draws other scenes.
        split: ``'train'`` or ``'val'``, which share no scene.
        part: ``'fit'`` or ``'tune'``, which divide the training scenes four to one; None for all of a split.
        pipeline, kwargs: As for :class:`mmseg.datasets.BaseSegDataset`.

    Raises:
        InputError: An argument is out of its range.
    """

    METAINFO = {'name': 'synthetic', 'classes': CLASSES, 'palette': PALETTE}

    def __init__(
        self,
        size: int = 128,
        length: int = 256,
        seed: int = 0,
        split: str = 'train',
        part: str | None = None,
        pipeline: Any = (),
        **kwargs: Any,
    ) -> None:
        for key, value, least in (('size', size, 32), ('length', length, 5 if part else 1), ('seed', seed, 0)):
            if not isinstance(value, int) or value < least:
                raise InputError(f'SyntheticLandCover: {key}={value!r}; expected an integer of {least} or more')
        if split not in SPLITS:
            raise InputError(f'SyntheticLandCover: split={split!r}; expected {" or ".join(map(repr, SPLITS))}')
        check_part(part, split, 'SyntheticLandCover')
        self.size, self.length, self.seed, self.split, self.part = size, length, seed, split, part
        self._drawn: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        stands_for = {
            **dict.fromkeys(('LoadImageFromFile', 'LoadRasterImage'), take_label),
            **dict.fromkeys(('LoadAnnotations', 'LoadRasterLabel'), give_label),
        }
        names = [str(step['type']).split('.')[-1] if isinstance(step, dict) else '' for step in pipeline]
        steps = [stands_for.get(name, step) for name, step in zip(names, pipeline, strict=True)]
        super().__init__(pipeline=steps, reduce_zero_label=False, **kwargs)

    def load_data_list(self) -> list[dict[str, Any]]:
        """One entry per scene; nothing is drawn yet."""
        scenes = [i for i in range(self.length) if in_part(i, self.part)]
        return [{'img_path': f'synthetic/{self.split}/{i:06d}', 'scene': i, 'reduce_zero_label': False} for i in scenes]

    def get_data_info(self, idx: int) -> dict[str, Any]:
        """Returns image and label as LoadImageFromFile and LoadAnnotations would load them; the arrays are copies."""
        info = super().get_data_info(idx)
        scene = info.pop('scene')
        image, label = self._drawn.get(scene) or draw_scene(self.seed, self.split, scene, self.size)
        if (len(self._drawn) + 1) * (image.nbytes + label.nbytes) <= CACHE_BYTES:
            self._drawn[scene] = image, label
        table = np.arange(256, dtype=np.uint8)
        for old, new in (self.label_map or {}).items():
            table[old] = new
        info.update(img=image.copy(), img_shape=label.shape, ori_shape=label.shape)
        return {**info, 'gt_seg_map': table[label], 'seg_fields': ['gt_seg_map']}
