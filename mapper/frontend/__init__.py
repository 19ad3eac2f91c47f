"""Trained networks in ONNX or NIR become graphs of one time step.

An ONNX file holds one time step or many, in any form. ``import_model`` is the way in, ``describe``
says what was recognised. ``docs/frontend.md`` and ``docs/nir.md`` say what can be imported, and
how.
"""

from mapper.frontend.describe import describe
from mapper.frontend.imported import import_model, read_step
from mapper.frontend.info import ModelInfo
from mapper.frontend.nir import LIBRARIES, NirOptions
from mapper.frontend.onnx.functions import with_functions
from mapper.frontend.onnx.located import Located
from mapper.frontend.result import Imported, Port

__all__ = [
    "LIBRARIES",
    "Imported",
    "Located",
    "ModelInfo",
    "NirOptions",
    "Port",
    "describe",
    "import_model",
    "read_step",
    "with_functions",
]
