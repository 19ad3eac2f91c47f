"""What a NIR file leaves open: the time step, the reset, and how libraries step its equations.

NIR nodes are differential equations. A file says neither the time step nor whether a spike
subtracts the threshold. What counts, in this order: an option; metadata in the file; what its
numbers give away; what the library does that is named by an option or in the metadata; and last
an assumption, which is said as a warning. ``docs/nir.md`` has the sources.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from mapper.diagnostics import refuse
from mapper.frontend.nir.file import Held, Net, Node

ResetRule = Literal["value", "zero", "subtract"]
Integration = Literal["euler", "exponential"]

DEFAULT_DT = 1e-4
"""Seconds: what snnTorch and SpikingJelly write with, and the paper of NIR ran its models with."""

SAME = 1e-5
"""Relative: time steps from single-precision parameters agree to about 1e-7."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NirOptions:
    """What a user says about a NIR file. Every field is optional."""

    dt: float | None = None
    """Seconds (or whatever unit the file's time constants have) of one time step."""
    reset: str | None = None
    """``value``: to v_reset; ``zero``: to 0; ``subtract``: by v_threshold."""
    integration: str | None = None
    """``euler``: leak 1 - dt/tau; ``exponential``: exp(-dt/tau), exact for a constant input."""
    library: str | None = None
    """The library whose conventions hold: one of ``LIBRARIES``."""

    @property
    def given(self) -> bool:
        return self != NirOptions()

    def check(self) -> None:
        """Refuse ``nir-option`` for a value that cannot be."""
        if self.dt is not None and not _is_time(self.dt):
            raise _bad_option("--dt", f"{self.dt!r} is no time step", "a number above 0")
        for name, value, known in (
            ("--reset", self.reset, get_args(ResetRule)),
            ("--integration", self.integration, get_args(Integration)),
            ("--library", self.library, tuple(LIBRARIES)),
        ):
            if value is not None and value not in known:
                raise _bad_option(name, f"'{value}' is not known", f"one of {', '.join(known)}")


def _is_time(dt: object) -> bool:
    if isinstance(dt, bool) or not isinstance(dt, int | float | np.floating):
        return False
    return bool(0 < dt < math.inf)


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """How one library reads NIR."""

    title: str
    dt: float
    reset: ResetRule
    integration: Integration = "euler"
    strict: bool = True
    """Fires above the threshold; else at it too."""
    as_is: frozenset[str] = frozenset()
    """Node types whose input is added unscaled, whatever r and dt are."""
    floor: bool = False
    """Integrate-and-fire membranes stay at or above minus their threshold."""
    late: bool = False
    """Fires on the membrane of the step before."""


LIBRARIES: Mapping[str, Library] = {
    "norse": Library(title="Norse", dt=1e-3, reset="value", as_is=frozenset({"IF"})),
    "sinabs": Library(
        title="sinabs",
        dt=1.0,
        reset="subtract",
        integration="exponential",
        strict=False,
        as_is=frozenset({"IF"}),
        floor=True,
    ),
    "snntorch": Library(title="snnTorch", dt=1e-4, reset="zero", as_is=frozenset({"IF"})),
    "spikingjelly": Library(title="SpikingJelly", dt=1e-4, reset="value", strict=False),
    "spyx": Library(
        title="Spyx",
        dt=1.0,
        reset="subtract",
        as_is=frozenset({"IF", "LIF", "CubaLIF", "LI"}),
        late=True,
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How the nodes of one file become steps."""

    dt: float
    reset: ResetRule
    integration: Integration
    strict: bool
    as_is: frozenset[str]
    floor: bool
    late: bool
    forced_reset: bool
    """The user said how to reset; what nodes say about themselves does not count."""


def settle(
    options: NirOptions, net: Net, nodes: Mapping[str, Node]
) -> tuple[Rules, tuple[str, ...], tuple[str, ...]]:
    """Return the rules of a file, warnings of what was assumed, and notes of what was decided.

    Raises:
        MappingError: ``nir-option``; ``nir-time-step`` where the nodes of a file mean different
            time steps and nothing decides between them.
    """
    options.check()
    notes: list[str] = []
    warnings: list[str] = []
    named = options.library or _named_library(net.metadata)
    library = LIBRARIES.get(named or "")
    if library is not None and options.library is None:
        notes.append(f"its metadata names {library.title}: that library's conventions are taken")
    dt = _time_step(options, net, nodes, library, warnings, notes)
    reset = _word(options.reset) or said_in(net.metadata) or (library.reset if library else None)
    if reset is None and any(_resets_open(node) for node in nodes.values()):
        warnings.append(
            "the file does not say how neurons reset; to v_reset is assumed, as NIR defines (0 "
            "where a node has none); several libraries subtract the threshold: --reset subtract, "
            "or --library"
        )
    plain = library or Library(title="NIR", dt=DEFAULT_DT, reset="value")
    said = options.integration or text(net.metadata, "integration") or plain.integration
    integration: Integration = "exponential" if said == "exponential" else "euler"
    notes.append(f"time step {dt:g}, {integration} integration, reset {reset or plain.reset}")
    rules = Rules(
        dt=dt,
        reset=reset or plain.reset,
        integration=integration,
        strict=plain.strict,
        as_is=plain.as_is,
        floor=plain.floor,
        late=plain.late,
        forced_reset=options.reset is not None,
    )
    return rules, tuple(warnings), tuple(notes)


# --- the time step ---------------------------------------------------------------------------


def _time_step(
    options: NirOptions,
    net: Net,
    nodes: Mapping[str, Node],
    library: Library | None,
    warnings: list[str],
    notes: list[str],
) -> float:
    if options.dt is not None:
        if library is None:
            warnings.extend(_unscaled(options.dt, nodes))
        return options.dt
    said = number(net.metadata, "dt")
    if said is not None and said > 0:
        notes.append(f"its metadata says a time step of {said:g}")
        return said
    if library is not None:
        notes.append(f"time step {library.dt:g}, as {library.title} means")
        return library.dt
    found = _given_away(nodes)
    if found is not None:
        notes.append(f"its gains imply a time step of {found:g}: an input is added as it is")
        return found
    if not any(
        "tau" in n.fields or "tau_mem" in n.fields or n.kind in ("I", "Delay")
        for n in nodes.values()
    ):
        return 1.0  # nothing depends on it
    warnings.append(
        f"the file does not say its time step; {DEFAULT_DT:g} s is assumed, as snnTorch and "
        "SpikingJelly do (Norse means 0.001; Spyx and sinabs count in steps, 1); and Euler "
        "integration: --dt, --integration, or --library"
    )
    return DEFAULT_DT


def _given_away(nodes: Mapping[str, Node]) -> float | None:
    """Return the time step that makes every neuron add its input as it is, where there is one.

    Writers that train in steps choose ``r`` so that ``dt/tau * r`` is 1 (snnTorch, SpikingJelly)
    or ``dt * r`` for an integrate-and-fire neuron (those, and with r = 1 sinabs, Norse, Spyx).
    """
    fire = [dt for n in nodes.values() if n.kind == "IF" for dt in _witnesses(n)]
    leaky = [dt for n in nodes.values() if n.kind != "IF" for dt in _witnesses(n)]
    taus = {
        float(t)
        for n in nodes.values()
        for name in ("tau", "tau_mem", "tau_syn")
        if name in n.fields
        for t in n.array(name).reshape(-1)
    }
    common = _common(leaky)
    if leaky and common is not None and (len(taus) > 1 or _close(common, DEFAULT_DT)):
        both = _common([*fire, common])
        if both is not None:
            return both
    if not leaky:
        return _common(fire) if fire else None
    found = _common([*fire, DEFAULT_DT])
    if fire and found is None:
        name = next(name for name, n in nodes.items() if n.kind == "IF")
        raise refuse(
            "nir-time-step",
            f"{name[:60]!r} adds its input as it is with a time step of {fire[0]:g}; other nodes "
            "have time constants and mean another one",
            loc=nodes[name].loc,
            help="give --dt, or --library where one library wrote both",
        )
    return found if fire else None


def _witnesses(node: Node) -> Iterator[float]:
    """Yield the time steps at which a node adds its input as it is."""
    pairs = {
        "IF": ((None, "r"),),
        "LIF": (("tau", "r"),),
        "LI": (("tau", "r"),),
        "CubaLIF": (("tau_mem", "r"), ("tau_syn", "w_in")),
        "CubaLI": (("tau_mem", "r"), ("tau_syn", "w_in")),
    }
    for above, below in pairs.get(node.kind, ()):
        if below not in node.fields:
            yield float("nan")
            continue
        gain = node.array(below)
        tau = np.ones(()) if above is None else node.array(above)
        if (gain == 0).any() or (tau.size not in (1, gain.size) and gain.size != 1):
            yield float("nan")
            continue
        ratio = tau.reshape(-1) / gain.reshape(-1)
        yield from (float(low) for low in (ratio.min(initial=np.inf), ratio.max(initial=-np.inf)))


def _common(found: list[float]) -> float | None:
    """Return the value that all are, or None; a value next to 0.0001 is 0.0001."""
    if not found or not all(np.isfinite(dt) and dt > 0 for dt in found):
        return None
    if not _close(min(found), max(found)):
        return None
    return DEFAULT_DT if _close(found[0], DEFAULT_DT) else found[0]


def _close(a: float, b: float) -> bool:
    return abs(a - b) <= SAME * max(abs(a), abs(b))


def _unscaled(dt: float, nodes: Mapping[str, Node]) -> Iterator[str]:
    for name, node in nodes.items():
        if node.kind == "IF" and "r" in node.fields and (node.array("r") == 1).all() and dt != 1:
            yield (
                f"{name!r} adds dt*r = {dt:g} of its input in a step; the libraries that write "
                "r = 1 add all of it: leave --dt out, or give --library"
            )
            return


# --- metadata --------------------------------------------------------------------------------


def number(metadata: Mapping[str, Held], key: str) -> float | None:
    """Return a number from metadata, None for anything else."""
    held = metadata.get(key)
    if held is None or isinstance(held, str) or held.size != 1 or held.dtype.kind not in "fiu":
        return None
    value = float(held.reshape(-1)[0])
    return value if np.isfinite(value) else None


def text(metadata: Mapping[str, Held], key: str) -> str | None:
    """Return a text from metadata."""
    held = metadata.get(key)
    return held if isinstance(held, str) else None


def said_in(metadata: Mapping[str, Held]) -> ResetRule | None:
    """Return the reset that a node's or file's metadata states in one of our words."""
    for key in ("reset", "reset_mechanism", "reset_method"):
        if rule := _word(text(metadata, key)):
            return rule
    return None


def _word(said: str | None) -> ResetRule | None:
    rules: tuple[ResetRule, ...] = ("subtract", "zero", "value")
    return next((rule for rule in rules if rule in (said or "").lower()), None)


def _named_library(metadata: Mapping[str, Held]) -> str | None:
    """Return the library that a file's metadata names under any of the usual keys."""
    for key, held in sorted(metadata.items()):
        last = key.rpartition(".")[2].lower()
        if last not in _KEYS or not isinstance(held, str):
            continue
        plain = "".join(c for c in held.lower() if c.isalnum())
        if found := next((name for name in LIBRARIES if name in plain), None):
            return found
    return None


_KEYS = frozenset(
    {"library", "producer", "framework", "source", "generator", "writer", "simulator", "tool"}
)


def _resets_open(node: Node) -> bool:
    return node.kind in ("IF", "LIF", "CubaLIF") and said_in(node.metadata) is None


def _bad_option(name: str, message: str, known: str) -> Exception:
    return refuse("nir-option", message, loc=name, help=f"give {known}")
