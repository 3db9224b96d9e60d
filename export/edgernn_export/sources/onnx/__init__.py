"""ONNX models, read as torch modules."""
