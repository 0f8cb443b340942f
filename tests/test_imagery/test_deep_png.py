"""PNG of 16 bits in colours, of which Pillow keeps 8 without a word."""

import struct
import zlib

import numpy as np

from mapsage_mmseg.commands import cli, prepare_data
from mapsage_mmseg.imagery import Window, open_raster
from tests import scenes

WHOLE = Window(0, 0, 40, 60)
PIXELS = scenes.photograph(40, 60, 3, np.uint16) * 50 + 7  # whose low bytes differ


def write(file, pixels):
    """By the format's own description, for Pillow writes none."""
    height, width, bands = pixels.shape
    rows = b''.join(b'\0' + row.tobytes() for row in pixels.astype('>u2'))
    head = struct.pack('>IIBBBBB', width, height, 16, {3: 2, 4: 6}[bands], 0, 0, 0)
    parts = [(b'IHDR', head), (b'IDAT', zlib.compress(rows)), (b'IEND', b'')]
    chunks = (
        struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data)) for kind, data in parts
    )
    file.write_bytes(b'\x89PNG\r\n\x1a\n' + b''.join(chunks))
    return file


def test_values_are_kept(tmp_path):
    with open_raster(write(tmp_path / 'a.png', PIXELS)) as raster:
        assert (raster.dtype, raster.bands, raster.place) == (np.uint16, 3, None)
        assert (raster.read(WHOLE, (3, 1)) == PIXELS[..., [2, 0]]).all()
    veil = np.full((40, 60, 1), 65535, np.uint16)
    veil[:9] = 0
    with open_raster(write(tmp_path / 'b.png', np.dstack([PIXELS, veil]))) as raster:
        assert raster.bands == 4 and (raster.read_known(WHOLE, (1, 2, 3))[1] == (veil[..., 0] > 0)).all()


def test_tiles_of_8_bits_want_a_range(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    scenes.write_scenes(tmp_path / 'scenes', {'a': (40, 60), 'b': (40, 60)})
    write(tmp_path / 'scenes/a.png', PIXELS)
    arguments = ['scenes', '-o', 'tiles', '--size', '32', '--val', 'b']
    assert cli.run(prepare_data.main, arguments) == 2
    assert 'a.png is uint16, and tiles have 8 bits; keep the values' in capfd.readouterr().err
