"""The fast executor: a hardware graph on compiled kernels, bit for bit like the definition."""

from mapper.executor.native.plan import Note
from mapper.executor.native.run import NativeExecutor
from mapper.kernels.core import VARIANTS, supported_levels, unavailable

__all__ = ["VARIANTS", "NativeExecutor", "Note", "supported_levels", "unavailable"]
