"""Read trained networks: ONNX models of one time step and NIR files become graphs.

``import_model`` is the way in, ``describe`` says what was recognised. What can be read, and how, is
in ``docs/frontend.md`` and ``docs/nir.md``.
"""

from mapper.frontend.describe import describe
from mapper.frontend.imported import import_model
from mapper.frontend.nir import LIBRARIES, NirOptions
from mapper.frontend.result import Imported, Port

__all__ = [
    "LIBRARIES",
    "Imported",
    "NirOptions",
    "Port",
    "describe",
    "import_model",
]
