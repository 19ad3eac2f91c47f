"""Wires of dies against exact solves of all nodes: ``python benchmarks/wires.py [--json]``.

Crossbars of cells that are on or off at random, on/off 20, lose current in the resistance of their
wires. Dies have it as net cells and a constant, linear in what is driven; ``benchmarks/nodal.py``
solves every node for each input, and CrossSim's circuit solver does the same where it is there.
A decision is whether a column reaches the median of its exact currents.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a script

from benchmarks import crosssim_core, nodal
from mapper.ir.core import SPIKE, Array, Const, IntType, Span, Value
from mapper.ir.crossbar import CrossbarMvm, Placement
from mapper.ir.encoding import Encoding
from mapper.ir.readout import SenseAmpRead
from passes.dies.net import Drawing, NetCells
from passes.dies.sites import sites_of
from passes.dies.wires import behind_wires
from targets import load_target
from targets.devices import Imperfections, WireCounts, load_device
from targets.devices.circuit import WireSupply

ON_OFF = 20.0
OFF = 1 / (ON_OFF - 1)
"""What a cell that is off conducts, in counts."""
PEER_SAMPLES = 40


@dataclass(frozen=True)
class Case:
    """A square crossbar whose rows are driven at random."""

    size: int
    supply: WireSupply
    share: float
    """Resistance from one cell to the next over that of a cell that is on."""
    rho: float
    """Share of rows that are driven."""
    samples: int = 120
    bursty: bool = False
    """Whether ``rho`` itself is drawn for each input, gamma-distributed."""


CASES = (
    Case(64, "rows", 2e-5, 0.1),
    Case(64, "rows", 1e-4, 0.5),
    Case(64, "rows", 4e-4, 0.1),
    Case(64, "rows", 1e-3, 0.5),
    Case(64, "rows", 4e-4, 0.5, bursty=True),
    Case(64, "gates", 2e-5, 0.3),
    Case(64, "gates", 1e-4, 0.3),
    Case(64, "gates", 4e-4, 0.5),
    Case(64, "gates", 1e-3, 0.3),
    Case(128, "gates", 1e-4, 0.1, samples=60),
    Case(128, "rows", 1e-4, 0.5, samples=60),
    Case(128, "rows", 4e-4, 0.5, samples=60),
)


@dataclass(frozen=True)
class Found:
    """How far models of a crossbar are from the exact solve."""

    loss: float
    """Share of the current that is lost."""
    ignored: float
    """Root mean square error in counts of sums without wires; ``dies`` of those of dies."""
    dies: float
    ignored_decisions: float
    """Share of decisions that differ; ``dies_decisions`` alike."""
    dies_decisions: float
    crosssim: float | None = None
    """Root mean square error of CrossSim's solver."""


def solve(case: Case, peer: bool = False) -> Found:
    """Compare one crossbar; ``peer`` True also with CrossSim, whose inputs are on gates here."""
    rng = np.random.default_rng(0)
    digits = (rng.random((case.size, case.size)) < 0.5).astype(np.int64)
    cells, r = digits + OFF, case.share / (1 + OFF)
    x = _inputs(case, rng)
    exact = nodal.currents(cells, x, r, case.supply)
    wired = behind_wires(cells, np.full(case.size, case.rho), r, case.supply)
    found = _apart(exact, x @ cells, x @ wired.cells + wired.constant)
    if not peer or case.supply != "gates":
        return found
    core = crosssim_core.behind_wires(digits, 100.0, ON_OFF, case.share)
    few = x[:PEER_SAMPLES]
    driven = few.sum(axis=1, keepdims=True)
    theirs = ((core @ few.T).T + driven) / 2 + driven * OFF
    return replace(found, crosssim=_rms(theirs - exact[:PEER_SAMPLES]))


def _inputs(case: Case, rng: np.random.Generator) -> Array:
    shape = (case.samples, case.size)
    rho: Array | float = case.rho
    if case.bursty:
        rho = rng.gamma(2, case.rho / 2, (case.samples, 1)).clip(0, 1)
    return (rng.random(shape) < rho).astype(np.float64)


def _apart(exact: Array, ignored: Array, dies: Array) -> Found:
    level = np.median(exact, axis=0)
    return Found(
        loss=float(1 - exact.sum() / ignored.sum()),
        ignored=_rms(ignored - exact),
        dies=_rms(dies - exact),
        ignored_decisions=float(((ignored >= level) != (exact >= level)).mean()),
        dies_decisions=float(((dies >= level) != (exact >= level)).mean()),
    )


def _rms(errors: Array) -> float:
    return float(np.sqrt(np.square(errors).mean()))


# --- layers: replica columns, and row blocks that take turns --------------------------------------

SIZE, SHARE, RHO, LAYER_SAMPLES = 64, 4e-4, 0.3, 120


def replicas() -> tuple[Found, float]:
    """Compare columns less half of two replica columns behind the same wordlines.

    Returns:
        How far dies are from that, and how far they would be if only replicas had no wires.
    """
    weight = np.random.default_rng(1).choice([-1, 1], (SIZE, SIZE - 2))
    op, facts = _layer(weight, turns=1), _facts()
    net = _net(op, facts, weight, replica=True)
    x = _driven(Span(0, SIZE))
    cells = np.column_stack([(weight > 0) + OFF, np.full(SIZE, 1 + OFF), np.full(SIZE, OFF)])
    exact = nodal.currents(cells, x, _segment(facts), "rows")
    halves = exact[:, -2:].sum(axis=1, keepdims=True) / 2
    ignored = x @ cells[:, :-2] - x.sum(axis=1, keepdims=True) * (0.5 + OFF)
    dies = x @ net.cells[0, 0] + net.constant[0, 0, 0]
    ideal = exact[:, :-2] - x.sum(axis=1, keepdims=True) * (0.5 + OFF)
    return _apart_from(exact[:, :-2] - halves, ignored, dies), _rms(ideal - exact[:, :-2] + halves)


def turns() -> Found:
    """Compare two row blocks of one crossbar, each read while the other is silent."""
    weight = np.random.default_rng(1).choice([-1, 1], (SIZE, SIZE))
    op, facts = _layer(weight, turns=2), _facts()
    net = _net(op, facts, weight, replica=False)
    cells = (weight > 0) + OFF
    exact, ignored, dies = [], [], []
    for g, rows in enumerate(op.rows):
        x = _driven(rows)
        exact.append(nodal.currents(cells, x, _segment(facts), "rows"))
        ignored.append(x @ cells)
        leak = x.sum(axis=1, keepdims=True) * OFF  # dies take it off
        dies.append(x @ net.cells[0, 0] + leak + net.constant[0, g, 0])
    return _apart(*(np.concatenate(sums) for sums in (exact, ignored, dies)))


def _apart_from(exact: Array, ignored: Array, dies: Array) -> Found:
    """Compare sums round 0, whose loss is no share of anything."""
    return replace(_apart(exact, ignored, dies), loss=float("nan"))


def _facts() -> Imperfections:
    device = load_device("ideal").with_set({"cell.on_off": ON_OFF})
    facts = device.on(load_target("adcless-64").macros[0])
    readout = replace(facts.readout, replica="cells")
    return replace(facts, readout=readout, wire=WireCounts(share=SHARE, supply="rows"))


def _segment(facts: Imperfections) -> float:
    assert facts.wire is not None
    return facts.wire.share / (1 + OFF)


def _layer(weight: Array, turns: int) -> CrossbarMvm:
    rows, outputs = weight.shape
    blocks = tuple(Span(0, rows).split(rows // turns))
    return CrossbarMvm(
        x=Value("x", SPIKE, (rows,)),
        weight=Const("weight"),
        rows=blocks,
        turns=turns,
        columns=(Span(0, outputs),),
        encoding=Encoding(kind="binary", weight_bits=1, cell_bits=1),
        placement=Placement(macro="m", slots=Span(0, 1)),
        partial_sum=Value("sum", IntType(16, signed=True), (1, turns, 1, outputs)),
    )


def _net(op: CrossbarMvm, facts: Imperfections, weight: Array, replica: bool) -> NetCells:
    active = Value("active", IntType(8, signed=False), (1, len(op.rows), 1))
    read = SenseAmpRead(
        partial_sum=op.partial_sum,
        active=active if replica else None,
        thresholds=Const("threshold"),
        levels=(-1, 1),
        result=replace(op.partial_sum, name="code"),
    )
    activity = np.full((1, weight.shape[0]), RHO)
    return Drawing(
        op=op, read=read, facts=facts, sites=sites_of(op), seed=0, activity=activity
    ).net(weight)


def _driven(rows: Span) -> Array:
    x = np.zeros((LAYER_SAMPLES, SIZE))
    x[:, rows.slice] = np.random.default_rng(2).random((LAYER_SAMPLES, len(rows))) < RHO
    return x


# --- tables ----------------------------------------------------------------------------------


def case_row(case: Case, found: Found) -> str:
    """Return a line of the table of crossbars in Markdown."""
    words = f"{case.size}, {case.supply}" + (", bursty" if case.bursty else "")
    peer = "-" if found.crosssim is None else f"{found.crosssim:.0e}"
    return (
        f"| {words} | {case.share:g} | {case.rho:g} | {100 * found.loss:.1f} % "
        f"| {found.ignored:.3f} | {found.dies:.3f} | {peer} "
        f"| {100 * found.ignored_decisions:.1f} % | {100 * found.dies_decisions:.1f} % |"
    )


def table(rows: list[tuple[Case, Found]]) -> Iterator[str]:
    """Yield the table of crossbars, as ``docs/validation.md`` has it."""
    heads = "size, supply", "`r / R_on`", "`rho`", "loss", "ignored", "**dies**", "CrossSim"
    yield f"| {' | '.join(heads)} | decisions: ignored | **dies** |"
    yield "|---" * 9 + "|"
    for case, found in rows:
        yield case_row(case, found)


def layer_lines() -> Iterator[str]:
    """Yield what replica columns and turns come to, a line each."""
    halves, ideal = replicas()
    yield (
        f"less half of two replica columns: ignored {halves.ignored:.3f}, "
        f"dies {halves.dies:.3f} counts, with wires but for replicas {ideal:.3f}"
    )
    taken = turns()
    yield f"row blocks that take turns: ignored {taken.ignored:.3f}, dies {taken.dies:.3f} counts"


def main(arguments: list[str] | None = None) -> int:
    """Print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print data for machines")
    options = parser.parse_args(arguments)
    peer = crosssim_core.is_there()
    rows = [(case, solve(case, peer)) for case in CASES]
    if options.json:
        print(json.dumps(_data(rows, peer), indent=1))
        return 0
    print(*table(rows), *layer_lines(), sep="\n")
    if not peer:
        print(crosssim_core.MISSING)
    return 0


def _data(rows: list[tuple[Case, Found]], peer: bool) -> dict[str, object]:
    halves, ideal = replicas()
    layers = {
        "replicas": {"ignored": halves.ignored, "dies": halves.dies, "ideal_replicas": ideal},
        "turns": {"ignored": (taken := turns()).ignored, "dies": taken.dies},
    }
    return {
        "schema": "spikeloom/wires/1",
        "on_off": ON_OFF,
        "crosssim": peer,
        "crossbars": [{**asdict(case), **asdict(found)} for case, found in rows],
        "layers": layers,
    }


if __name__ == "__main__":
    sys.exit(main())
