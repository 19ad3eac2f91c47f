"""The folder of a training run: what it was asked for, how it went, and where it stands."""

import io
import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mapper import __version__
from mapper.renames import clear_inside
from mapper.training.hardening.plots import draw_curves
from mapper.training.hardening.stages import Schedule, Stage
from mapper.training.hardening.teaching import digest_of, structure_of
from mapper.writing import whole_file
from targets import Target, target_to_data
from targets.devices import load_device

SCHEMA = "spikeloom/training/1"


class RunFolder:
    """``config.json``, ``metrics.jsonl``, ``curves.svg``, a checkpoint per stage and ``last.pt``.

    Checkpoints hold tensors, numbers and text only and are read as such (``weights_only``).
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def start(self, config: dict[str, Any]) -> None:
        """Make the folder, or make sure that it is of a run with the same configuration.

        Raises:
            ValueError: It is of another run; the message names the first thing that differs.
        """
        wanted = json.loads(json.dumps({"schema": SCHEMA, "version": __version__, **config}))
        clear_inside(self.path)
        file = self.path / "config.json"
        if not file.exists():
            self.path.mkdir(parents=True, exist_ok=True)
            self._write("config.json", json.dumps(wanted, indent=1, sort_keys=True) + "\n")
            return
        held = json.loads(file.read_text(encoding="utf-8"))
        for path, one, other in _differences(held, wanted):
            raise ValueError(
                f"{self.path} is of a run with {path} {_short(one)}, not {_short(other)}: "
                "use another folder"
            )

    def checkpoint(self) -> dict[str, Any] | None:
        """Return where the run stands; None before the first epoch."""
        file = self.path / "last.pt"
        if not file.exists():
            return None
        held: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
        return held

    def network(self, stage: str) -> dict[str, Any]:
        """Return the numbers of the network as a stage left it.

        Raises:
            ValueError: They are gone.
        """
        file = self.path / f"{stage}.pt"
        if not file.exists():
            raise ValueError(f"{file} is gone, which a later stage is taught by: start anew")
        held: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)["model"]
        return held

    def keep(self, checkpoint: dict[str, Any], stage: Stage, finished: bool) -> None:
        """Keep a checkpoint and its history; each file is whole or not there."""
        rows = checkpoint["history"]
        self._write("metrics.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
        if finished:
            self._save(f"{stage.name}.pt", {"model": checkpoint["model"]})
            draw_curves(rows, self.path / "curves.svg")
        self._save("last.pt", checkpoint)

    def _write(self, name: str, text: str) -> None:
        with whole_file(self.path / name) as temporary:
            temporary.write_text(text, encoding="utf-8")

    def _save(self, name: str, held: dict[str, Any]) -> None:
        content = io.BytesIO()  # torch says "unexpected pos" of a full disk
        torch.save(held, content)
        with whole_file(self.path / name) as temporary:
            temporary.write_bytes(content.getbuffer())


def _differences(one: Any, other: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield what differs between two configurations, each by where it stands: ``schedule.2.bits``.

    What one of them does not have is None.
    """
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        one, other = dict(enumerate(one)), dict(enumerate(other))
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted({*one, *other}):
            yield from _differences(one.get(key), other.get(key), f"{path}.{key}".lstrip("."))
    elif one != other:
        yield path, one, other


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


_LONGEST = 80
"""Characters of a value that a message shows."""


def configuration(model: nn.Module, task: str, target: Target, options: Any) -> dict[str, Any]:
    """Return everything that a run depends on as plain data; files and teachers by digest.

    Of the model that is what it is made of. Its numbers are in checkpoints.
    """
    named = {stage.device for stage in options.schedule if isinstance(stage.device, str)}
    devices = {name: load_device(name).digest for name in sorted(named)}
    return {
        **({"devices": devices} if devices else {}),
        "model": type(model).__name__,
        "structure": structure_of(model),
        "task": task,
        "target": target_to_data(target),
        "torch": torch.__version__,
        **asdict(replace(options, schedule=_by_digest(options.schedule))),
    }


def _by_digest(schedule: Schedule) -> Schedule:
    """Return stages whose teachers are the digests of the given networks."""
    return tuple(
        replace(stage, teacher=f"sha256:{digest_of(stage.teacher)}")
        if isinstance(stage.teacher, nn.Module)
        else stage
        for stage in schedule
    )
