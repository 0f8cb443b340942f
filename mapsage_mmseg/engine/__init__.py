"""Loops, optimizer wrappers, hooks, run directories and teachers."""

from .. import compat

compat.apply()  # before mmseg.models or mmrazor is imported
