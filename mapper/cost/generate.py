"""Write a stand-alone ``cost.py`` for a build folder.

The file needs the standard library alone. It carries the text of the modules of ``EMBEDDED``, so
its numbers are those of ``mapper.cost`` to the last bit.
"""

from dataclasses import fields, is_dataclass
from importlib.resources import files

import mapper
from mapper.cost.estimate import DENSITY, checked_steps
from mapper.cost.facts import chip_of, corners_of, origins_of
from mapper.cost.layer_counts import Counts
from mapper.cost.measure import most_spikes, wirings_of
from mapper.cost.priced import unpriced
from mapper.rendering import body, standard_imports, templates
from targets import list_presets, load_preset

EMBEDDED = (
    "arith.py",
    "sums.py",
    "model.py",
    "actions.py",
    "adders.py",
    "macro.py",
    "units.py",
    "energy.py",
    "writing.py",
    "timing.py",
    "area.py",
    "realtime.py",
    "tested.py",
    "result.py",
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
    every = {name: load_preset(name) for name in list_presets()}
    skipped = {name: unpriced(target, preset) for name, preset in every.items()}
    presets = {name: preset for name, preset in every.items() if not skipped[name]}
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
                "SKIPPED": literal({name: reason for name, reason in skipped.items() if reason}),
                "RANDOM": literal(
                    [name for name, preset in presets.items() if preset.activity == "random"]
                ),
                "ORIGINS": literal(
                    {name: origins_of(target, preset) for name, preset in presets.items()}
                ),
                "LAYERS": literal(layers),
                "WIRINGS": literal(wirings_of(counts.graph, counts.levels)),
                "MOST_SPIKES": literal(most_spikes(counts.graph)),
            },
        )
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
