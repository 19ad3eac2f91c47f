"""The fast executor: a hardware graph on compiled kernels, bit for bit like the definition."""

from mapper.executor.native.core import VARIANTS, supported_levels, unavailable
from mapper.executor.native.plan import Note
from mapper.executor.native.run import NativeExecutor

__all__ = ["VARIANTS", "NativeExecutor", "Note", "supported_levels", "unavailable"]
