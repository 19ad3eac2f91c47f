"""ONNX files loaded safely, and a row for every operator."""
