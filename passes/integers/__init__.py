"""What ``quantize-weights`` and ``quantize-neurons`` work with: units and their rounding."""
