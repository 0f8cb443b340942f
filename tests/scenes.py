"""Small scenes with their masks, as a user would bring them."""

from pathlib import Path

import numpy as np
import rasterio
from PIL import Image

CLASSES = ('water', 'land', 'road')
PALETTE = ((0, 0, 255), (0, 200, 0), (90, 90, 90))
GREY = (155, 155, 155)
IN_COLOURS = (
    'classes: [water, land, road]\npalette: [[0, 0, 255], "#00c800", [90, 90, 90]]\nignore: [[155, 155, 155]]\n'
)
AS_NUMBERS = 'classes: [water, land, road]\nignore: [255]\n'


def photograph(height: int, width: int, bands: int = 3, dtype: type = np.uint8) -> np.ndarray:
    """(H, W, B), in which no two rows or columns look alike."""
    rows, columns, band = np.ogrid[:height, :width, :bands]
    return ((rows * 7 + columns * 3 + band * 50) % np.iinfo(dtype).max).astype(dtype)


def blocks(height: int, width: int) -> np.ndarray:
    """(H, W) of class numbers: blocks of 8 pixels, and 255 in the first row."""
    rows, columns = np.ogrid[:height, :width]
    label = ((rows // 8 + columns // 8) % 3).astype(np.uint8)
    label[0] = 255
    return label


def painted(label: np.ndarray) -> np.ndarray:
    """(H, W, 3): a label in its colours."""
    colours = np.full((256, 3), GREY, np.uint8)
    colours[:3] = PALETTE
    return colours[label]


def write(file: Path, pixels: np.ndarray) -> Path:
    """Writes an image, with the folders above it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(file)
    return file


def write_geotiff(file: Path, pixels: np.ndarray, **profile) -> Path:
    """Writes (H, W, B) by rasterio, with whatever place, nodata value or marks of bands."""
    height, width, count = pixels.shape
    size = dict(height=height, width=width, count=count, dtype=pixels.dtype.name)
    with rasterio.open(file, 'w', driver='GTiff', **size, **profile) as target:
        target.write(pixels.transpose(2, 0, 1))
    return file


def write_scenes(folder: Path, sizes: dict[str, tuple[int, int]], classes: str = IN_COLOURS) -> Path:
    """Images beside their masks, in colours or as numbers, and ``classes.yaml``; sizes are (height, width)."""
    for name, (height, width) in sizes.items():
        label = blocks(height, width)
        write(folder / f'{name}.png', photograph(height, width))
        write(folder / f'{name}_mask.png', painted(label) if classes == IN_COLOURS else label)
    (folder / 'classes.yaml').write_text(classes)
    return folder
