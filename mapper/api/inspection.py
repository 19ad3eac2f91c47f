"""What was recognised in a model and, with a target, how many crossbars it takes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mapper.api.arguments import check_given
from mapper.api.inputs import Inputs, Model, read_model, read_target
from mapper.api.make import passes_over
from mapper.build.summary import CompileSummary, layer_dict
from mapper.diagnostics import printable
from mapper.frontend import Imported, ModelInfo, NirOptions, describe
from mapper.ir.assignment import Assignment
from mapper.notebook import html_table
from mapper.pipeline import After
from mapper.threads import one_blas_thread
from targets import Target

SCHEMA = "spikeloom/inspect/1"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Inspection:
    """Layers, neurons and parameters that were recognised, and what will run where."""

    model: ModelInfo
    mapping: CompileSummary | None = None
    """On the target that was asked about; None where none was."""

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON of ``spikeloom inspect``."""
        answer = {"schema": SCHEMA, **self.model.as_dict()}
        mapped = self.mapping
        if mapped is None:
            return answer
        mapping = {
            "target": mapped.target,
            "weight_bits": mapped.weight_bits,
            "crossbars": mapped.crossbars,
            "chips": mapped.chips,
            "layers": [layer_dict(row) for row in mapped.layers],
        }
        return {**answer, "mapping": mapping}

    def __repr__(self) -> str:
        mapped = "" if self.mapping is None else f"; {self.mapping.head()}"
        return printable(f"Inspection({self.model}{mapped})")

    def _repr_html_(self) -> str:
        mapped = [] if self.mapping is None else [self.mapping.head()]
        return html_table(
            repr(self.model),
            ("layer", "op", "writes", "weights", "neurons", "runs on"),
            (
                (
                    layer.name,
                    layer.op,
                    "x".join(map(str, layer.writes[0].shape)),
                    "" if layer.matrix is None else layer.matrix.weights,
                    "" if layer.neuron is None else layer.neuron.neurons,
                    layer.runs_on,
                )
                for layer in self.model.layers
            ),
            (*mapped, *self.model.warnings),
        )


@one_blas_thread
def inspect(
    model: Model | Imported,
    target: str | Path | Target | None = None,
    *,
    weight_bits: int | None = None,
    assignment: Assignment | str | Path | None = None,
    spread_steps: bool | None = None,
    calibrate: Inputs | None = None,
    layout: str | None = None,
    nir: NirOptions | None = None,
    after: After | None = None,
) -> Inspection:
    """Say what is recognised in a model and, with a target, how many crossbars it takes.

    What ``compile`` would refuse on that target is refused here, with every reason at once.

    Args:
        model: The path of an ONNX or NIR file, an ``onnx.ModelProto``, or what ``import_model``
            returns.
        target: The name of a target, the path of a ``.toml`` file, or a ``Target``.
        weight_bits: Width of a weight on the target, as ``compile`` takes it.
        assignment: What is decided for layers on the target, as ``compile`` takes it.
        spread_steps: As ``compile`` takes it.
        calibrate: Recordings for the target, as ``compile`` takes them: they set how many bits
            codes of an input have, and with them how far a threshold is from zero.
        layout: Of these recordings, as ``Build.run`` takes it.
        nir: What a NIR file leaves open.
        after: Called with each pass over the model and the graph that it made.

    Raises:
        MappingError: The model cannot be read, or not mapped onto the target.

    Example:
        >>> for layer in mapper.inspect("model.onnx").model.layers[:3]:
        ...     print(layer.name, layer.runs_on)
        /conv1/Conv crossbars
        /lif1/GreaterOrEqual digital unit
        /conv2/Conv crossbars
    """
    check_given({}, after=after, assignment=assignment, spread_steps=spread_steps)
    facts = None if target is None else read_target(target)
    imported, _ = read_model(model, nir)
    found = describe(imported)
    if facts is None:
        return Inspection(model=found)
    build = passes_over(
        imported,
        facts,
        weight_bits=weight_bits,
        assignment=assignment,
        spread_steps=spread_steps,
        calibrate=calibrate,
        layout=layout,
        after=after,
    )
    assert build is not None  # nothing stops it before the end
    return Inspection(model=found, mapping=CompileSummary(build=build.mapped))
