"""A trained student in its forms: as torch has it, as timm's backbone, and as an ONNX graph."""
