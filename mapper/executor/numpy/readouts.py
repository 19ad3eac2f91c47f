"""What the templates need to know of readouts and scales: codes of a row block to sums."""

from collections.abc import Mapping
from dataclasses import dataclass

from mapper.ir import bounds
from mapper.ir.core import INT64, Const, Constants, param
from mapper.ir.merging import MergedCode, merged_code
from mapper.ir.readout import AdcRead, BitlineRead, SenseAmpRead
from mapper.ir.units import CrossbarLayer

_MOST = 1 << 62
"""Merged codes are used where everything that is made of them stays below."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SenseCode:
    """A readout with one comparison per threshold."""

    thresholds: str
    low: int
    high: int
    rises: tuple[tuple[int, ...], ...]
    """What reaching threshold ``l`` of slice ``s`` adds to an output."""
    lowest: int
    dtype: str
    kind: str = "sense"


@dataclass(frozen=True, slots=True, kw_only=True)
class MergedReadout:
    """Sense amplifiers whose bit-slices make one code: put together from the highest down."""

    thresholds: str
    low: int
    high: int
    order: tuple[tuple[int, int, bool], ...]
    """Of each slice: its number, how many bits it lies below the one before, if it is inverted."""
    dtype: str
    """Of the code of one row block."""
    total_dtype: str
    """Of the sum of codes over row blocks."""
    scaled_dtype: str
    """Of that sum when it is scaled."""
    step: int
    constant: int
    """The sum of all row blocks is ``constant + step * codes``."""
    kind: str = "joined"


@dataclass(frozen=True, slots=True, kw_only=True)
class AdcCode:
    """A readout with an ADC."""

    first: str
    width: str
    """What sums rise by from code to code; empty where that is ``step``."""
    step: str
    base: str
    top: int
    significances: tuple[int, ...]
    dtype: str
    kind: str = "adc"


ReadoutCode = SenseCode | MergedReadout | AdcCode


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseCode:
    """Noise of reads, as the arguments of ``Noise(...)``."""

    table: str
    stream: int
    grid: tuple[int, int, int, int]
    """Bit planes, row blocks, bit-slices, outputs."""


def noise_code(read: BitlineRead, keys: Mapping[str, str]) -> NoiseCode | None:
    """Describe the noise of a readout, if it has any."""
    if read.noise is None:
        return None
    planes, blocks, slices, outputs = read.partial_sum.shape[:4]
    table = f'weights["{keys[read.noise.name]}"]'
    return NoiseCode(table=table, stream=read.stream, grid=(planes, blocks, slices, outputs))


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalingCode:
    """What sums of codes are multiplied by, each as the text of an expression; empty for 1."""

    blocks: str = ""
    """A table of each row block's scale."""
    factor: str = ""
    """Of the sum over row blocks; then a number is added."""
    constant: str = ""


ONE_BY_ONE = ScalingCode()


def readout_code(
    layer: CrossbarLayer, constants: Constants, keys: Mapping[str, str], sums: bounds.Products
) -> ReadoutCode:
    """Describe how the columns of a layer are read, and their slices added."""
    read = layer.read
    ends = bounds.code_bounds(layer, constants)
    if isinstance(read, AdcRead):
        return AdcCode(
            first=table_text(read.first, keys),
            width="" if read.width is None else table_text(read.width, keys),
            step=table_text(read.step, keys),
            base=table_text(read.base, keys),
            top=(1 << read.bits) - 1,
            significances=layer.add.significances,
            dtype=f"np.{bounds.step_type(ends)}",
        )
    text = ("2 * " if layer.half_active else "") + table_text(read.thresholds, keys)
    if (code := _merged(layer, constants)) is not None:
        reach = _reach(code, layer, constants)
        return _merged_readout(code, text, sums, reach, len(layer.mvm.rows))
    return _sensed(layer, read, text, sums)


def _sensed(
    layer: CrossbarLayer, read: SenseAmpRead, thresholds: str, sums: bounds.Products
) -> SenseCode:
    significances = layer.add.significances
    rises = tuple(
        tuple((upper - lower) * s for s in significances)
        for lower, upper in zip(read.levels, read.levels[1:], strict=False)
    )
    lowest = read.levels[0] * sum(significances)
    each = [rise for level in rises for rise in level]
    least = lowest + sum(min(0, rise) for rise in each)
    most = lowest + sum(max(0, rise) for rise in each)
    return SenseCode(
        thresholds=thresholds,
        low=sums.low,
        high=sums.high,
        rises=rises,
        lowest=lowest,
        dtype=f"np.{bounds.narrowest(max(-least, most, *map(abs, each)))}",
    )


def _merged(layer: CrossbarLayer, constants: Constants) -> MergedCode | None:
    """Return the code of a layer whose row blocks are nothing but codes, with one scale."""
    read, add = layer.read, layer.add
    if not add.merged or add.offset or not isinstance(read, SenseAmpRead):
        return None
    code = merged_code(read, add.significances)
    if code is None or not add.shares_scale(constants):
        return None
    return code if _reach(code, layer, constants) < _MOST else None


def _reach(code: MergedCode, layer: CrossbarLayer, constants: Constants) -> int:
    """Bound everything between codes and the scaled sum of row blocks."""
    most = (abs(code.constant) + code.step * code.top) * len(layer.mvm.rows)
    return most * max(1, bounds.greatest(constants, layer.add.scale))


def _merged_readout(
    code: MergedCode, thresholds: str, sums: bounds.Products, reach: int, blocks: int
) -> MergedReadout:
    order = sorted(range(len(code.places)), key=lambda s: -code.places[s])
    before = [code.places[order[0]], *(code.places[s] for s in order)]
    return MergedReadout(
        thresholds=thresholds,
        low=sums.low,
        high=sums.high,
        order=tuple(
            (s, above - code.places[s], code.inverted[s])
            for s, above in zip(order, before, strict=False)
        ),
        dtype=f"np.{bounds.narrowest(code.top)}",
        total_dtype=bounds.narrowest(code.top * blocks),
        scaled_dtype="int32" if reach < 1 << 31 else "int64",
        step=code.step,
        constant=code.constant * blocks,
    )


def scaling_code(
    layer: CrossbarLayer, constants: Constants, keys: Mapping[str, str], readout: ReadoutCode
) -> ScalingCode:
    """Describe what is multiplied: each row block, or their sum where they share a scale."""
    scale = layer.add.scale
    if not layer.add.shares_scale(constants):
        return ScalingCode(blocks=table_text(scale, keys))
    step, constant = 1, 0
    if isinstance(readout, MergedReadout):
        step, constant = readout.step, readout.constant
    values = param(constants, scale, INT64)
    if values.size == 1:
        number = int(values.flat[0])
        return ScalingCode(factor=_unless(1, step * number), constant=_unless(0, constant * number))
    column = f"{table_text(scale, keys)}.reshape(-1, 1)"
    return ScalingCode(
        factor=f"{_unless(1, step)} * {column}".removeprefix(" * "),
        constant=f"{constant} * {column}" if constant else "",
    )


def _unless(nothing: int, number: int) -> str:
    return "" if number == nothing else repr(number)


def table_text(scalar: int | Const, keys: Mapping[str, str]) -> str:
    """Return a parameter as an expression: a number, or the stored array as 64-bit integers."""
    if not isinstance(scalar, Const):
        return repr(int(scalar))
    return f'weights["{keys[scalar.name]}"].astype(np.int64)'
