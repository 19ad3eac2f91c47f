"""A hardware graph as an ONNX model of standard operators, and their writers."""
