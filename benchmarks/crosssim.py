"""Columns of dies against CrossSim's: ``python benchmarks/crosssim.py [--json] [--draws 200]``.

A matrix of -1, 0 and 1 on pairs of cells is programmed again and again, by both with the error of
the same device: dies of a layer of one crossbar that ``draw-die`` makes and the product evaluates,
and analog cores of CrossSim. What columns add for each input has a mean and a spread, and all come
with standard errors. Nothing is compared where CrossSim is missing.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import NormalDist

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a script

from benchmarks import crosssim_core
from mapper.dies.draw import Lot
from mapper.ir.core import SPIKE, Array, Const, Graph, IntType, Span, Value
from mapper.ir.crossbar import CrossbarMvm, Placement
from mapper.ir.evaluate import evaluate
from mapper.ir.readout import SenseAmpRead
from targets import load_target
from targets.devices import Device, load_device
from targets.devices.cell import Cell, Spread
from targets.devices.fact import Fact

TARGET = "adcless-diff-64"
ROWS, COLUMNS, INPUTS, DENSITY, DRAWS = 64, 32, 100, 0.3, 200


@dataclass(frozen=True, kw_only=True)
class Model:
    """One device, as both sides are told of it."""

    name: str
    device: Device
    theirs: str
    """CrossSim's name of the programming error, and its size where it has one."""
    magnitude: float = 0.0
    on_us: float = 100.0
    on_off: float = 0.0
    """0: cells that are off conduct nothing."""
    note: str = ""


@dataclass(frozen=True)
class Moments:
    """What columns add other than they should, in counts, each with its standard error."""

    mean: float
    mean_error: float
    sigma: float
    sigma_error: float
    kurtosis: float


@dataclass(frozen=True)
class Compared:
    """One device: dies, CrossSim, and what the device's formula gives without any draw."""

    name: str
    note: str
    dies: Moments
    crosssim: Moments | None
    formula_mean: float
    formula_sigma: float
    ratio: float | None
    """Sigma of dies over that of CrossSim."""
    ratio_error: float | None
    worst_mean: float | None
    """Largest difference of the means of a column, in standard errors; ``worst_sigma`` alike."""
    worst_sigma: float | None


def models() -> Iterator[Model]:
    """Yield the devices, simple ones first."""
    yield Model(
        name="proportional 10 %, on/off 10",
        device=_spread(Spread(share=0.1, source="this benchmark"), 10),
        theirs="NormalProportionalDevice",
        magnitude=0.1,
        on_off=10,
    )
    yield Model(
        name="fixed 5 % of the range, off 0",
        device=_spread(Spread(range_share=0.05, source="this benchmark"), None),
        theirs="NormalIndependentDevice",
        magnitude=0.05,
    )
    wan = load_device("rram-wan").with_set({"wire.ohm_per_cell": 0})
    yield Model(name="rram-wan", device=wan, theirs="RRAMWan", on_us=39)
    yield Model(
        name="rram-wan, on/off 5",
        device=wan.with_set({"cell.on_off": 5}),
        theirs="RRAMWan",
        on_us=39,
        on_off=5,
    )
    pcm = load_device("pcm")
    yield Model(
        name="pcm",
        device=replace(pcm, cell=replace(pcm.cell, read_noise=None)),
        theirs="PCMJoshi",
        on_us=25,
        on_off=100,
        note="two fits to measured cells: ours is aihwkit's",
    )


def _spread(spread: Spread, on_off: float | None) -> Device:
    ratio = None if on_off is None else Fact(value=on_off, source="this benchmark")
    return replace(load_device("ideal"), cell=Cell(on_off=ratio, spread=(spread,)))


# --- the layer ---------------------------------------------------------------------------------


def matrix() -> tuple[Array, Array]:
    """Return weights ``[K, N]`` of -1, 0 and 1, and inputs ``[B, K]`` of 0 and 1."""
    rng = np.random.default_rng(1)
    weight = rng.integers(-1, 2, (ROWS, COLUMNS))
    return weight, (rng.random((INPUTS, ROWS)) < DENSITY).astype(np.int64)


def layer(weight: Array) -> Graph:
    """Return a graph of one crossbar: a pair of bitlines and a sense amplifier an output."""
    macro = load_target(TARGET).macros[0]
    wordlines, outputs = weight.shape
    sums = Value("sum", IntType(16, signed=True), (1, 1, 1, outputs))
    mvm = CrossbarMvm(
        x=Value("x", SPIKE, (wordlines,)),
        weight=Const("weight"),
        rows=(Span(0, wordlines),),
        columns=(Span(0, outputs),),
        encoding=macro.written(2),
        placement=Placement(macro=macro.name, slots=Span(0, 1)),
        partial_sum=sums,
    )
    read = SenseAmpRead(
        partial_sum=sums,
        thresholds=Const("threshold"),
        levels=(-1, 1),
        result=Value("code", IntType(2, signed=True), sums.shape),
    )
    return Graph(
        name="one-crossbar",
        inputs=(mvm.x,),
        outputs=(read.result,),
        states=(),
        constants={"weight": weight, "threshold": np.zeros((1, 1, 1, 1), np.int64)},
        ops=(mvm, read),
    )


def die_errors(model: Model, draws: int) -> Array:
    """Return what columns of dies add more than those of the ideal chip, ``[draws, B, N]``."""
    weight, x = matrix()
    graph, chip, lot = layer(weight), load_target(TARGET), Lot(device=model.device)
    found = []
    for seed in range(draws):
        die = lot.die(graph, chip, seed)
        sums = evaluate(die, {"x": x[None]}, watch=("sum",))["sum"].reshape(len(x), -1)
        (mvm,) = (op for op in die.ops if isinstance(op, CrossbarMvm))
        found.append(sums / (1 << mvm.fraction) - x @ weight)
    return np.array(found)


def crosssim_errors(model: Model, draws: int) -> Array:
    """Return the same of CrossSim, whose draws follow NumPy's global seed."""
    weight, x = matrix()
    found = []
    for seed in range(draws):
        np.random.seed(seed)  # noqa: NPY002
        core = crosssim_core.pairs(weight, model.theirs, model.magnitude, model.on_us, model.on_off)
        found.append((core @ x.T.astype(np.float64)).T - x @ weight)
    return np.array(found)


def formula(model: Model) -> tuple[float, float]:
    """Return mean and sigma of the same errors from the device's facts, without a draw.

    A cell is normal, and what would be below 0 is 0.
    """
    weight, x = matrix()
    cell = model.device.on(load_target(TARGET).macros[0]).cell
    assert cell.sigma is not None
    of_level = [_cut(g, s) for g, s in zip(cell.level, cell.sigma, strict=True)]
    mean, variance = (np.array([pair[i] for pair in of_level]) for i in (0, 1))
    plus, minus = np.maximum(weight, 0), np.maximum(-weight, 0)
    means = x @ (mean[plus] - mean[minus] - weight)
    return float(means.mean()), float(np.sqrt((x @ (variance[plus] + variance[minus])).mean()))


def _cut(mean: float, sigma: float) -> tuple[float, float]:
    """Return mean and variance of ``max(0, normal)``."""
    if sigma == 0:
        return mean, 0.0
    unit, a = NormalDist(), mean / sigma
    first = mean * unit.cdf(a) + sigma * unit.pdf(a)
    second = (mean**2 + sigma**2) * unit.cdf(a) + mean * sigma * unit.pdf(a)
    return first, second - first**2


# --- what is compared ----------------------------------------------------------------------------


def moments(errors: Array) -> Moments:
    """Return mean and sigma over draws, inputs and columns, with errors from draw to draw."""
    draws = len(errors)
    means, centred = errors.mean(axis=(1, 2)), errors - errors.mean(axis=0)
    squares = np.square(centred).mean(axis=(1, 2)) * draws / (draws - 1)
    sigma = float(np.sqrt(squares.mean()))
    return Moments(
        mean=float(means.mean()),
        mean_error=float(means.std(ddof=1) / np.sqrt(draws)),
        sigma=sigma,
        sigma_error=float(squares.std(ddof=1) / np.sqrt(draws) / (2 * sigma)),
        kurtosis=float((centred**4).mean() / np.square(centred).mean() ** 2),
    )


def _of_columns(errors: Array) -> tuple[Array, Array, Array, Array]:
    """Return means and their errors, mean squares and theirs, of each column ``[N]``."""
    centred = errors - errors.mean(axis=0)
    out = []
    for per_draw in (errors.mean(axis=1), np.square(centred).mean(axis=1)):
        out += [per_draw.mean(axis=0), per_draw.std(axis=0, ddof=1) / np.sqrt(len(errors))]
    return out[0], out[1], out[2], out[3]


def compare(model: Model, draws: int, peer: bool) -> Compared:
    """Draw both sides; ``peer`` False leaves CrossSim out."""
    ours = die_errors(model, draws)
    mean, sigma = formula(model)
    found = Compared(
        name=model.name,
        note=model.note,
        dies=moments(ours),
        crosssim=None,
        formula_mean=mean,
        formula_sigma=sigma,
        ratio=None,
        ratio_error=None,
        worst_mean=None,
        worst_sigma=None,
    )
    return _beside(found, ours, crosssim_errors(model, draws)) if peer else found


def _beside(found: Compared, ours: Array, theirs: Array) -> Compared:
    a, b = found.dies, moments(theirs)
    ratio = a.sigma / b.sigma
    mean, mean_error, square, square_error = (
        np.array(pair) for pair in zip(_of_columns(ours), _of_columns(theirs), strict=True)
    )
    apart = [
        float((np.abs(value[0] - value[1]) / np.hypot(error[0], error[1])).max())
        for value, error in ((mean, mean_error), (square, square_error))
    ]
    return replace(
        found,
        crosssim=b,
        ratio=ratio,
        ratio_error=ratio * float(np.hypot(a.sigma_error / a.sigma, b.sigma_error / b.sigma)),
        worst_mean=apart[0],
        worst_sigma=apart[1],
    )


def table(rows: list[Compared]) -> Iterator[str]:
    """Yield the lines of a table in Markdown, as ``docs/validation.md`` has it."""
    sides = "dies | CrossSim | formula"
    ends = "dies / CrossSim | worst column: mean, sigma"
    yield f"| device | mean: {sides} | sigma: {sides} | {ends} |"
    yield "|---" * 9 + "|"
    for row in rows:
        theirs = row.crosssim
        assert theirs is not None
        yield (
            f"| {row.name} | {row.dies.mean:.4f} ± {row.dies.mean_error:.4f} "
            f"| {theirs.mean:.4f} ± {theirs.mean_error:.4f} "
            f"| {_without_sign_of_0(row.formula_mean):.4f} "
            f"| {row.dies.sigma:.4f} ± {row.dies.sigma_error:.4f} "
            f"| {theirs.sigma:.4f} ± {theirs.sigma_error:.4f} | {row.formula_sigma:.4f} "
            f"| {row.ratio:.3f} ± {row.ratio_error:.3f} "
            f"| {row.worst_mean:.1f}, {row.worst_sigma:.1f} |"
        )


def _without_sign_of_0(number: float) -> float:
    return round(number, 4) + 0.0


def main(arguments: list[str] | None = None) -> int:
    """Print the comparison, or why there is none."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print data for machines")
    parser.add_argument("--draws", type=int, default=DRAWS, help="of each device, 2 or more")
    options = parser.parse_args(arguments)
    if options.draws < 2:
        parser.error(f"--draws must be 2 or more, got {options.draws}")
    if not crosssim_core.is_there():
        print(crosssim_core.MISSING if not options.json else json.dumps(_missing(), indent=1))
        return 0
    rows = [compare(model, options.draws, peer=True) for model in models()]
    if options.json:
        print(json.dumps({**_head(options.draws), "devices": [asdict(r) for r in rows]}, indent=1))
        return 0
    print(*table(rows), sep="\n")
    return 0


def _head(draws: int) -> dict[str, object]:
    sizes = {"rows": ROWS, "columns": COLUMNS, "inputs": INPUTS, "density": DENSITY}
    return {"schema": "spikeloom/crosssim/1", **sizes, "draws": draws}


def _missing() -> dict[str, object]:
    return {"schema": "spikeloom/crosssim/1", "skipped": crosssim_core.MISSING}


if __name__ == "__main__":
    sys.exit(main())
