"""The lowered model in ONNX Runtime as an engine: imported where it is first asked for."""

from collections.abc import Sequence
from dataclasses import dataclass

from mapper.executor.base import Generated, Prepared
from mapper.ir.core import Graph


@dataclass(frozen=True, slots=True)
class OnnxEngine:
    """The model that a build folder has as ``lowered.onnx``, in ONNX Runtime."""

    name: str = "onnx"

    def unavailable(self) -> str:
        """Say nothing: ONNX Runtime is installed with this package."""
        return ""

    def prepare(
        self,
        graph: Graph,
        *,
        watch: Sequence[str] = (),
        threads: int | None = None,
        generated: Generated | None = None,
    ) -> Prepared:
        """Lower a graph, where that was not done yet; the session has one thread."""
        from mapper.executor.onnx.run import prepared  # ONNX takes long to import

        return prepared(graph, watch, generated)
