"""Read NIR files: a graph of continuous-time nodes becomes one time step of network ops.

``file`` reads HDF5 that may come from anyone, ``flatten`` puts nested graphs into one, ``rules``
settles what the file leaves open, ``order`` finds which edges wait for the next step, ``layers``
and ``neurons`` write the ops. What is assumed, and why, is in ``docs/nir.md``.
"""

from mapper.frontend.nir.build import read_nir
from mapper.frontend.nir.file import import_h5py, is_nir
from mapper.frontend.nir.rules import LIBRARIES, NirOptions

__all__ = ["LIBRARIES", "NirOptions", "import_h5py", "is_nir", "read_nir"]
