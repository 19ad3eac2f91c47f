"""What is killed beside commands: calls of Python, and commands under other conditions."""

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import mapper.demo as demo
from mapper import cli, recordings, renames
from mapper.api import compile
from mapper.api import figures as figures_of
from mapper.ir.core import Array
from tests.files import DEMO_MODEL


def warm_up() -> None:
    """Import and prepare, once, what the children need; no threads, which a fork would lose."""
    import onnxruntime  # noqa: F401

    with TemporaryDirectory() as folder:
        build = compile(DEMO_MODEL, "ideal-128").save(Path(folder) / "build")
        build.report(Path(folder) / "page.html")


def quick_demo(output: Path) -> None:
    """The demo on two targets, and two time steps of one sample."""
    read = recordings.read_arrays

    def short(path: Path) -> dict[str, Array]:
        arrays = read(path)
        return {
            name: held[:1] if name == "labels" else held[:2, :1] for name, held in arrays.items()
        }

    recordings.read_arrays = short
    demo.DEMO_TARGETS = demo.DEMO_TARGETS[:2]
    demo.run_demo(output)


def without_exchange(*args: Path) -> None:
    """A command where the file system has no step that lets two folders change places."""
    renames.exchange = lambda one, other: False
    sys.argv = ["spikeloom", *map(str, args)]
    cli.main()


def on_a_volume(volume: Path, *args: Path) -> None:
    """A command whose output is a mount point, such as a volume of a container."""
    os.path.ismount = lambda path: Path(path) == volume
    sys.argv = ["spikeloom", *map(str, args)]
    cli.main()


def few_figures(*args: Path) -> None:
    """Two figures in place of all."""
    charts = figures_of.figure_charts
    figures_of.figure_charts = lambda page, columns: charts(page, columns)[
        columns - 1 : columns + 1
    ]
    sys.argv = ["spikeloom", "figures", *map(str, args)]
    cli.main()


def train(folder: Path) -> None:
    """Two stages of an epoch, and the model that they gave as ONNX."""
    import torch

    from mapper.training import export_onnx
    from mapper.training.hardening.trainer import Options, Run
    from targets import load_target
    from tests.training.test_trainer import SHORT, a_model, a_task

    schedule = tuple(replace(stage, epochs=1) for stage in (SHORT[0], SHORT[-1]))
    task = a_task()
    (x, labels), few = task.train, slice(0, task.batch)
    task = replace(task, train=(x[:, few], labels[few]), test=(x[:, few], labels[few]))
    run = Run(
        model=a_model(),
        task=task,
        target=load_target("adcless-diff-32"),
        options=Options(schedule=schedule, device="cpu"),
        folder=folder,
        report=lambda text: None,
    )
    model = run.train().eval()
    with torch.no_grad():
        export_onnx(model, folder / "model.onnx", task.test[0][:, :1])


def note(folder: Path) -> None:
    """A file of the user's beside what spikeloom wrote."""
    (folder / "notes.txt").write_text("mine", encoding="utf-8")


ACTIONS: dict[str, Callable[..., None]] = {
    "quick-demo": quick_demo,
    "few-figures": few_figures,
    "on-a-volume": on_a_volume,
    "make": Path.mkdir,
    "without-exchange": without_exchange,
    "train": train,
    "note": note,
}
