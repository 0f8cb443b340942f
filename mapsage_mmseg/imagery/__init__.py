"""The one door for pixels: every image and mask is opened here, by its own format's decoder alone, as it is stored.

``formats`` lists the formats, ``rasters`` opens a file and reads windows of it, ``sidecars`` reads what may lie beside
it, ``images`` makes of an image what a model is given and of a mask class numbers, ``loading`` does so in a pipeline,
``scene_reader`` reads scenes of any size.
"""

from .bands import Bands
from .images import read_image, read_mask
from .limits import MAX_PIXELS
from .loading import LoadRasterImage, LoadRasterLabel
from .rasters import Raster, Window, open_raster, to_8_bits

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
