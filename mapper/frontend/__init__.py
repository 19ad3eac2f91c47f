"""Read trained networks: ONNX models of one time step become network graphs.

``import_model`` is the way in, ``describe`` says what was recognised, ``run_reference`` runs the
original file. What can be read, and how, is in ``docs/frontend.md``.
"""

from mapper.frontend.imported import import_model
from mapper.frontend.inspect import describe
from mapper.frontend.reference import run_reference, run_whole
from mapper.frontend.result import Imported, Port

__all__ = ["Imported", "Port", "describe", "import_model", "run_reference", "run_whole"]
