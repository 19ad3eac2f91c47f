"""What verification finds, as classes: rings, places of mismatches, what answers are worth.

They stand below the report, which shows them; the code that runs the rings is above it. ``as_dict``
is their part of the JSON of ``spikeloom verify``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Literal

from mapper.diagnostics import many
from mapper.ir.firing import Firing
from mapper.layout import Taken
from mapper.notebook import html_table
from mapper.proportions import Score

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

NOT_CHOSEN = "not chosen with --rings"
STOPPED = "stopped before it ended"
"""Why a ring is skipped that could have run."""

LISTED = 20
"""Ties that are listed with their place; all of them are counted."""


NOTHING_COMPARED = "nothing was compared"
"""The verdict where no engine ran beside the definition: nothing is proved, and nothing refuted."""


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
class Tie:
    """A spike that single precision decides by chance: a membrane beside its threshold."""

    step: int
    sample: int
    layer: str
    """Name of the spikes in the graph."""
    position: tuple[int, ...]
    distance: float
    """Between the membrane and its threshold, in units of the membrane."""
    bound: float
    """How far rounding alone may take that sum, in the same units; never below ``distance``."""

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "step": self.step,
            "sample": self.sample,
            "layer": self.layer,
            "position": list(self.position),
            "distance": self.distance,
            "bound": self.bound,
        }

    def __str__(self) -> str:
        at = ", ".join(map(str, self.position))
        return (
            f"step {self.step}, sample {self.sample}, layer {self.layer}, position [{at}]: "
            f"{self.distance:.1e} from its threshold, rounding reaches {self.bound:.1e}"
        )


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
    ties: int = 0
    """Spikes that rounding decided, all others being equal; ring 3 alone compares roundings."""
    tied: tuple[Tie, ...] = ()
    """The first of them, ``LISTED`` at most."""

    @property
    def verdict(self) -> str:
        """The status for people: ``equal but for 3 ties``."""
        return f"{self.status} but for {many(self.ties, 'tie')}" if self.ties else self.status

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form; one without ties says nothing of them."""
        place = self.first_mismatch
        tied = {"ties": self.ties, "tied": [tie.as_dict() for tie in self.tied]}
        return {
            "name": self.name,
            "status": self.status,
            "reason": self.reason,
            "max_abs_diff": finite(self.max_abs_diff),
            "first_mismatch": None if place is None else place.as_dict(),
            **(tied if self.ties else {}),
        }

    def __str__(self) -> str:
        """Say it in one line."""
        text = f"{self.name}: {self.verdict}"
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How much of a recording was verified, and how much there is."""

    steps: int
    of_steps: int
    samples: int
    of_samples: int

    @property
    def whole(self) -> bool:
        """All of it was verified."""
        return (self.steps, self.samples) == (self.of_steps, self.of_samples)

    def as_dict(self) -> dict[str, int]:
        """Return the JSON form."""
        return {
            "steps": self.steps,
            "of_steps": self.of_steps,
            "samples": self.samples,
            "of_samples": self.of_samples,
        }

    def __str__(self) -> str:
        if self.whole:
            return f"{many(self.samples, 'sample')} of {many(self.steps, 'time step')}"
        return (
            f"the first {self.samples} of {many(self.of_samples, 'sample')}, "
            f"the first {self.steps} of {many(self.of_steps, 'time step')}"
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Verification:
    """All rings of one run, and what the network's answers were worth."""

    rings: tuple[Ring, ...]
    accuracy: float | None = None
    """Share of right predictions of what is verified, 0..1: a mapping, or an imported network."""
    source_accuracy: float | None = None
    """The same of the network before it was mapped."""
    accuracy_of: int | None = None
    """Samples that these are of; None where there were no labels, or nobody said."""
    spike_agreement: float | None = None
    """Share of all neurons and time steps at which the source network spikes alike, 0..1."""
    layer_agreement: Mapping[str, float] = field(default_factory=dict)
    """The same by spike value."""
    inexact: tuple[InexactPass, ...] = ()
    """By inexact pass: what it changed."""
    firing: Firing | None = None
    """How often layers of what is verified fired; None in a record that does not have it."""
    source_firing: Firing | None = None
    """The same of the network before it was mapped."""
    warnings: tuple[str, ...] = ()
    """Layers that never or always fire, what was assumed in reading a model, and what could not be
    stored with a build."""
    extent: Extent | None = None
    """How much of the recording was used; None where nobody said."""
    partial: bool = False
    """It was stopped: the rings that had not ended are skipped."""
    taken: Taken | None = None
    """What the arrays of the recording were taken for; None where nobody said."""
    die: str = ""
    """Which die was verified, of what; empty of the ideal chip."""

    @property
    def coverage(self) -> str:
        """Which rings ran, where some were left out or never ended: ``rings 1-4 of 8``."""
        left = [ring for ring in self.rings if ring.reason in (NOT_CHOSEN, STOPPED)]
        if not left:
            return ""
        ran = [int(ring.name[0]) for ring in self.rings if ring not in left]
        return f"{_numbers(ran)} of {len(self.rings)}"

    @property
    def score(self) -> Score | None:
        """Right answers of what is verified, with their 95 % interval; None without labels."""
        return _score(self.accuracy, self.accuracy_of)

    @property
    def source_score(self) -> Score | None:
        """The same of the network before it was mapped."""
        return _score(self.source_accuracy, self.accuracy_of)

    @property
    def compared(self) -> bool:
        """Whether anything but the definition itself computed the network and was compared."""
        others = (ring for ring in self.rings if ring.name not in (RULES, PASSES))
        return any(ring.status in ("equal", "mismatch") for ring in others)

    @property
    def disagrees(self) -> bool:
        """A ring that ran found a mismatch."""
        return any(ring.status == "mismatch" for ring in self.rings)

    @property
    def bit_exact(self) -> bool:
        """Something was compared, and no ring that ran found a mismatch."""
        return self.compared and not self.disagrees

    @property
    def failed(self) -> bool:
        """A ring disagrees, or nothing was compared although it was asked for."""
        return self.disagrees or not (self.compared or self.coverage)

    @property
    def verdict(self) -> str:
        """In words: ``bit-exact``, ``NOT bit-exact`` or ``nothing was compared``."""
        if self.disagrees:
            return "NOT bit-exact"
        return "bit-exact" if self.compared else NOTHING_COMPARED

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
            "verdict": self.verdict,
            **({"die": self.die} if self.die else {}),
            "rings": [ring.as_dict() for ring in self.rings],
        }
        shares = {"accuracy": self.accuracy, "source_accuracy": self.source_accuracy}
        for name, share in shares.items():
            if share is not None:
                counted = _score(share, self.accuracy_of)
                answer |= {name: share} if counted is None else counted.as_dict(name)
        if self.spike_agreement is not None:
            answer["spike_agreement"] = self.spike_agreement
            answer["spike_agreement_by_layer"] = dict(self.layer_agreement)
        if self.inexact:
            answer["inexact_passes"] = [item.as_dict() for item in self.inexact]
        if self.extent is not None or self.taken is not None:
            answer["recording"] = self._recording()
        if self.partial:
            answer["partial"] = True
        for name, firing in (("firing", self.firing), ("source_firing", self.source_firing)):
            if firing is not None:
                answer[name] = firing.as_dict()
        if self.warnings:
            answer["warnings"] = list(self.warnings)
        return answer

    def _recording(self) -> dict[str, Any]:
        """Return what was verified on: samples and steps that were used, of how many."""
        taken = {} if self.taken is None else self.taken.as_dict()
        return {**taken, **({} if self.extent is None else self.extent.as_dict())}

    def __repr__(self) -> str:
        rings = ", ".join(f"{ring.name} {ring.verdict}" for ring in self.rings)
        return f"Verification({self.verdict}: {rings})"

    def _repr_html_(self) -> str:
        worth = {
            "accuracy": self.score or _percent(self.accuracy),
            "accuracy of the trained network": self.source_score or _percent(self.source_accuracy),
            "spikes equal to those of the trained network": _percent(self.spike_agreement),
        }
        shares = (f"{name}: {told}" for name, told in worth.items() if told is not None)
        return html_table(
            self.verdict,
            ("ring", "verdict", "what was compared"),
            ((ring.name, ring.verdict, _compared(ring)) for ring in self.rings),
            (*shares, *self.warnings),
        )


def _compared(ring: Ring) -> str:
    return str(ring).removeprefix(f"{ring.name}: {ring.verdict}").strip(" ;")


def _numbers(rings: Sequence[int]) -> str:
    """Write the numbers of rings in order: ``rings 1-4, 6``."""
    runs: list[list[int]] = []
    for ring in rings:
        if runs and ring == runs[-1][-1] + 1:
            runs[-1].append(ring)
        else:
            runs.append([ring])
    parts = (str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
    return f"ring{'' if len(rings) == 1 else 's'} {', '.join(parts) or 'none'}"


def _score(share: float | None, of: int | None) -> Score | None:
    return None if share is None or of is None else Score(round(share * of), of)


def _percent(share: float | None) -> str | None:
    return None if share is None else f"{share:.2%}"
