"""A trained student as files that leave: for stock MMSegmentation, for ONNX Runtime, and over whole scenes."""
