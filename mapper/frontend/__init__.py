"""Read trained networks: ONNX models of one time step and NIR files become graphs.

``import_model`` is the way in, ``describe`` says what was recognised, ``run_reference`` runs the
original file. What can be read, and how, is in ``docs/frontend.md`` and
``docs/nir.md``.
"""

from mapper.frontend.imported import Imported, Port, import_model
from mapper.frontend.inspect import describe
from mapper.frontend.nir import LIBRARIES, NirOptions
from mapper.frontend.reference import run_reference

__all__ = [
    "LIBRARIES",
    "Imported",
    "NirOptions",
    "Port",
    "describe",
    "import_model",
    "run_reference",
]
