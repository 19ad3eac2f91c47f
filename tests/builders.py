"""Small hardware graphs by hand: layers are added one by one, types follow from what feeds them.

    net = Builder()
    x = net.input("x", (2, 8, 8))
    y = net.crossbars(x, weight, window=Window(kernel=(3, 3)), read=sense_amp(1))
    net.output(net.integer_neurons(y, threshold=5))
    graph = net.graph()

Whole graphs are in ``tests.small_graphs``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mapper.ir.builder import GraphBuilder
from mapper.ir.core import (
    INT64,
    IntType,
    Op,
    Span,
    Value,
)
from mapper.ir.crossbar import (
    CountActive,
    CrossbarMvm,
    partial_sum_range,
)
from mapper.ir.encoding import Encoding, Kind
from mapper.ir.hardware import ScaledAdd, UpdateMembrane
from mapper.ir.infer import planes_of
from mapper.ir.levels import Levels
from mapper.ir.neurons import IntegerNeuron
from mapper.ir.planes import greatest_digit, input_planes
from mapper.ir.readout import AdcRead, SenseAmpRead, ShiftAndAdd
from mapper.ir.synapses import ConvTranspose2d, Linear, Synapse, matrix_range
from mapper.ir.windows import Window

I12 = IntType(12, signed=True)
Cells = Encoding | None
DIFFERENTIAL = Encoding(kind="differential", weight_bits=4, cell_bits=1)


def encoding(
    kind: Kind, weight_bits: int = 4, cell_bits: int = 1, cell_levels: int = 0
) -> Encoding:
    return Encoding(
        kind=kind, weight_bits=weight_bits, cell_bits=cell_bits, cell_levels=cell_levels
    )


@dataclass(frozen=True, kw_only=True)
class Readout:
    """How partial sums become codes: what a layer needs besides its grid."""

    multi_bit: bool
    half_active: bool = False
    make: Callable[["Builder", str, Value, Value | None, Cells], Op]


def sense_amp(
    thresholds: Any, levels: tuple[int, ...] = (-1, 1), *, half_active: bool = False
) -> Readout:
    """Read with thresholds ``[L, G | 1, S | 1, N | 1]``; numbers are the same everywhere."""
    table = np.asarray(thresholds)
    table = table.reshape(-1, 1, 1, 1) if table.ndim < 4 else table

    def make(
        net: "Builder", name: str, p: Value, active: Value | None, cells: Encoding | None
    ) -> Op:
        return SenseAmpRead(
            partial_sum=p,
            active=active if half_active else None,
            thresholds=net.constant(f"{name}.thresholds", table),
            levels=levels,
            cell_bits=1 if cells is None else cells.cell_bits,
            cell_levels=0 if cells is None else cells.cell_levels,
            result=Value(f"{name}.codes", IntType.spanning(min(levels), max(levels)), p.shape),
        )

    return Readout(multi_bit=False, half_active=half_active, make=make)


def ternary(low: int, high: int) -> Readout:
    return sense_amp((low, high), levels=(-1, 0, 1))


def adc(kind: Any, bits: int, first: Any, step: Any = 1, base: Any = 0) -> Readout:
    """Read with an ADC; ``first``, ``step`` and ``base`` may be ``[G | 1, S | 1, N | 1]``."""

    def make(
        net: "Builder", name: str, p: Value, active: Value | None, cells: Encoding | None
    ) -> Op:
        lowest, wide = np.asarray(base), np.asarray(step) * ((1 << bits) - 1)
        type = IntType.spanning(int(lowest.min()), int((lowest + wide).max()))
        return AdcRead(
            kind=kind,
            bits=bits,
            partial_sum=p,
            first=net.scalar(f"{name}.first", first),
            step=net.scalar(f"{name}.step", step),
            base=net.scalar(f"{name}.base", base),
            result=Value(f"{name}.codes", type, p.shape),
        )

    return Readout(multi_bit=True, make=make)


def ideal(kind: str = "ideal") -> Readout:
    """Read every sum as it is: ideally, or by adder trees."""

    def make(
        net: "Builder", name: str, p: Value, active: Value | None, cells: Encoding | None
    ) -> Op:
        assert isinstance(p.type, IntType)
        whole = adc(kind, p.type.bits, p.type.min + 1, 1, p.type.min)
        return whole.make(net, name, p, active, cells)

    return Readout(multi_bit=True, make=make)


class Builder(GraphBuilder):
    """Adds the layers of hardware graphs; every method adds one layer and returns its result."""

    def crossbars(
        self,
        x: Value,
        weight: Any,
        read: Readout,
        *,
        name: str = "",
        encoding: Encoding | None = DIFFERENTIAL,
        window: Window | None = None,
        groups: int = 1,
        plane_bits: int = 1,
        steps: Levels | None = None,
        turns: int = 1,
        packed: int = 1,
        wordlines: int | None = None,
        blocks: tuple[Span, ...] | None = None,
        scale: Any = 1,
        shift: int = 0,
        correct: bool = True,
        loc: str = "",
    ) -> Value:
        """Add a grid with its readout and shift-and-add.

        ``wordlines`` cuts the rows evenly, ``blocks`` anywhere; ``correct`` adds the offset of
        offset-binary weights back where the readout has more than one bit.
        """
        name, loc = name or self.numbered("layer"), loc or f"/{name or 'layer'}/Conv"
        weight = np.asarray(weight)
        wordline_count, outputs = weight.shape
        rows = blocks or Span(0, wordline_count).split(wordlines or wordline_count)
        positions = () if window is None else window.output_size(*x.shape[1:])
        assert isinstance(x.type, IntType)
        slices = 1 if encoding is None else len(encoding.significances)
        planes = input_planes(x, plane_bits, steps)
        low, high = partial_sum_range(weight, rows, encoding, greatest_digit(planes))
        shape = (len(planes), len(rows), slices, outputs, *positions)
        p = Value(f"{name}.sum", IntType.spanning(low, high), shape)
        mvm = CrossbarMvm(
            x=x,
            weight=self.constant(f"{name}.weight", weight),
            window=window,
            groups=groups,
            plane_bits=plane_bits,
            steps=steps,
            rows=rows,
            turns=turns,
            columns=Span(0, outputs).split(packed * outputs // groups),
            encoding=encoding,
            partial_sum=p,
            loc=loc,
        )
        self.ops.append(mvm)
        offset = encoding.offset if encoding and read.multi_bit and correct else 0
        active = self._count(mvm) if offset or read.half_active else None
        codes = self.add(read.make(self, name, p, active, encoding))
        add = ShiftAndAdd(
            codes=codes,
            active=active if offset else None,
            significances=(1,) if encoding is None else encoding.significances,
            **planes_of(mvm),
            offset=offset,
            scale=self.scalar(f"{name}.scale", scale),
            shift=shift,
            result=Value(name, INT64, (outputs, *positions)),
            loc=loc,
        )
        return self.add(_typed(add, add.range(self.constants)))

    def _count(self, mvm: CrossbarMvm) -> Value:
        most = max(len(span) for span in mvm.rows) * mvm.most_driven
        shape = (mvm.planes, len(mvm.rows), mvm.groups, *mvm.positions)
        count = CountActive(
            x=mvm.x,
            window=mvm.window,
            groups=mvm.groups,
            plane_bits=mvm.plane_bits,
            steps=mvm.steps,
            rows=mvm.rows,
            active=Value(f"{mvm.partial_sum.name}.active", IntType.spanning(0, most), shape),
        )
        return self.add(count)

    def integer_neurons(
        self,
        x: Value,
        *,
        name: str = "",
        membrane: IntType = I12,
        current: IntType | None = None,
        spiking: bool = True,
        initial: Any = 0,
        output: str = "",
        on_chip: bool = True,
        **fields: Any,
    ) -> Value:
        """Add a layer of neurons; returns spikes, or the membrane where it never fires."""
        name = name or self.numbered("lif")
        for key in ("threshold", "bias", "floor"):
            if fields.get(key) is not None:
                fields[key] = self.scalar(f"{name}.{key}", fields[key])
        v = self.state(f"{name}.v", x.shape, membrane, initial, output)
        v_next = Value(f"{name}.v.next", membrane, x.shape)
        i = i_next = None
        if current is not None:
            i = self.state(f"{name}.i", x.shape, current)
            i_next = Value(f"{name}.i.next", current, x.shape)
            self.follow(i, i_next)
        self.follow(v, v_next)
        op = (UpdateMembrane if on_chip else IntegerNeuron)(
            x=x,
            membrane=v,
            current=i,
            spike=Value(name, fields.get("levels", Levels()).type, x.shape) if spiking else None,
            membrane_next=v_next,
            current_next=i_next,
            loc=f"/{name}/Greater",
            **fields,
        )
        return self.add(op)

    def digital(self, op: type[Synapse], x: Value, weight: Any, **fields: Any) -> Value:
        """Add a ``Linear``, ``Conv2d`` or ``ConvTranspose2d`` of integers on the digital unit."""
        name = self.numbered("digital")
        array = np.asarray(weight)
        if op is not Linear:
            fields["kernel"] = array.shape[2:]
        shape = array.shape[:1]
        if op is ConvTranspose2d:
            shape = (array.shape[1] * fields.get("groups", 1),)
        draft: Any = op(
            x=x,
            weight=self.constant(f"{name}.weight", array),
            result=Value(name, INT64, shape),
            **fields,
        )
        if draft.window is not None:
            shape = (*shape, *draft.window.output_size(*x.shape[1:]))
        assert isinstance(x.type, IntType)
        low, high = matrix_range(draft.matrix(array), x.type)
        result = Value(name, IntType.spanning(low, high), shape)
        return self.add(replace(draft, result=result))

    def scaled_add(
        self, terms: Sequence[Value], scales: Sequence[Any], offset: Any = 0, shift: int = 0
    ) -> Value:
        name = self.numbered("scaled")
        consts = tuple(self.scalar(f"{name}.scale{i}", m) for i, m in enumerate(scales))
        op = ScaledAdd(
            terms=tuple(terms),
            scales=consts,
            offset=self.scalar(f"{name}.offset", offset),
            shift=shift,
            result=Value(name, INT64, terms[0].shape),
        )
        return self.add(_typed(op, op.range(self.constants)))


def _typed(op: Any, ends: tuple[int, int]) -> Any:
    result = Value(op.result.name, IntType.spanning(*ends), op.result.shape)
    return replace(op, result=result)
