"""Limits of an epilogue's file that whoever looks at a folder needs, too."""

FILE = "epilogue.onnx"
"""In a build folder."""

MOST_BYTES = 16 << 20
