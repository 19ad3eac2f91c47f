"""Networks as files for other tools, canonical ONNX and NIR, and back."""
