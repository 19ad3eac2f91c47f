"""Write a stand-alone ``cost.py`` for a build folder.

The file needs the standard library alone. It carries the text of the modules of ``EMBEDDED``, so
its numbers are those of ``mapper.cost`` to the last bit.
"""

from dataclasses import fields, is_dataclass
from importlib.resources import files

import mapper
from mapper.cost.counts import Counts
from mapper.cost.estimate import DENSITY, checked_steps
from mapper.cost.events import blocks_by_group
from mapper.cost.facts import chip_of, corners_of, origins_of
from mapper.cost.trace import Wiring
from mapper.ir.core import Array
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.units import LayerOp
from mapper.rendering import body, standard_imports, templates
from targets import list_presets, load_preset

EMBEDDED = (
    "arith.py",
    "model.py",
    "energy.py",
    "timing.py",
    "area.py",
    "summary.py",
    "scaling.py",
    "points.py",
    "trace.py",
)
"""Modules in an order in which each needs those before it only."""


def generate_cost(counts: Counts, steps: int = 1) -> str:
    """Return the text of ``cost.py``: the same inputs give the same bytes.

    Args:
        counts: The mapping, its actions counted.
        steps: Time steps of an inference, unless the user of the file says otherwise.
    """
    sources = [files("mapper.cost").joinpath(name).read_text("utf-8") for name in EMBEDDED]
    layers, target = counts.layers, counts.target
    presets = {name: load_preset(name) for name in list_presets()}
    assumed = {
        name: (chip_of(target, preset, layers), *corners_of(target, preset))
        for name, preset in presets.items()
    }
    return (
        templates("mapper.cost")
        .get_template("cost.py.j2")
        .render(
            version=mapper.__version__,
            imports=standard_imports(sources),
            bodies=[body(source) for source in sources],
            literals={
                "NETWORK": literal(counts.graph.name),
                "TARGET": literal(target.name),
                "STEPS": literal(checked_steps(steps)),
                "DENSITY": literal(DENSITY),
                "ASSUMED": literal(assumed),
                "RANDOM": literal(
                    [name for name, preset in presets.items() if preset.activity == "random"]
                ),
                "ORIGINS": literal(
                    {name: origins_of(target, preset) for name, preset in presets.items()}
                ),
                "LAYERS": literal(layers),
                "WIRINGS": literal(wirings_of(counts)),
            },
        )
    )


def wirings_of(counts: Counts) -> tuple[Wiring, ...]:
    """Return what turns a trace into events, a layer each."""
    starts = [op for op in counts.graph.ops if isinstance(op, LayerOp)]
    pairs = zip(starts, counts.levels, strict=True)
    return tuple(_wiring(op, levels) for op, levels in pairs) or (NOT_ON_CROSSBARS,)


NOT_ON_CROSSBARS = Wiring(
    name="",
    groups=0,
    row_blocks=0,
    blocks=[],
    outputs_per_group=0,
    cells_per_weight=0,
    slices=0,
    levels=[],
)


def _wiring(op: LayerOp, levels: Array | None) -> Wiring:
    if levels is None or not isinstance(op, CrossbarMvm):
        return NOT_ON_CROSSBARS
    assert op.encoding is not None, "crossbars are counted after slice-weights"
    return Wiring(
        name=op.partial_sum.name,
        groups=op.groups,
        row_blocks=len(op.rows),
        blocks=blocks_by_group(op).tolist(),
        outputs_per_group=op.outputs // op.groups,
        cells_per_weight=op.encoding.bitlines_per_weight,
        slices=len(op.encoding.significances),
        levels=levels.tolist(),
    )


def literal(value: object, indent: str = "") -> str:
    """Write a value as Python text, a field a line; texts are escaped and ASCII alone.

    >>> print(literal((1, "a")))
    (
        1,
        'a',
    )
    """
    deeper = f"{indent}    "
    if is_dataclass(value) and not isinstance(value, type):
        entries = [(f"{f.name}=", getattr(value, f.name)) for f in fields(value)]
        opening, closing = f"{type(value).__name__}(", ")"
    elif isinstance(value, dict):
        entries = [(f"{key!a}: ", item) for key, item in value.items()]
        opening, closing = "{", "}"
    elif type(value) is tuple:  # a named tuple fits on one line
        entries = [("", item) for item in value]
        opening, closing = "(", ")"
    else:
        return ascii(value)
    lines = [f"{deeper}{name}{literal(item, deeper)}," for name, item in entries]
    return "\n".join([opening, *lines, f"{indent}{closing}"])
