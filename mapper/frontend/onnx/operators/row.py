"""The columns of the operator table: what the frontend asks about an operator.

``operators`` has the rows.
"""

from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Literal

from onnx import NodeProto

from mapper.frontend.algebra.forms import Form, Shape
from mapper.frontend.onnx.constants import Quantised
from mapper.frontend.onnx.node import Node, Tensor
from mapper.frontend.onnx.shapes import ShapeRule
from mapper.frontend.onnx.sizes import SizeRule, TermRule

Rule = Callable[[Node], Tensor | Sequence[Tensor]]
"""Returns the result of a node, or all of them where it has several.

It raises ``NotAffineError`` or ``unsupported-op`` where neither a form nor a layer says it.
"""

Kind = Literal[
    "elementwise",  # computes each element from those at its place
    "reshape",  # keeps elements in their order, or takes some of them
    "quantiser",  # goes to a grid of numbers, or back from its codes
    "layer",  # becomes ops of its own
    "size",  # asks for the shape of a tensor, not for its numbers
    "random",  # gives other numbers in every run
    "branch",  # runs one of its subgraphs
    "loop",  # runs a subgraph once a time step
    "sequence",  # reads or gives a list of tensors
    "write",  # writes into a tensor at given places
    "neuron",  # is a neuron of a library, over time
    "other",  # is computed of known numbers, and nothing else
]

Through = Literal[
    "whole",  # on the tensor as it is, time axis and all
    "each step",  # on every step alone, wherever the time axis is
    "each sample",  # on every step alone, where time is the axis of the samples
    "each channel",  # on every step alone, unless time is the axis of the channels
    "along axis",  # on every step alone, unless it is along the time axis
    "cast",
    "concat",
    "constant",
    "convolution",  # on every step alone, or over the time axis, where it is a delay
    "einsum",
    "gather",
    "gather at",
    "general product",
    "matrix product",
    "neuron",
    "pad",
    "reduce",
    "reduce step",
    "repeat",
    "reshape",
    "scatter",
    "shape",
    "size",
    "slice",
    "split",
    "transpose",
    # What the walk over time steps itself does.
    "branch",
    "loop",
    "same",
    "scan",
    # Lists of tensors.
    "sequence at",
    "sequence concat",
    "sequence construct",
    "sequence empty",
    "sequence erase",
    "sequence insert",
    "sequence length",
    "sequence split",
]
"""A way of going through time; ``mapper.frontend.time`` has one function for each."""

Again = Literal["", "layer", "compare", "bound"]
"""What a time step would compute again if its state were taken before the node.

Layers are dear. A comparison or a bound belongs to a neuron, which is not to be cut in two.
"""

Linear = Literal["", "moves", "adds", "multiplies", "divides", "linear", "weighs"]
"""What a node is that may stand between a sum over time steps and an output.

It ``moves`` numbers, ``adds`` a constant, ``multiplies`` or ``divides`` by a number, is ``linear``
in what it computes from, or ``weighs`` its first input, with or without a constant added.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class InTime:
    """What an operator does to tensors that have a time axis, and to what steps hand on."""

    through: Through = "whole"
    shape: ShapeRule | None = None
    """Of a reshape or a repetition: the shape that it gives."""
    again: Again = ""
    linear: Linear = ""
    side_by_side: str = ""
    """Of a reduction along an axis: the operator that does the same to separate tensors."""
    reduces: Literal["", "sum", "mean", "max", "min"] = ""
    """What it makes of several tensors: a readout, where these are time steps."""
    rounds: bool = False
    """To whole numbers: of a membrane, part of its leak or of what it fires."""
    picks_steps: bool = False
    """Exporters take time steps out of an input with it."""
    makes_spikes: bool = False
    """Exporters make numbers of comparisons with it: spikes, which layers and resets read."""
    zero_annuls: bool = False
    """A factor of zeros gives zeros, whatever the other is."""


@dataclass(frozen=True, slots=True)
class Operator:
    """All that the frontend knows of an operator: one row of the table."""

    name: str
    kind: Kind
    rule: Rule | None = None
    """What it computes in one time step; None where the hardware has no such operation."""
    _: KW_ONLY
    domains: tuple[str, ...] = ("",)
    refusal: tuple[str, str] | None = None
    """Why a node is never read, and what to do instead, where there is more to say than that."""
    in_layer: Callable[[Node], Form | None] | None = None
    """Asked before the rule: the layer before, with the node in it, where it belongs there."""
    spelled_out: Callable[[Node], list[NodeProto]] | None = None
    """Ordinary nodes that compute the same in one time step."""
    folds: SizeRule | None = None
    """How many elements it gives of known inputs; None where it is not computed of them."""
    is_slow: bool = False
    """What computes it of known inputs walks through their elements in Python."""
    terms: TermRule | None = None
    """How many products one of its elements adds up: more work than reading and writing it."""
    is_run: bool = False
    """ONNX Runtime computes it of known inputs; the reference takes far longer."""
    names_result: bool = False
    """A constant that it gives is still called after the stored one that it reads."""
    codes: Callable[[Node, Quantised, Shape], Quantised | None] | None = None
    """The integer codes of a constant that it gives, where it moves them; their shape is given."""
    time: InTime = field(default_factory=InTime)
    in_neuron: str = ""
    """What keeps a neuron whose state it changes from being read, in the words of the field."""
    instead: str = ""
    """What to do then, where more can be said than what neurons may do."""
    has_weights: bool = False
    """It has a matrix or a kernel, which each time step of a network uses once."""
    has_engine: bool = True
    """ONNX Runtime or the ONNX reference can run it."""

    @property
    def is_checked(self) -> bool:
        """Its nodes are run again, beside the neuron that was fitted to them."""
        return self.kind in ("elementwise", "reshape", "quantiser", "write")
