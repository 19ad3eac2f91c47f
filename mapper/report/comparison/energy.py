"""The energy table of a spiking network: counted operations, crossbars, and a quantised ANN."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mapper.cost import Range
from mapper.diagnostics import many, printable
from mapper.layout import Taken
from mapper.notebook import html_table
from mapper.report.markup import latex, latex_table, markdown, markdown_table
from mapper.report.numbers import range_text, scaled, three_digits
from mapper.report.references import sources_in_words
from targets import Work, work_to_data

SCHEMA = "spikeloom/energy-table/1"

AC_PJ, MAC_PJ = 0.9, 4.6
"""32-bit floating point at 45 nm: an addition, and a product (3.7 pJ) with its addition."""
HOROWITZ = "horowitz2014energy"
"""Key of the work that both are from."""

Rows = tuple[tuple[str, ...], list[tuple[str, ...]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyRow:
    """One layer of one target: energies are of one inference."""

    layer: str
    rate: float | None
    """Share of its input bits that were 1 in a step, 0..1; None off the crossbars."""
    spiking: bool
    """Whether its inputs are spikes; codes are multiplied."""
    sops: float
    """Spikes that met a weight, in an inference."""
    macs: int
    """Of one pass of the ANN."""
    snn_proxy_pj: float
    ann_proxy_pj: float
    snn_pj: Range
    ann_pj: Range

    def as_dict(self) -> dict[str, object]:
        """Return the JSON form."""
        return {
            "layer": self.layer,
            "input_rate": self.rate,
            "spiking_input": self.spiking,
            "synaptic_operations": self.sops,
            "macs": self.macs,
            "snn_proxy_pj": self.snn_proxy_pj,
            "ann_proxy_pj": self.ann_proxy_pj,
            "snn_pj": self.snn_pj._asdict(),
            "ann_pj": self.ann_pj._asdict(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Meets:
    """Where an energy that grows with the spike rate passes that of the ANN."""

    rates: tuple[float, ...]
    """Spikes per input and step, rising; none where they never meet."""
    snn_first: bool
    """Whether the spiking network takes less below the first of them, or everywhere."""

    def __str__(self) -> str:
        if not self.rates:
            return f"never: the {'SNN' if self.snn_first else 'ANN'} takes less at every rate"
        rates = " and ".join(map(three_digits, self.rates))
        return f"{rates} ({'SNN' if self.snn_first else 'ANN'} takes less below)"

    def as_dict(self) -> dict[str, object]:
        """Return the JSON form."""
        less = "snn" if self.snn_first else "ann"
        return {"rates": list(self.rates), "less_below": less}


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyOf:
    """One target: the spiking network on it, and the ANN on its crossbars."""

    target: str
    readout: str
    """That is priced for the spiking network, in words."""
    ann_readout: str
    rows: tuple[EnergyRow, ...]
    snn_pj: Range
    """Of an inference, with leakage."""
    ann_pj: Range
    meets: tuple[Meets, Meets, Meets]
    """On the crossbars, at the low, the nominal and the high end of the facts."""
    proxy_meets: Meets
    incomparable: str = ""
    """Why its spikes say nothing: it is dead. Empty where they do."""
    snn_loads_pj: Range | None = None
    """Of loading the weights of several rounds, among ``snn_pj``; None where they stay, or where
    nothing is known of writing."""
    ann_loads_pj: Range | None = None

    @property
    def snn_proxy_pj(self) -> float:
        """Synaptic operations of an inference, and MACs of codes, at the stated pJ."""
        return sum(row.snn_proxy_pj for row in self.rows)

    @property
    def ann_proxy_pj(self) -> float:
        """MACs of one pass of the ANN at the stated pJ."""
        return sum(row.ann_proxy_pj for row in self.rows)

    @property
    def sops(self) -> float:
        """Spikes that met a weight, in an inference."""
        return sum(row.sops for row in self.rows)

    @property
    def macs(self) -> int:
        """Of one pass of the ANN."""
        return sum(row.macs for row in self.rows)

    def as_dict(self) -> dict[str, object]:
        """Return the JSON form."""
        ends = zip(("low", "nominal", "high"), self.meets, strict=True)
        return {
            "target": self.target,
            "readout_priced": self.readout,
            "ann_readout": self.ann_readout,
            "layers": [row.as_dict() for row in self.rows],
            "synaptic_operations": self.sops,
            "macs": self.macs,
            "snn_proxy_pj": self.snn_proxy_pj,
            "ann_proxy_pj": self.ann_proxy_pj,
            "snn_pj": self.snn_pj._asdict(),
            "ann_pj": self.ann_pj._asdict(),
            "snn_loads_pj": None if self.snn_loads_pj is None else self.snn_loads_pj._asdict(),
            "ann_loads_pj": None if self.ann_loads_pj is None else self.ann_loads_pj._asdict(),
            "proxy_meets": self.proxy_meets.as_dict(),
            "meets": {end: meets.as_dict() for end, meets in ends},
            "comparable": not self.incomparable,
            "incomparable_because": self.incomparable,
        }


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class EnergyTable:
    """The table of energies that papers on spiking networks have, and what it is made of.

    Example:
        >>> table = mapper.energy_table("model.onnx", ["adcless-64"], inputs="recording.npz")
        >>> print(table.as_markdown())  # doctest: +SKIP
    """

    network: str
    activity: str
    """Which spikes it is of, in words."""
    preset: str
    steps: int
    """Time steps of an inference of the spiking network; the ANN has one."""
    code_bits: int
    """Of the ANN's activations: ``ceil(log2(steps + 1))``."""
    ac_pj: float
    mac_pj: float
    targets: tuple[EnergyOf, ...]
    works: tuple[Work, ...]
    recording: Taken | None = None
    warnings: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON of ``spikeloom energy-table``."""
        return {
            "schema": SCHEMA,
            "network": self.network,
            "activity": self.activity,
            "preset": self.preset,
            "steps": self.steps,
            "code_bits": self.code_bits,
            "ac_pj": self.ac_pj,
            "mac_pj": self.mac_pj,
            "targets": [one.as_dict() for one in self.targets],
            "recording": None if self.recording is None else self.recording.as_dict(),
            "note": self.caption,
            "warnings": list(self.warnings),
            "references": [work_to_data(work) for work in self.works],
        }

    @property
    def note(self) -> str:
        """Say what the numbers are."""
        ours = (self.ac_pj, self.mac_pj) == (AC_PJ, MAC_PJ)
        source = f", 32-bit floating point at 45 nm [{HOROWITZ}]" if ours else ", as given"
        return (
            f"{printable(self.network)}, {many(self.steps, 'time step')}, activity: "
            f"{self.activity}; preset {printable(self.preset)}. Proxy: synaptic operations x "
            f"{self.ac_pj:g} pJ (AC) against MACs x {self.mac_pj:g} pJ (MAC){source}; layers whose "
            "inputs are no spikes count MACs in every step; memory, neurons and readout are left "
            "out. On crossbars: low .. high end of published component facts. ANN: the same "
            f"layers, weights and crossbars with ReLU codes of {many(self.code_bits, 'bit')}, one "
            "step, bit by bit, read by an ADC that keeps the sums; its codes are the spike counts "
            "of all steps (binomial); pools between layers are left out. No accuracy is claimed "
            "for it."
        )

    @property
    def caption(self) -> str:
        """Say the same, and where the component facts are from."""
        return f"{self.note} {sources_in_words(self.works)}"

    def summary_rows(self) -> Rows:
        """Return heads and cells of the totals, a target each."""
        energies = [
            value
            for one in self.targets
            for value in (one.snn_proxy_pj, one.ann_proxy_pj, one.snn_pj[1], one.ann_pj[1])
        ]
        factor, unit = scaled(max(energies), "pJ")
        heads = (
            *("target", "SOPs", "MACs", f"SNN, ACs ({unit})", f"ANN, MACs ({unit})", "ANN/SNN"),
            *("meet at", f"SNN on crossbars ({unit})", f"ANN on crossbars ({unit})", "ANN/SNN"),
            "meet at",
        )
        return heads, [self._total(one, factor) for one in self.targets]

    def _total(self, one: EnergyOf, factor: float) -> tuple[str, ...]:
        dead = " (dead)" if one.incomparable else ""
        return (
            f"{printable(one.target)}{dead}",
            _count(one.sops),
            f"{one.macs:,}",
            three_digits(one.snn_proxy_pj * factor),
            three_digits(one.ann_proxy_pj * factor),
            _ratio(one.ann_proxy_pj, one.snn_proxy_pj),
            str(one.proxy_meets),
            range_text(one.snn_pj, factor),
            range_text(one.ann_pj, factor),
            _ratio(one.ann_pj.nominal, one.snn_pj.nominal),
            str(one.meets[1]),
        )

    def layer_rows(self, one: EnergyOf) -> Rows:
        """Return heads and cells of the layers of one target."""
        most = max([1e-9, *(max(row.snn_pj[1], row.ann_proxy_pj) for row in one.rows)])
        factor, unit = scaled(most, "pJ")
        heads = (
            *("layer", "spikes per input and step", "SOPs", "MACs"),
            *(f"SNN, ACs ({unit})", f"ANN, MACs ({unit})"),
            *(f"SNN on crossbars ({unit})", f"ANN on crossbars ({unit})"),
        )
        rows = [_layer(row, factor) for row in one.rows]
        if one.snn_loads_pj is not None and one.ann_loads_pj is not None:
            loads = (range_text(one.snn_loads_pj, factor), range_text(one.ann_loads_pj, factor))
            rows.append(("(weight loading)", "", "", "", "", "", *loads))
        return heads, rows

    def as_markdown(self) -> str:
        """Write pipe tables: totals, then the layers of each target, and what the numbers are."""
        parts = [markdown_table(*self.summary_rows())]
        for one in self.targets:
            parts += [markdown(_title(one)), markdown_table(*self.layer_rows(one))]
        return "\n\n".join([*parts, markdown(self.caption)]) + "\n"

    def as_latex(self) -> str:
        """Write ``tabular``s for the package booktabs, with the caption as comments above them."""
        parts = [f"% {latex(self.caption)}\n% Needs \\usepackage{{booktabs}}.\n"]
        parts.append(latex_table(*self.summary_rows()))
        for one in self.targets:
            parts.append(f"% {latex(_title(one))}\n{latex_table(*self.layer_rows(one))}")
        return "\n".join(parts)

    def __repr__(self) -> str:
        names = ", ".join(one.target for one in self.targets)
        return printable(f"EnergyTable({names}; {many(self.steps, 'step')}, preset {self.preset})")

    def _repr_html_(self) -> str:
        return html_table(self.network, *self.summary_rows(), (self.caption, *self.warnings))


def _title(one: EnergyOf) -> str:
    return f"{printable(one.target)}: {one.readout}; ANN: {one.ann_readout}"


def _layer(row: EnergyRow, factor: float) -> tuple[str, ...]:
    rate = "" if row.rate is None else three_digits(row.rate)
    return (
        printable(row.layer),
        rate if row.spiking or not rate else f"{rate} (codes)",
        _count(row.sops),
        f"{row.macs:,}",
        three_digits(row.snn_proxy_pj * factor),
        three_digits(row.ann_proxy_pj * factor),
        range_text(row.snn_pj, factor),
        range_text(row.ann_pj, factor),
    )


def _count(mean: float) -> str:
    """Write operations of an inference: a mean over samples."""
    return f"{mean:,.0f}" if mean >= 100 or mean == round(mean) else three_digits(mean)


def _ratio(value: float, base: float) -> str:
    return three_digits(value / base) if base else ""


def sources(works: Sequence[Work], known: dict[str, Work]) -> tuple[Work, ...]:
    """Return works with that of the proxy among them, by key."""
    held = {work.key: work for work in works} | {HOROWITZ: known[HOROWITZ]}
    return tuple(held[key] for key in sorted(held))
