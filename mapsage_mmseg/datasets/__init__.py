"""Data sets, the order of their samples, and the seeding of their augmentation."""

from .. import compat

compat.apply()  # before mmseg.models or mmrazor is imported
