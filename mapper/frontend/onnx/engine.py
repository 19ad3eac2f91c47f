"""Engines that are not ours, to run ONNX models with."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from onnx import ModelProto

from mapper.diagnostics import MappingError, refuse
from mapper.frontend.onnx.load import nodes_of
from mapper.frontend.onnx.operators import operator_of
from mapper.ir.core import Array
from mapper.runtime import session_of

Step = Callable[[Mapping[str, Array]], dict[str, Array]]
"""One run of a model: arrays by input name in, by output name out."""


IN_MEMORY_BYTES = 64 << 20
"""Of a model that is handed over as it was read; of larger ones, engines read the file."""


def engine(model: ModelProto, where: Path = Path("model")) -> Step:
    """Return what runs a model in memory; ``where`` is the file to name in errors.

    Raises:
        MappingError: ``no-reference``.
    """
    return _started(model.SerializeToString(), model, where)


def engine_for(model: ModelProto, path: Path) -> Step:
    """Return what runs a model file as it is: ONNX Runtime, or else the ONNX reference.

    Raises:
        MappingError: ``no-reference``, here or when the model is run.
    """
    for node in nodes_of(model):
        if not operator_of(node).has_engine:
            raise refuse(
                "no-reference",
                f"no engine here runs {node.domain}::{node.op_type}",
                loc=f"{path.name}:{node.name}",
                help="compare with expected outputs from the library that trained the model",
            )
    # ONNX Runtime takes half a minute to inline 50,000 calls of a function; here they are inlined.
    small = model.ByteSize() <= IN_MEMORY_BYTES
    return _started(model.SerializeToString() if small else str(path), model, path)


def _started(source: str | bytes, model: ModelProto, path: Path) -> Step:
    try:
        session = session_of(source)
    except Exception:  # ONNX Runtime has no base of its errors
        return _reference(model, path)
    return _Runtime(session, model, path).step


class _Runtime:
    """ONNX Runtime, until it fails on a file that it agreed to run."""

    def __init__(self, session: Any, model: ModelProto, path: Path) -> None:
        self._run = session.run
        self._names = [output.name for output in session.get_outputs()]
        self._reads = {port.name for port in session.get_inputs()}
        self._other: Step | None = None
        self._source = (model, path)

    def step(self, arrays: Mapping[str, Array]) -> dict[str, Array]:
        if self._other is not None:
            return self._other(arrays)
        fed = {name: array for name, array in arrays.items() if name in self._reads}
        try:
            return dict(zip(self._names, self._run(self._names, fed), strict=True))
        except Exception:  # ONNX Runtime has no base of its errors
            self._other = _reference(*self._source)
            return self._other(arrays)


def _reference(model: ModelProto, path: Path) -> Step:
    from onnx.reference import ReferenceEvaluator  # takes a while to load, like ONNX Runtime

    names = [port.name for port in model.graph.output]

    def step(arrays: Mapping[str, Array]) -> dict[str, Array]:
        results = evaluator.run(names, dict(arrays))
        return {name: np.asarray(array) for name, array in zip(names, results, strict=True)}

    def guarded(arrays: Mapping[str, Array]) -> dict[str, Array]:
        try:
            return step(arrays)
        except Exception as error:  # the reference raises whatever its NumPy code meets
            raise _no_engine(error, path) from error

    try:
        evaluator = ReferenceEvaluator(model)
    except Exception as error:  # the reference raises what its parsing meets, of any class
        raise _no_engine(error, path) from error
    return guarded


def _no_engine(error: Exception, path: Path) -> MappingError:
    reason = f"no engine here runs the model: {str(error)[:200]}"
    return refuse("no-reference", reason, loc=path.name)
