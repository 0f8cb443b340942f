"""Reading of images and masks: all of them are opened here, only by the decoder of their own format, as stored.

``formats`` lists the formats, ``opening`` opens a file, ``raster`` reads windows of it, ``sidecars`` reads the files
beside it, ``images`` converts images to model input and masks to class numbers, ``loading`` does so in a pipeline,
``scene_reader`` reads scenes of any size.
"""

from .bands import Bands
from .images import read_image, read_mask
from .limits import MAX_PIXELS
from .loading import LoadRasterImage, LoadRasterLabel
from .opening import open_raster, to_8_bits
from .raster import Raster, Window

__all__ = [
    'MAX_PIXELS',
    'Bands',
    'LoadRasterImage',
    'LoadRasterLabel',
    'Raster',
    'Window',
    'open_raster',
    'read_image',
    'read_mask',
    'to_8_bits',
]
