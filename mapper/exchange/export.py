"""Write an imported network for other tools: canonical ONNX, or NIR."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from mapper.diagnostics import refuse
from mapper.frontend import Imported
from mapper.writing import whole_file

__all__ = ["WRITERS", "export", "format_of"]

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


def export(imported: Imported, path: Path) -> dict[str, Any]:
    """Write a network in the form that the suffix of ``path`` names, whole or not at all.

    Returns:
        The file, its form, its SHA-256, how many ops of each kind it holds, and notes: what other
        tools will not see in it.

    Raises:
        MappingError: ``export-format``, and what the writer of the format refuses.
    """
    module, function = WRITERS[format_of(path)]
    write = getattr(import_module(module), function)
    with whole_file(path) as temporary:
        notes = write(imported, temporary)
        digest = hashlib.sha256(temporary.read_bytes()).hexdigest()
    return {
        "output": str(path),
        "format": format_of(path).removeprefix("."),
        "sha256": digest,
        "ops": dict(sorted(Counter(op.mnemonic for op in imported.graph.ops).items())),
        "notes": [*notes, *_readouts(imported)],
    }


def _readouts(imported: Imported) -> Iterator[str]:
    """Say of outputs that the model reduces over time that the file returns every step."""
    for name, readout in imported.readouts.items():
        if readout.reduction != "each":
            yield (
                f"the model's output {name!r} is the {readout.reduction} of {readout.source!r} "
                "over time; the file returns it at every step"
            )
