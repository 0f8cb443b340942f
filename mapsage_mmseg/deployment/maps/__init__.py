"""Class maps of scenes of any size: windows, strips, GeoTIFFs and outlines."""
