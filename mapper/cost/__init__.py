"""What a mapped network costs: exact action counts times published component facts."""

from mapper.cost.actions import Activity
from mapper.cost.estimate import DENSITY, assumed, estimate, price
from mapper.cost.generate import generate_cost
from mapper.cost.layer_counts import Counts, count_actions, count_layers
from mapper.cost.measure import measure
from mapper.cost.model import Events, Layer
from mapper.cost.priced import priced_design, priced_readouts
from mapper.cost.result import Cost, LayerCost, Range, filling, macro_lines, skipped_reads
from mapper.cost.sensitivity import sensitivity, swings_of, tornado_lines
from mapper.cost.waterfall import (
    costs_along,
    priceable,
    ratio_waterfall,
    skipped,
    steps_between,
    waterfall,
)

__all__ = [
    "DENSITY",
    "Activity",
    "Cost",
    "Counts",
    "Events",
    "Layer",
    "LayerCost",
    "Range",
    "assumed",
    "costs_along",
    "count_actions",
    "count_layers",
    "estimate",
    "filling",
    "generate_cost",
    "macro_lines",
    "measure",
    "price",
    "priceable",
    "priced_design",
    "priced_readouts",
    "ratio_waterfall",
    "sensitivity",
    "skipped",
    "skipped_reads",
    "steps_between",
    "swings_of",
    "tornado_lines",
    "waterfall",
]
