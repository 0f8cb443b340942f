"""Forms of a trained student: in torch, with timm's backbone, and as an ONNX graph."""
