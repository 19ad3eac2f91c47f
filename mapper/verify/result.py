"""What verification finds, as classes: rings, places of mismatches, what answers are worth.

They stand below the report, which shows them; the code that runs the rings is above it. ``as_dict``
is their part of the JSON of ``spikeloom verify``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Literal

from mapper.notebook import html_table

SCHEMA = "spikeloom/verify/1"

Status = Literal["equal", "mismatch", "skipped", "measured"]

RULES = "1-graph-rules"
PASSES = "2-exact-passes"
REFERENCE = "3-onnxruntime"
EXECUTOR = "4-executor"
NATIVE = "5-native-kernels"
LOWERED = "6-lowered-onnx"
TRAINED = "7-trained-export"
INEXACT = "8-inexact-passes"
RINGS = (RULES, PASSES, REFERENCE, EXECUTOR, NATIVE, LOWERED, TRAINED, INEXACT)
"""Those of a build, in their order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where two ways to compute a network first differ, with what each of them gave there."""

    step: int
    sample: int
    layer: str
    """Name of the value in the graph, or of the model's output."""
    source: str | None = None
    """The node of the model; None of an output that is compared with another engine's."""
    found: float | int | str
    """The number, or where shapes differ the shape."""
    expected: float | int | str
    plane: int | None = None
    """Bit plane of the input, of a readout; so are row block and slice."""
    row_block: int | None = None
    slice: int | None = None
    column: int | None = None
    position: tuple[int, ...] | None = None
    """The rest of the index; None where shapes differ."""

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form; what does not apply is left out."""
        head = {"step": self.step, "sample": self.sample, "layer": self.layer}
        values = {"found": finite(self.found), "expected": finite(self.expected)}
        position = {} if self.position is None else {"position": list(self.position)}
        if self.source is None:
            return {**head, **position, **values}
        inside = {
            "plane": self.plane,
            "row_block": self.row_block,
            "slice": self.slice,
            "column": self.column,
        }
        index = {name: at for name, at in inside.items() if at is not None}
        return {**head, "source": self.source, **values, **index, **position}


def finite(number: Any) -> Any:
    """Return what JSON can hold: an overflow as its name, everything else as it is."""
    return number if not isinstance(number, float) or isfinite(number) else str(number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ring:
    """The verdict of one ring."""

    name: str
    status: Status
    reason: str = ""
    """Why it was skipped, or what was compared."""
    max_abs_diff: float | None = None
    """Infinite where shapes or overflows differ; None where nothing was compared."""
    first_mismatch: Place | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        place = self.first_mismatch
        return {
            "name": self.name,
            "status": self.status,
            "reason": self.reason,
            "max_abs_diff": finite(self.max_abs_diff),
            "first_mismatch": None if place is None else place.as_dict(),
        }

    def __str__(self) -> str:
        """Say it in one line."""
        text = f"{self.name}: {self.status}"
        if self.reason:
            text += f" ({self.reason})"
        if self.first_mismatch is not None:
            place = (f"{key} {value}" for key, value in self.first_mismatch.as_dict().items())
            text += f"; first at {', '.join(place)}"
        return text


@dataclass(frozen=True, slots=True, kw_only=True)
class InexactPass:
    """What a pass that changes numbers did, against the source network."""

    name: str
    spike_agreement: float
    """Share of spikes that are equal after it, 0..1."""
    output_error: float | None
    """Greatest difference of an output; None where it overflows."""

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "pass": self.name,
            "spike_agreement": self.spike_agreement,
            "output_error": self.output_error,
        }

    @property
    def error_text(self) -> str:
        """The output error for people, four digits."""
        return "overflows" if self.output_error is None else f"{self.output_error:.4g}"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Verification:
    """All rings of one run, and what the network's answers were worth."""

    rings: tuple[Ring, ...]
    accuracy: float | None = None
    """Share of right predictions of what is verified, 0..1: a mapping, or an imported network."""
    source_accuracy: float | None = None
    """The same of the network before it was mapped."""
    spike_agreement: float | None = None
    """Share of all neurons and time steps at which the source network spikes alike, 0..1."""
    layer_agreement: Mapping[str, float] = field(default_factory=dict)
    """The same by spike value."""
    inexact: tuple[InexactPass, ...] = ()
    """By inexact pass: what it changed."""
    warnings: tuple[str, ...] = ()
    """What was assumed in reading a model, and what could not be stored with a build."""

    @property
    def bit_exact(self) -> bool:
        """No ring that ran found a mismatch."""
        return all(ring.status != "mismatch" for ring in self.rings)

    def ring(self, name: str) -> Ring:
        """Return a ring by its name, such as ``"4-executor"``.

        Raises:
            KeyError: There is no ring of that name.
        """
        found = {ring.name: ring for ring in self.rings}
        return found[name]

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON of ``spikeloom verify``."""
        answer: dict[str, Any] = {
            "schema": SCHEMA,
            "bit_exact": self.bit_exact,
            "rings": [ring.as_dict() for ring in self.rings],
        }
        if self.accuracy is not None:
            answer["accuracy"] = self.accuracy
        if self.source_accuracy is not None:
            answer["source_accuracy"] = self.source_accuracy
        if self.spike_agreement is not None:
            answer["spike_agreement"] = self.spike_agreement
            answer["spike_agreement_by_layer"] = dict(self.layer_agreement)
        if self.inexact:
            answer["inexact_passes"] = [item.as_dict() for item in self.inexact]
        if self.warnings:
            answer["warnings"] = list(self.warnings)
        return answer

    def __repr__(self) -> str:
        rings = ", ".join(f"{ring.name} {ring.status}" for ring in self.rings)
        verdict = "bit-exact" if self.bit_exact else "NOT bit-exact"
        return f"Verification({verdict}: {rings})"

    def _repr_html_(self) -> str:
        worth = {
            "accuracy": self.accuracy,
            "accuracy of the trained network": self.source_accuracy,
            "spikes equal to those of the trained network": self.spike_agreement,
        }
        shares = (f"{name}: {v:.2%}" for name, v in worth.items() if v is not None)
        return html_table(
            "bit-exact" if self.bit_exact else "NOT bit-exact",
            ("ring", "verdict", "what was compared"),
            ((ring.name, ring.status, _compared(ring)) for ring in self.rings),
            (*shares, *self.warnings),
        )


def _compared(ring: Ring) -> str:
    return str(ring).removeprefix(f"{ring.name}: {ring.status}").strip(" ;")
