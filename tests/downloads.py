"""Tiny downloads of published data sets, and what MMSegmentation's converters make of them."""

import io
import sys
import zipfile
from pathlib import Path
from unittest import mock

import mmseg
import numpy as np
from PIL import Image

SIDE = 64
ARGUMENTS = {  # of the converter
    'loveda': [],
    'potsdam': ['--clip_size', str(SIDE)],
    'vaihingen': ['--clip_size', str(SIDE)],
    'isaid': ['--patch_width', str(SIDE), '--patch_height', str(SIDE), '--overlap_area', '32'],
}
ISPRS = ((255, 255, 255), (0, 0, 255), (0, 255, 255), (0, 255, 0), (255, 255, 0), (255, 0, 0))
BLACK = (0, 0, 0)  # the eroded boundaries of ISPRS, the background of iSAID
SHIP, HARBOUR = (0, 0, 63), (0, 100, 155)


def made_by_converter(name: str, folder: Path, mended: bool = True) -> Path:
    """A data set as MMSegmentation's own converter lays it out, from a download of a few images; its root.

    Args:
        name: Of the converter.
        folder: For the download and what is made of it.
        mended: Whether iSAID's masks keep their classes, as docs/data.md shows.
    """
    script = Path(mmseg.__file__).parent / '.mim' / 'tools' / 'dataset_converters' / f'{name}.py'
    download, root = folder / 'download', folder / name
    globals()[f'_{name}'](download)
    text = script.read_text().replace(", mode='P'", '') if mended else script.read_text()
    with mock.patch.object(sys, 'argv', [str(script), str(download), '-o', str(root), *ARGUMENTS[name]]):
        exec(compile(text, str(script), 'exec'), {'__name__': '__main__'})
    return root


def stripes(values: list, height: int, width: int) -> np.ndarray:
    """(H, W, ...) in which every value has its columns, from left to right."""
    table = np.array(values, np.uint8)
    return np.broadcast_to(table[np.arange(width) * len(values) // width], (height, width, *table.shape[1:])).copy()


def photograph(label: np.ndarray, number: int) -> np.ndarray:
    """(H, W, 3), in which a label's values can be told apart."""
    grey = label if label.ndim == 2 else label @ np.array([1, 2, 4])
    noise = np.random.default_rng(number).integers(0, 20, (*grey.shape, 3))
    return ((grey[..., None] * 23) % 200 + noise).astype(np.uint8)


def _zip(file: Path, images: dict[str, np.ndarray]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(file, 'w') as archive:
        for name, pixels in images.items():
            held = io.BytesIO()
            Image.fromarray(pixels).save(held, 'TIFF' if name.endswith('.tif') else 'PNG')
            archive.writestr(name, held.getvalue())


def _loveda(folder: Path) -> None:
    label, number = stripes(list(range(8)), SIDE, SIDE), 0  # 0: no data
    for split in ('Train', 'Val', 'Test'):
        images = {}
        for place in ('Rural', 'Urban'):
            for _ in range(2):
                images[f'{split}/{place}/images_png/{number}.png'] = photograph(label, number)
                if split != 'Test':
                    images[f'{split}/{place}/masks_png/{number}.png'] = label
                number += 1
        _zip(folder / f'{split}.zip', images)


def _isprs(image: str, mask: str, areas: list[str]) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    label = stripes([BLACK, *ISPRS], SIDE, 2 * SIDE)
    photographs = {image.format(area): photograph(label, number) for number, area in enumerate(areas)}
    return photographs, {mask.format(area): label for area in areas}


def _potsdam(folder: Path) -> None:
    photographs, masks = _isprs(
        '2_Ortho_RGB/top_potsdam_{}_RGB.tif', 'top_potsdam_{}_label_noBoundary.tif', ['2_10', '2_13']
    )
    _zip(folder / '2_Ortho_RGB.zip', photographs)
    _zip(folder / '5_Labels_all_noBoundary.zip', masks)


def _vaihingen(folder: Path) -> None:
    photographs, masks = _isprs('top/top_mosaic_09cm_{}.tif', 'top_mosaic_09cm_{}_noBoundary.tif', ['area1', 'area2'])
    _zip(folder / 'ISPRS_semantic_labeling_Vaihingen.zip', photographs)
    _zip(folder / 'ISPRS_semantic_labeling_Vaihingen_ground_truth_eroded_COMPLETE.zip', masks)


def _isaid(folder: Path) -> None:
    for number, split in enumerate(('train', 'val', 'test')):
        # Higher than a patch and narrower: the converter fills its right side, with 255 in the mask.
        label = stripes([BLACK, SHIP, HARBOUR], 2 * SIDE, SIDE - 16)
        _zip(folder / split / 'images/part1.zip', {f'images/P000{number}.png': photograph(label, number)})
        if split != 'test':
            name = f'images/P000{number}_instance_color_RGB.png'
            _zip(folder / split / 'Semantic_masks/images.zip', {name: label})
