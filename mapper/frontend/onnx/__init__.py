"""ONNX files read safely, and a rule for every operator."""
