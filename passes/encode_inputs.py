"""Give every network input an integer code."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

from mapper.ir.core import FLOAT, SPIKE, Coding, Graph, IntType, Value
from mapper.ir.infer import substitute
from mapper.ir.network import Scale
from passes.base import Pass
from targets import Target


@dataclass(frozen=True, kw_only=True)
class InputCode:
    """How one input is coded: ``real = step * code``."""

    type: IntType = SPIKE
    step: float = 1.0


@dataclass(frozen=True, kw_only=True)
class EncodeInputs(Pass):
    """Give every network input an integer code; spikes unless calibration data says otherwise.

    Inexact where an input is analogue: it is rounded to the nearest code before the first time
    step. Inputs that hold spikes or counts keep their value.
    """

    name: ClassVar[str] = "encode-inputs"
    exact: ClassVar[bool] = False

    codes: Mapping[str, InputCode] = field(default_factory=dict)

    def run(self, graph: Graph, target: Target) -> Graph:
        reals = {v.name: replace(v, name=f"{v.name}.real") for v in graph.inputs if v.type == FLOAT}
        code_of = {name: self.codes.get(name, InputCode()) for name in reals}
        inputs = tuple(
            replace(v, type=code_of[v.name].type) if v.name in reals else v for v in graph.inputs
        )
        scales = tuple(
            Scale(x=v, factor=code_of[v.name].step, result=reals[v.name], loc=f"input {v.name}")
            for v in inputs
            if v.name in reals
        )
        steps = {name: Coding(scale=code.step) for name, code in code_of.items() if code.step != 1}
        return replace(
            graph,
            inputs=inputs,
            outputs=_renamed(graph.outputs, reals),
            ops=scales + tuple(substitute(op, reals) for op in graph.ops),
            codings={**graph.codings, **steps},
        )


def _renamed(values: tuple[Value, ...], reals: Mapping[str, Value]) -> tuple[Value, ...]:
    return tuple(reals.get(v.name, v) for v in values)
