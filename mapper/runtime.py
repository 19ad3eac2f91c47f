"""ONNX Runtime, as everything here runs it: on one processor, a model as it is written."""

from typing import Any


def session_of(source: str | bytes) -> Any:
    """Return what runs a model, given as its bytes or by the name of its file.

    Raises:
        Exception: of a class of ONNX Runtime's own, where it refuses the model.
    """
    import onnxruntime  # takes a while to load: only where a model is run

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    # Fused quantised kernels round once where the file says twice; the file is the reference.
    # Folding constants would write out every bit-slice of every weight as a float.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4  # its complaints come back as exceptions
    return onnxruntime.InferenceSession(source, options, ["CPUExecutionProvider"])
