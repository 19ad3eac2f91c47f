"""Give every network input an integer code."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

from mapper.ir.core import FLOAT, Coding, Graph
from mapper.ir.network import Scale
from passes.base import Pass
from passes.held_inputs import InputCode, held_inputs
from targets import Target


@dataclass(frozen=True, kw_only=True)
class EncodeInputs(Pass):
    """Give every network input an integer code; spikes unless calibration data says otherwise.

    Inexact where an input is analogue: it is rounded to the nearest code before the first time
    step. Inputs that hold spikes or counts keep their value. Where states hold inputs of steps
    before, they hold their codes.
    """

    name: ClassVar[str] = "encode-inputs"
    exact: ClassVar[bool] = False

    codes: Mapping[str, InputCode] = field(default_factory=dict)

    def run(self, graph: Graph, target: Target) -> Graph:
        code_of = {
            v.name: self.codes.get(v.name, InputCode()) for v in graph.inputs if v.type == FLOAT
        }
        held = held_inputs(graph, code_of)
        states, starts = held.written_states()
        inputs = tuple(
            replace(v, type=code_of[v.name].type) if v.name in code_of else v for v in graph.inputs
        )
        coded = [v for v in (*inputs, *(s.read for s in states)) if v.name in held.codes]
        reals = {v.name: replace(v, name=f"{v.name}.real", type=FLOAT) for v in coded}
        scales = tuple(
            Scale(x=v, factor=held.codes[v.name].step, result=reals[v.name], loc=f"input {v.name}")
            for v in coded
        )
        steps = {name: Coding(scale=code.step) for name, code in code_of.items() if code.step != 1}
        return replace(
            graph,
            inputs=inputs,
            outputs=tuple(reals.get(v.name, v) for v in graph.outputs),
            states=states,
            ops=(*scales, *held.written_ops(reals)),
            constants={**graph.constants, **starts},
            codings={**graph.codings, **steps},
        )
