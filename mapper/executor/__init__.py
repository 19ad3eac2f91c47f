"""Code generation: a hardware graph becomes a standalone NumPy program, or an ONNX model."""

from mapper.executor.generate import generate_executor, graph_sha256
from mapper.executor.lowered import run_lowered, to_lowered_onnx
from mapper.executor.run import Executor, load_executor
from mapper.executor.weights import load_constants, save_constants, write_arrays

__all__ = [
    "Executor",
    "generate_executor",
    "graph_sha256",
    "load_constants",
    "load_executor",
    "run_lowered",
    "save_constants",
    "to_lowered_onnx",
    "write_arrays",
]
