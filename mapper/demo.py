"""The demo: the main job on a bundled network and recording, for someone who has neither."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from mapper import __version__
from mapper.arguments import CALL, PATH, check_arguments
from mapper.build.folder import DEMO_SCHEMA, check_replaceable
from mapper.build.make import source_of
from mapper.compare.compared import Compared
from mapper.compare.measure import build_on, row_of, write_compared
from mapper.compare.result import ComparedBuild
from mapper.diagnostics import printable
from mapper.frontend import import_model
from mapper.recordings import Recording
from mapper.threads import one_blas_thread
from mapper.verify import Ring, Verification
from mapper.verify.build import verify_recorded
from mapper.verify.model import imported_ring
from mapper.verify.record import described_file
from mapper.writing import json_text, written_aside
from targets import DEFAULT_PRESET, load_preset, load_target

Progress = Callable[[str], None]

DEMO_TARGETS = ("ideal-128", "hpadc-sar5-64", "adcless-64", "adcless-diff-64")


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoTarget:
    """The bundled network on one target."""

    compared: ComparedBuild
    verification: Verification

    def as_dict(self) -> dict[str, Any]:
        """Return its part of the JSON of ``spikeloom demo``."""
        return {**self.compared.as_dict(), "verification": self.verification.as_dict()}


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Demo:
    """The bundled network on every target of the demo."""

    folder: str
    """Where the builds are."""
    targets: tuple[DemoTarget, ...]

    @property
    def bit_exact(self) -> bool:
        """No ring found a mismatch on any target."""
        return all(target.verification.bit_exact for target in self.targets)

    def record(self) -> dict[str, Any]:
        """Return what ``demo.json`` in the folder says."""
        return {
            "schema": DEMO_SCHEMA,
            "version": __version__,
            "bit_exact": self.bit_exact,
            "targets": [target.as_dict() for target in self.targets],
        }

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON of ``spikeloom demo``."""
        return {**self.record(), "folder": self.folder}

    def __repr__(self) -> str:
        names = ", ".join(target.compared.title for target in self.targets)
        return printable(f"Demo({names}; {'bit-exact' if self.bit_exact else 'NOT bit-exact'})")


_TAKES = {"output": PATH, "progress": CALL}


@one_blas_thread
def run_demo(output: str | Path, progress: Progress = lambda text: None) -> Demo:
    """Map the bundled network onto four targets, verify each mapping, compare them.

    Raises:
        MappingError: ``output-exists`` where the folder has something that is not ours;
            ``bad-argument``.
    """
    check_arguments(_TAKES, {"output": output, "progress": progress}, {})
    output = Path(output)
    check_replaceable(output)
    with as_file(files("mapper") / "data" / "demo") as data, written_aside(output) as aside:
        model, recording = data / "model.onnx", data / "recording.npz"
        imported = import_model(model)
        recorded = Recording.read(recording, imported.graph.inputs, imported.presented)
        progress("ONNX Runtime on the network")
        reference = imported_ring(model, imported, recorded.inputs)
        source = source_of(model)
        files_of = {"input": described_file(recording), "model": described_file(model)}
        made = []
        for name in DEMO_TARGETS:
            progress(f"{name}: compile")
            compared = build_on(load_target(name), imported, None, recorded, source=source)
            made.append(_demonstrated(compared, recorded, reference, files_of, progress, aside))
        answer = Demo(folder=str(output), targets=tuple(made))
        text = json_text(answer.record()) + "\n"
        (aside / "demo.json").write_text(text, encoding="utf-8")
        check_replaceable(output)  # minutes later, it may hold something of the user's
    return answer


def _demonstrated(
    compared: Compared,
    recorded: Recording,
    reference: Ring,
    files_of: Mapping[str, str],
    progress: Progress,
    folder: Path,
) -> DemoTarget:
    """Verify, write and cost the demo's network on one target."""
    build = compared.build
    place = folder / build.target.name
    checked = verify_recorded(
        build, recorded, reference, lambda text: progress(f"{build.target.name}: {text}")
    )
    write_compared(compared, place, checked, files_of)
    return DemoTarget(compared=row_of(compared, load_preset(DEFAULT_PRESET)), verification=checked)
