"""Where layers of weights run and how wide their weights are, as a person or a search decided."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from mapper.arguments import FLAG, TEXT, WHOLE, Takes, check_arguments
from mapper.diagnostics import many
from mapper.ir.frozen import FrozenMap

DIGITAL = "digital"
"""In place of a macro's name: the digital unit, which sums without an error of reading."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What is decided for one layer; the rest is left to the compiler."""

    macro: str = ""
    """A macro kind of the target, or ``DIGITAL``; empty for the first that takes its inputs."""
    weight_bits: int | None = None
    """Width of its weights, 1..8; as the other layers have it where None."""
    packing: bool | None = None
    """Whether several of its groups share a crossbar; as costs less where None."""
    copies: int | None = None
    """Copies that share its output positions; as ``replicate`` takes them where None."""
    spread_steps: bool | None = None
    """Whether counts of spikes on its wordlines are read in binary steps; as in other layers where
    None."""

    def __str__(self) -> str:
        bits = "" if self.weight_bits is None else f"{self.weight_bits}-bit weights"
        packed = {None: "", True: "groups packed", False: "groups apart"}[self.packing]
        copied = "" if self.copies is None else many(self.copies, "copy", "copies")
        read = {None: "", True: "counts in steps", False: "counts in bit planes"}[self.spread_steps]
        words = (self.macro, bits, packed, copied, read)
        return ", ".join(word for word in words if word) or "left to the compiler"


UNDECIDED = Choice()


_CHOICE = Takes(words="a mapper.Choice", types=(Choice,))
_TAKES = {
    "layers": Takes(words="choices by the names of layers", types=(Mapping,)),
    "macro": TEXT,
    "weight_bits": WHOLE,
    "packing": FLAG,
    "copies": WHOLE,
    "spread_steps": FLAG,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """What is decided for the layers of a network; a graph carries it to the passes.

    Example:
        >>> first = Choice(macro="flash5-64", weight_bits=6)
        >>> decided = Assignment(layers={"/conv1/Conv": first}, weight_bits=4)
        >>> decided.bits_of("net.onnx:/conv1/Conv"), decided.bits_of("net.onnx:/fc/Gemm")
        (6, 4)
    """

    layers: Mapping[str, Choice] = FrozenMap({})
    """By the name that ``spikeloom inspect --json`` has for it; those not listed are undecided."""
    weight_bits: int | None = None
    """Of layers that have no width of their own; their macro's where None."""
    spread_steps: bool | None = None
    """Whether layers for which nothing is decided read counts in binary steps; in bit planes where
    None."""

    def __post_init__(self) -> None:
        check_arguments(_TAKES, {"layers": self.layers}, {})
        object.__setattr__(self, "layers", FrozenMap(self.layers))

    def check(self) -> None:
        """Refuse ``bad-argument`` for what no layer can be given."""
        own = {"weight_bits": self.weight_bits, "spread_steps": self.spread_steps}
        check_arguments(_TAKES, {}, own)
        for name, choice in self.layers.items():
            check_arguments({name: _CHOICE}, {name: choice}, {})
            check_arguments(_TAKES, {}, asdict(choice))

    def of(self, location: str) -> Choice:
        """Return what is decided for the layer that comes from a node, ``model.onnx:/fc/Gemm``."""
        return self.layers.get(layer_name(location), UNDECIDED)

    def bits_of(self, location: str) -> int | None:
        """Return the width decided for a layer's weights: its own, or that of all layers."""
        return self.of(location).weight_bits or self.weight_bits

    def spreads(self, location: str) -> bool:
        """Return whether a layer reads counts in binary steps."""
        own = self.of(location).spread_steps
        return bool(self.spread_steps if own is None else own)


FOR_ALL: Mapping[str, type] = FrozenMap({"weight_bits": int, "spread_steps": bool})
"""What is decided of all layers that have nothing of their own: fields of ``Assignment``."""

UNASSIGNED = Assignment()


def layer_name(location: str, value: str = "") -> str:
    """Name a layer by its node, ``model.onnx:/conv1/Conv``, or else by the value it makes."""
    return location.partition(":")[2] or location or value
