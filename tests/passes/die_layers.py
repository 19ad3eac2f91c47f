"""Layers of two cells, and draws worked out by hand, for tests of dies."""

from dataclasses import replace
from statistics import NormalDist

from mapper.ir.core import Const, IntType, Span, Value
from mapper.ir.counter import hashed
from mapper.ir.crossbar import CrossbarMvm, Placement
from mapper.ir.encoding import Encoding
from mapper.ir.readout import SenseAmpRead
from passes.dies.net import Drawing
from passes.dies.sites import sites_of
from targets import load_target
from targets.devices import Imperfections
from tests.drawn_dies import device

SPIKES = IntType(1, signed=False)
SUM = IntType(16, signed=True)
REPLICA = (1 << 20) - 2
"""The bitlines of replica cells are the last two that a site can name."""


def layer(encoding: Encoding, rows: int = 2, outputs: int = 1, **fields: object) -> CrossbarMvm:
    given = {
        "x": Value("x", SPIKES, (rows,)),
        "weight": Const("w"),
        "rows": (Span(0, rows),),
        "columns": (Span(0, outputs),),
        "encoding": encoding,
        "placement": Placement(macro="m", slots=Span(5, 6)),
        "partial_sum": Value("p", SUM, (1, 1, len(encoding.significances), outputs)),
    }
    return CrossbarMvm(**(given | fields))


ONE_BIT = Encoding(kind="binary", weight_bits=1, cell_bits=1)
PAIR = Encoding(kind="differential", weight_bits=2, cell_bits=1)


def reading(op: CrossbarMvm, **fields: object) -> SenseAmpRead:
    codes = replace(op.partial_sum, name="codes")
    given = {"partial_sum": op.partial_sum, "thresholds": Const("t"), "levels": (-1, 1)}
    return SenseAmpRead(**(given | {"result": codes} | fields))


def facts(target: str = "adcless-64", age: float | None = None, **settings_: float):
    return device(**settings_).on(load_target(target).macros[0], age)


def drawing(op: CrossbarMvm, of: Imperfections, read=None, **fields: object) -> Drawing:
    return Drawing(op=op, read=read or reading(op), facts=of, sites=sites_of(op), seed=3, **fields)


def z(kind: int, slot: int, wordline: int, bitline: int, round: int = 0) -> float:
    """Draw by hand: kinds are stuck 0, programming 1, replica 2, offset 3, drift 4, gain 5."""
    key = hashed(hashed(hashed(0, 3), kind), round)
    word = int(hashed(key, slot << 40 | wordline << 20 | bitline))
    return NormalDist().inv_cdf(((word >> 48) + 0.5) / 65536)
