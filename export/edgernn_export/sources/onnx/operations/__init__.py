"""Tables from ONNX operators to functions of torch."""
