"""Supported image formats, recognised by the first bytes of a file."""

from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError


@dataclass(frozen=True)
class Format:
    """One format.

    Attributes:
        name: As users know it.
        driver: GDAL's driver, the only one that may open such a file.
        magic: First bytes of a file; any of these.
        suffixes: Usual file suffixes, in lower case.
    """

    name: str
    driver: str
    magic: tuple[bytes, ...]
    suffixes: tuple[str, ...]


# Only self-contained formats. GDAL also supports formats such as VRT and WMS, which refer to other files and addresses;
# Pillow supports EPS, for which it runs Ghostscript.
FORMATS = (
    Format('PNG', 'PNG', (b'\x89PNG\r\n\x1a\n',), ('.png',)),
    Format('JPEG', 'JPEG', (b'\xff\xd8\xff',), ('.jpg', '.jpeg')),
    Format('TIFF', 'GTiff', (b'II*\0', b'MM\0*', b'II+\0', b'MM\0+'), ('.tif', '.tiff')),
    Format('JPEG 2000', 'JP2OpenJPEG', (b'\0\0\0\x0cjP  \r\n\x87\n', b'\xff\x4f\xff\x51'), ('.jp2', '.j2k')),
    Format('WebP', 'WEBP', (b'RIFF',), ('.webp',)),
    Format('BMP', 'BMP', (b'BM',), ('.bmp',)),
)
IMAGE_SUFFIXES = tuple(suffix for each in FORMATS for suffix in each.suffixes)
NAMES = ', '.join(each.name for each in FORMATS[:-1]) + f' or {FORMATS[-1].name}'


def format_of(file: Path) -> Format:
    """Returns the format of a file by its first bytes; its name is not used.

    Raises:
        InputError: The file cannot be opened, or has none of the formats.
    """
    try:
        with open(file, 'rb') as content:
            head = content.read(16)
    except OSError as error:
        raise InputError(f'{file} cannot be read: {error.strerror}') from error
    for each in FORMATS:
        if head.startswith(each.magic) and (each.name != 'WebP' or head[8:12] == b'WEBP'):
            return each
    raise InputError(f'{file} cannot be read; it is damaged or no image (its first bytes are not of a {NAMES})')
