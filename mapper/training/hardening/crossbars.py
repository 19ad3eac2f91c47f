"""The ops of one trained layer: its crossbars with the references that training has set."""

from collections.abc import Iterator
from typing import Any

import torch

from mapper.ir.core import INT64, Array, Const, Op, Span, Value
from mapper.ir.crossbar import CrossbarMvm, Placement, partial_sum_range
from mapper.ir.infer import planes_of
from mapper.ir.planes import input_planes
from mapper.ir.readout import AdcRead, ExactKind, SenseAmpRead, ShiftAndAdd, exact_read
from mapper.ir.synapses import Conv2d, ConvTranspose2d, Linear, Synapse
from mapper.training.backends.readout import Comparators, Converter
from mapper.training.nets.geometry import Geometry
from mapper.training.nets.layers import Hardened
from passes.readout.calibrate import first_threshold
from passes.shared.grid import count_active, layer_spans


def synapse(
    geometry: Geometry, x: Value, weight: Const, bias: Const | None, result: Value, loc: str
) -> Synapse:
    """Return a layer whose sums are exact."""
    common: dict[str, Any] = {"x": x, "weight": weight, "bias": bias, "result": result, "loc": loc}
    if geometry.kind == "linear":
        return Linear(**common)
    common |= {
        "kernel": geometry.kernel,
        "stride": geometry.stride,
        "padding": geometry.sides,
        "dilation": geometry.dilation,
        "groups": geometry.groups,
    }
    if geometry.kind == "conv":
        return Conv2d(**common)
    return ConvTranspose2d(**common, output_padding=geometry.output_padding)


def digital_layer(
    module: Hardened, x: Value, sums: Value, constants: dict[str, Array], loc: str
) -> Synapse:
    """Return a layer that the digital unit computes: without crossbar and readout."""
    weight = Const(sums.name.removesuffix(".sums") + ".weight")
    constants[weight.name] = whole_numbers(module.laid_out_weights())
    return synapse(module.geometry, x, weight, None, sums, loc)


def read_layer(
    module: Hardened, x: Value, sums: Value, constants: dict[str, Array], loc: str
) -> Iterator[Op]:
    """Yield crossbars, readout and shift-and-add of a layer; ``sums`` is their result."""
    name = sums.name.removesuffix(".sums")
    constants[f"{name}.matrix"] = whole_numbers(module.whole_weights())
    mvm = crossbars_of(module, x, sums, Const(f"{name}.matrix"), loc)
    codes = Value(f"{name}.codes", INT64, mvm.partial_sum.shape)
    yield mvm
    reading = None if module.is_exact else module.reading()
    counter = count_active(mvm)
    corrects = not isinstance(reading, Comparators) and module.encoding.offset != 0
    if corrects or module.grid.half_active:
        yield counter
    if isinstance(reading, Comparators):
        constants[f"{name}.thresholds"] = whole_numbers(reading.thresholds.ceil())
        yield SenseAmpRead(
            partial_sum=mvm.partial_sum,
            active=counter.active if module.grid.half_active else None,
            thresholds=Const(f"{name}.thresholds"),
            levels=reading.levels,
            cell_bits=module.encoding.cell_bits,
            cell_levels=module.encoding.cell_levels,
            result=codes,
            loc=loc,
        )
    elif reading is None:
        yield _exact(module, mvm, codes, constants[f"{name}.matrix"])
    else:
        yield _conversion(module, reading, mvm, codes)
    block_scale = None if reading is None else module.whole_block_scale()
    scale: int | Const = 1
    if block_scale is not None:
        constants[f"{name}.block_scale"] = whole_numbers(block_scale)[:, None]
        scale = Const(f"{name}.block_scale")
    yield ShiftAndAdd(
        codes=codes,
        active=counter.active if corrects else None,
        offset=module.encoding.offset if corrects else 0,
        significances=module.encoding.significances,
        **planes_of(mvm),
        scale=scale,
        result=sums,
        loc=loc,
    )


def crossbars_of(module: Hardened, x: Value, sums: Value, weight: Const, loc: str) -> CrossbarMvm:
    wordlines, outputs = module.whole_weights().shape
    rows = tuple(Span(0, wordlines).split(module.macro.block_rows))
    width = module.macro.outputs_per_crossbar(module.encoding.weight_bits)
    plane_bits = module.macro.plane_bits(x)
    planes = input_planes(x, plane_bits)
    grid = (len(planes), len(rows), len(module.encoding.significances), outputs)
    return CrossbarMvm(
        x=x,
        weight=weight,
        window=module.geometry.window,
        groups=module.geometry.groups,
        plane_bits=plane_bits,
        rows=rows,
        turns=min(module.macro.turns, len(rows)),
        columns=layer_spans(outputs, module.geometry.groups, width, module.packed),
        encoding=module.encoding,
        placement=Placement(macro=module.macro.name),
        partial_sum=Value(f"{sums.name}.partial_sum", INT64, (*grid, *sums.shape[1:])),
        loc=loc,
    )


def _exact(module: Hardened, mvm: CrossbarMvm, codes: Value, weight: Array) -> AdcRead:
    """Read all that a column can give as it is."""
    low, high = partial_sum_range(weight, mvm.rows, mvm.encoding, mvm.most_driven)
    kind: ExactKind = "adder-tree" if module.macro.readout.kind == "adder-tree" else "ideal"
    return exact_read(kind, mvm.partial_sum, low, high, codes, loc=mvm.loc)


def _conversion(module: Hardened, reading: Converter, mvm: CrossbarMvm, codes: Value) -> AdcRead:
    kind = module.macro.readout.kind
    step, base = int(reading.whole_step), int(reading.base)
    return AdcRead(
        kind="sar" if kind == "sar" else "flash",
        bits=reading.bits,
        partial_sum=mvm.partial_sum,
        first=first_threshold(base, step),
        step=step,
        base=base,
        result=codes,
        loc=mvm.loc,
    )


def whole_numbers(tensor: torch.Tensor) -> Array:
    whole = tensor.detach().round().to(torch.int64).cpu().numpy()
    return whole.copy()
