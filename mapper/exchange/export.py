"""Write an imported network for other tools: canonical ONNX, or NIR."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from mapper.diagnostics import many, printable, refuse
from mapper.epilogue.model import host_of
from mapper.frontend import Imported
from mapper.frontend.info import of_time
from mapper.notebook import html_table
from mapper.writing import whole_file

__all__ = ["WRITERS", "Export", "export", "format_of"]

SCHEMA = "spikeloom/export/1"

WRITERS = {
    ".onnx": ("mapper.exchange.onnx", "write_onnx"),
    ".nir": ("mapper.exchange.nir", "write_nir"),
}
"""What writes a file, by suffix; loaded when it is asked for, as NIR needs libraries of its own."""


def format_of(path: Path) -> str:
    """Return the suffix that names the format of a file; refuse ``export-format``."""
    suffix = path.suffix.lower()
    if suffix not in WRITERS:
        raise refuse(
            "export-format",
            f"no format has the suffix {path.suffix!r}",
            loc=str(path),
            help=f"give -o a name that ends in {' or '.join(WRITERS)}",
        )
    return suffix


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Export:
    """A network that was written for other tools."""

    output: str
    """Path of the file."""
    format: str
    """``onnx`` or ``nir``."""
    sha256: str
    ops: Mapping[str, int]
    """How many ops of each kind it has, by mnemonic."""
    notes: tuple[str, ...]
    """What other tools will not see in it."""

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON of ``spikeloom export``."""
        return {
            "schema": SCHEMA,
            "output": self.output,
            "format": self.format,
            "sha256": self.sha256,
            "ops": dict(self.ops),
            "notes": list(self.notes),
        }

    def __repr__(self) -> str:
        return printable(
            f"Export({self.output}: {many(sum(self.ops.values()), 'op')}, {self.format})"
        )

    def _repr_html_(self) -> str:
        return html_table(self.output, ("op", "count"), self.ops.items(), self.notes)


def export(imported: Imported, path: Path) -> Export:
    """Write a network in the form that the suffix of ``path`` names, whole or not at all.

    Raises:
        MappingError: ``export-format``, and what the writer of the format refuses.
    """
    module, function = WRITERS[format_of(path)]
    write = getattr(import_module(module), function)
    with whole_file(path) as temporary:
        notes = write(imported, temporary)
        digest = hashlib.sha256(temporary.read_bytes()).hexdigest()
    return Export(
        output=str(path),
        format=format_of(path).removeprefix("."),
        sha256=digest,
        ops=dict(sorted(Counter(op.mnemonic for op in imported.graph.ops).items())),
        notes=(
            *notes,
            *_readouts(imported),
            *_host(imported),
            *_images(imported, format_of(path)),
        ),
    )


def _images(imported: Imported, format: str) -> Iterator[str]:
    """Say of images that a NIR file does not hold how long they are shown."""
    steps, images = imported.presented[:2]
    if format == ".nir":
        yield from (
            f"the model shows an image {name!r} for {steps} time steps; the file does not say so, "
            "give recordings [T, B, ...]"
            for name in images
        )


def _host(imported: Imported) -> Iterator[str]:
    """Say what a host computes of what the file returns."""
    if imported.epilogue is not None:
        told = host_of(imported.epilogue)
        of = "the whole sequence" if told.whole else "each time step"
        read = ", ".join(map(repr, imported.epilogue.reads))
        yield (
            f"the model's outputs {', '.join(map(repr, told.outputs))} are {told.value} of {of}, "
            f"which a host computes; the file returns {read}"
        )


def _readouts(imported: Imported) -> Iterator[str]:
    """Say of outputs that the model reduces over time that the file returns every step."""
    epilogue = imported.epilogue
    host = set[str]() if epilogue is None else {answer.name for answer in epilogue.answers}
    for name, readout in imported.readouts.items():
        if readout.reduction != "each" and name not in host:
            yield (
                f"the model's output {name!r} is {of_time(readout.reduction, readout.step)} "
                f"of {readout.source!r} over time; the file returns it at every step"
            )
