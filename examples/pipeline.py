"""From a model and a task to a report: the steps that the examples of training have in common."""

import argparse
import copy
import json
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from examples.rows import Rows, answering, ratios
from mapper import api
from mapper.diagnostics import MappingError
from mapper.training import Awareness, HardwareModel, export_onnx, harden
from mapper.training.data.published import DataSet
from mapper.training.hardening.stages import Schedule
from mapper.training.hardening.trainer import Options, Run, Task
from targets import load_target
from targets.devices import load_device, parse_set

SETTLING = 64
"""Training samples that the HP-ADC's references and scales are set from."""

_STOPPED = 128 + signal.SIGINT

MANY = 10**6
"""Of what is counted on the command line, as epochs: more is a slip."""

Progress = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Example:
    """What to train, on what, and what to compare it with."""

    model: nn.Module
    task: Task
    schedule: Schedule
    metric: str
    """Name of the task's score, with its unit."""
    target: str = "adcless-diff-64"
    rival: str = "hpadc-flash5-64"
    """A target with ADCs, for energy and latency."""
    input_bits: int = 1
    verified: int = 4
    """Held-out samples that the rings compare."""
    seed: int = 0
    rows: Rows | None = None
    """Of real recordings: the published test set, and what others score on it."""
    real: DataSet | None = None
    """Of synthetic recordings: what they stand for."""


def within(least: float, most: float, kind: Callable[[str], float] = int) -> Callable[[str], float]:
    """Return what argparse reads a number with; both ends are allowed."""

    def number(text: str) -> float:
        value = kind(text)
        if not least <= value <= most:  # so is NaN
            raise argparse.ArgumentTypeError(f"{text[:40]} is not within {least:,} to {most:,}")
        return value

    return number


def parser(text: str, data: str) -> argparse.ArgumentParser:
    """Return the options that all examples have; ``data`` says what ``--data`` takes."""
    options = argparse.ArgumentParser(description=text)
    options.add_argument("-o", "--out", type=Path, required=True, help="folder for everything")
    options.add_argument("--reduced", action="store_true", help="small: minutes on two cores")
    options.add_argument("--tiny", action="store_true", help="seconds: only shows that it runs")
    options.add_argument("--data", type=Path, help=data)
    options.add_argument("--seed", type=within(0, 2**31 - 1), default=0)
    options.add_argument("--target", help="name of a target or its file")
    options.add_argument("--device", help="train at the end for chips of a device, by name or file")
    options.add_argument("--age", type=within(0, 10**12, float), help="of these chips, in seconds")
    options.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a fact of the device, as amplifier.offset=1; of the ideal one where none is named",
    )
    options.add_argument(
        "--dies", type=within(1, MANY), help="epochs on such chips; as many as at one bit"
    )
    options.add_argument(
        "--threads", type=within(1, 1024), default=1, help="of torch; bits depend on it"
    )
    return options


def main(options: argparse.Namespace, make: Callable[[argparse.Namespace], Example]) -> int:
    """Carry an example out; 1 and diagnostics where the user's data or folder cannot be used."""
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    try:
        example = chosen(make(options), options)
        summary = carry_out(example, options.out, tell)
    except (MappingError, ValueError, OSError) as error:
        print(error if isinstance(error, MappingError) else f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped: the same command goes on after the last whole epoch", file=sys.stderr)
        return _STOPPED
    print(table(summary))
    print(published(example, summary), end="")
    return 0 if summary["bit_exact"] else 1


def chosen(example: Example, options: argparse.Namespace) -> Example:
    """Return an example on the target and for the chips that the command line names."""
    target = options.target or example.target
    if options.device is None and not options.set:
        return replace(example, target=target)
    device = load_device(options.device or "ideal").with_set(dict(map(parse_set, options.set)))
    last = example.schedule[-1]
    epochs = last.epochs if options.dies is None else options.dies
    dies = replace(last, name="dies", epochs=epochs, device=device, age=options.age)
    return replace(example, target=target, schedule=(*example.schedule, dies))


def carry_out(example: Example, folder: Path, progress: Progress) -> dict[str, Any]:
    """Train, export, compile, verify, cost and report; return and write ``summary.json``."""
    options = Options(
        schedule=example.schedule, seed=example.seed, input_bits=example.input_bits, device="cpu"
    )
    run = Run(
        example.model,
        example.task,
        load_target(example.target),
        options,
        folder / "run",
        report=progress,
    )
    twin = run.train()
    assert isinstance(twin, HardwareModel)
    scores = {row["stage"]: row["metric"] for row in run.history if "metric" in row}
    recording = _recording(example, folder)
    mapped = _mapped(twin, example.target, folder, recording, progress)
    progress(f"{example.rival}: the float network, not retrained")
    untaught = _float(example, folder)
    rival = _mapped(_settled(example, untaught), example.rival, folder, recording, progress)
    trained = {"float": untaught, f"{example.schedule[-1].name}, {example.target}": twin}
    summary = {
        "schema": "spikeloom/example/1",
        "task": example.task.name,
        "metric": example.metric,
        "seed": example.seed,
        "scores": scores,
        "bit_exact": mapped["bit_exact"] and rival["bit_exact"],
        "targets": {example.target: mapped, example.rival: rival},
        "ratio": {
            name: rival[name] / mapped[name] for name in ("energy_uj", "latency_us", "area_mm2")
        },
    }
    if example.rows is not None:
        progress("the published test set")
        summary["published"] = {
            name: example.rows.measure(answering(model)) for name, model in trained.items()
        }
    (folder / "summary.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    return summary


def table(summary: dict[str, Any]) -> str:
    """Return a summary as text: scores of stages, then the two chips."""
    lines = [f"{summary['task']}: {summary['metric']}, held out"]
    lines += [f"  {stage:<12} {score:.4f}" for stage, score in summary["scores"].items()]
    lines.append(f"  {'target':<18}{'crossbars':>10}{'energy uJ':>12}{'latency us':>12}  ring 7")
    for name, row in summary["targets"].items():
        numbers = f"{row['crossbars']:>10}{row['energy_uj']:>12.3f}{row['latency_us']:>12.2f}"
        lines.append(f"  {name:<18}{numbers}  {row['rings']['7-trained-export']}")
    ratio = summary["ratio"]
    lines.append(
        f"  HP-ADC over ADC-less: energy {ratio['energy_uj']:.2f}, latency "
        f"{ratio['latency_us']:.2f}, area {ratio['area_mm2']:.2f}"
    )
    return "\n".join(lines)


def published(example: Example, summary: dict[str, Any]) -> str:
    """Return how a run stands beside published ones, or what it would need to."""
    if example.rows is not None:
        targets = (example.target, example.rival)
        beside = ratios(summary["ratio"], example.rows, targets)
        return f"{example.rows.text(summary['published'])}\n{beside}\n"
    if example.real is not None:
        return (
            "These recordings are synthetic and have no row in a published table. For one:\n"
            f"  {example.real}; then --data FOLDER\n"
        )
    return ""


def _recording(example: Example, folder: Path) -> Path:
    """Write the first held-out samples, which the rings compare and the activity is measured on."""
    x, wanted = next(iter(example.task.held_out()))
    arrays = {"x": x[:, : example.verified].numpy().astype(np.uint8)}
    if isinstance(wanted, Tensor):
        arrays["labels"] = wanted[: example.verified].numpy()
    path = folder / "recording.npz"
    np.savez_compressed(path, **arrays)
    return path


def _float(example: Example, folder: Path) -> nn.Module:
    """Return the float network as its stage left it."""
    held = torch.load(folder / "run" / "float.pt", weights_only=True)
    model = copy.deepcopy(example.model)
    model.load_state_dict(held["model"])
    return model


def _settled(example: Example, model: nn.Module) -> HardwareModel:
    """Return the float network as the HP-ADC's chip reads it, references set from data."""
    twin = harden(copy.deepcopy(model), example.rival, input_bits=example.input_bits)
    x, _ = next(example.task.batches(0, example.seed))
    twin.raise_awareness(Awareness(), x[:, :SETTLING])
    return twin


def _mapped(
    twin: HardwareModel, target: str, folder: Path, recording: Path, progress: Progress
) -> dict[str, Any]:
    """Export a twin, compile it, verify every ring, cost it at measured activity, report."""
    model, build = folder / f"{target}.onnx", folder / target
    with np.load(recording) as held:
        x = torch.from_numpy(held["x"]).float()
    export_onnx(twin.eval(), model, x)
    progress(f"{target}: compile, verify, cost")
    compiled = api.compile_model(model, target, build)
    assert compiled is not None  # nothing stops it before the end
    verified = api.verify(build, recording, model=model, progress=progress)
    outputs = folder / f"{target}.npz"
    trace = api.run_build(build, recording, outputs, trace=True)["trace"]
    cost, _ = api.cost_build(build, trace, x.shape[0])
    api.report_build(build, folder / f"{target}.html")
    return {
        "crossbars": compiled["crossbars"],
        "energy_uj": cost["energy_pj"]["total"]["nominal"] * 1e-6,
        "latency_us": cost["latency_ns"]["inference_pipelined"]["nominal"] * 1e-3,
        "area_mm2": cost["area_um2"]["total"]["nominal"] * 1e-6,
        "bit_exact": verified["bit_exact"],
        "rings": {ring["name"]: ring["status"] for ring in verified["rings"]},
    }


def tell(text: str) -> None:
    """Write a line of progress."""
    print(text, file=sys.stderr, flush=True)
