"""The command that writes a target from a few facts of a chip."""

from pathlib import Path
from shlex import quote
from typing import Annotated, Any

import typer

from mapper import api
from mapper.cli.facts import targets_app
from mapper.cli.frame import command
from mapper.cli.given import Json

Given = typer.Option


@command("new", targets_app)
def new(
    node: Annotated[float, Given(help="Technology node, 7..130 nm.")],
    array: Annotated[str, Given(help="Wordlines x bitlines of a crossbar: 256x64.")],
    cell: Annotated[
        str,
        Given(
            help="rram or pcm (a resistor for as long as it is read), charge (a capacitor that "
            "products charge), discharge (a precharged bitline), static (a transistor's "
            "current), digital (a gate)."
        ),
    ],
    readout: Annotated[
        str,
        Given(
            help="sense-amp, ternary, ideal; sar, serial (a sense amplifier that compares once a "
            "bit, with references that columns share), flash or cco (an oscillator that the "
            "current controls) with its bits: sar4, serial4, flash3, cco8; of digital cells "
            "adder-tree (a tree a bitline), word-tree (for the words of a weight) or adder-chain "
            "(an adder a cell)."
        ),
    ],
    output: Annotated[Path, Given("-o", "--output", help="TOML file to write.")],
    voltage: Annotated[
        float | None, Given(help="Supply, V; what is usual at the node unless given.")
    ] = None,
    mux: Annotated[int, Given(help="Bitlines (pairs) that share a readout, in turn.")] = 1,
    cell_bits: Annotated[int, Given(help="Bits of one cell.")] = 1,
    cell_columns: Annotated[
        int,
        Given(
            help="Columns of rram or pcm whose currents, weighted as bits, one readout takes "
            "together: up to the bits of the cell that they make."
        ),
    ] = 1,
    weight_bits: Annotated[int, Given(help="Bits of a weight.")] = 4,
    encoding: Annotated[
        str | None,
        Given(
            help="offset-binary, twos-complement, differential (pairs), binary or ternary; "
            "binary for weights of one bit, else offset-binary."
        ),
    ] = None,
    input_bits: Annotated[
        int, Given(help="Widest input code; 1 takes spikes alone, a bit plane a read.")
    ] = 1,
    input_bits_per_read: Annotated[
        int, Given(help="Bits of an input code that enter in one read.")
    ] = 1,
    input_form: Annotated[
        str | None,
        Given(
            help="How these bits enter: bits (digital cells), dac (a voltage) or pulses (in "
            "time); dac unless given."
        ),
    ] = None,
    pulse_ns: Annotated[
        float | None, Given(help="Of one pulse, where inputs enter as pulses; 1 unless given.")
    ] = None,
    rows_per_read: Annotated[
        int | None, Given(help="Wordlines of a crossbar that one read drives at most; all.")
    ] = None,
    read_channel: Annotated[
        str | None,
        Given(
            help="What stands before a readout: none, buffer, clamp (a transistor that holds "
            "the bitline and mirrors its current), regulated (the same with an amplifier), tia "
            "(transimpedance amplifier). Unless given: tia before a SAR and "
            "clamp before serial, flash and cco of rram or pcm, else none."
        ),
    ] = None,
    settling_ns: Annotated[
        float, Given(help="In which a read channel settles; as in memories of RRAM.")
    ] = 5.0,
    wordline_ns: Annotated[
        float | None,
        Given(help="In which a wordline settles; 1 ns for rram and pcm, else 0.1: assumptions."),
    ] = None,
    read_voltage: Annotated[float | None, Given(help="Across an rram or pcm cell, V.")] = None,
    on_us: Annotated[float | None, Given(help="Conductance of a cell that is on, uS.")] = None,
    off_us: Annotated[float | None, Given(help="Conductance of a cell that is off, uS.")] = None,
    cell_ff: Annotated[
        float | None, Given(help="What a charge or discharge cell switches, fF.")
    ] = None,
    unit_capacitors: Annotated[
        float, Given(help="Capacitors of a charge cell and bit: 1, or 3 in a C-2C ladder.")
    ] = 1.0,
    charging: Annotated[
        str | None,
        Given(
            help="When the capacitor of a charge cell is charged: product (where its product is "
            "1) or every (in every read); product, and every where it is of a ladder."
        ),
    ] = None,
    cell_um2: Annotated[
        float | None, Given(help="Area of a memory cell with its share of the periphery, um2.")
    ] = None,
    cell_gates: Annotated[
        float | None, Given(help="NAND2 beside every cell that computes, for its area.")
    ] = None,
    deep: Annotated[
        int, Given(help="Memory cells behind every cell that computes, one at a time.")
    ] = 1,
    membrane_bits: Annotated[int, Given(help="Bits of a membrane.")] = 16,
    tiles: Annotated[int, Given(help="Tiles of a chip.")] = 64,
    crossbars_per_tile: Annotated[int, Given(help="Crossbars of a tile.")] = 16,
    clock_ns: Annotated[float, Given(help="Clock period of the logic, ns.")] = 1.0,
    name: Annotated[str | None, Given(help="Of the target; that of the file unless given.")] = None,
    as_json: Json = False,
) -> api.NewTarget:
    """Write a target from a few facts of a chip: costs by laws and published parts.

    All that is not given comes from laws and from published parts at the node; the file says of
    every number what it is and where it comes from, to be changed where more is known.

    Example: spikeloom targets new --node 28 --array 256x64 --cell charge --readout sar4 -o my.toml
    """
    given: dict[str, Any] = {
        "mux": mux,
        "cell_bits": cell_bits,
        "cell_columns": cell_columns,
        "weight_bits": weight_bits,
        "encoding": encoding,
        "input_bits": input_bits,
        "input_bits_per_read": input_bits_per_read,
        "input_form": input_form,
        "pulse_ns": pulse_ns,
        "rows_per_read": rows_per_read,
        "unit_capacitors": unit_capacitors,
        "charging": charging,
        "cell_gates": cell_gates,
        "deep": deep,
        "read_channel": read_channel,
        "settling_ns": settling_ns,
        "wordline_ns": wordline_ns,
        "read_voltage_v": read_voltage,
        "on_us": on_us,
        "off_us": off_us,
        "cell_ff": cell_ff,
        "cell_um2": cell_um2,
        "membrane_bits": membrane_bits,
        "tiles": tiles,
        "crossbars_per_tile": crossbars_per_tile,
        "clock_ns": clock_ns,
        "voltage_v": voltage,
    }
    answer = api.new_target(
        output, node_nm=node, array=array, cell=cell, readout=readout, name=name, **given
    )
    if not as_json:
        print(f"wrote {answer.file}: {answer.summary}")
        print(f"spikeloom compile model.onnx --target {quote(answer.file)} -o build")
    return answer
