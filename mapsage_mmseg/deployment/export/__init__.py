"""A trained student as files: for stock MMSegmentation and for ONNX Runtime."""
