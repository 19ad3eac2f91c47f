"""Code generation: a hardware graph becomes a standalone NumPy program, or an ONNX model."""
