"""Which readout for which layer, in Python."""

from pathlib import Path

from numpy.typing import ArrayLike

from mapper.api.arguments import check_given
from mapper.api.inputs import Inputs, Model, Progress, read_inputs, read_model, read_target, silent
from mapper.assigning import GOALS, Assigned, Wanted, assign_network
from mapper.assigning.trials import Trains, Trials
from mapper.cost.estimate import assumed
from mapper.decided import Deciding
from mapper.diagnostics import nearest, refuse
from mapper.frontend import Imported, NirOptions
from mapper.ir.assignment import UNASSIGNED, Assignment
from mapper.ir.core import Array
from mapper.recordings import Recording
from mapper.report.assigning.written import check_place, save_assigned
from mapper.study.schedulers import SERIAL
from mapper.study.sweep import check_share
from mapper.threads import one_blas_thread
from targets import DEFAULT_PRESET, Target, given_assignment


@one_blas_thread
def assign(
    model: Model | Imported,
    target: str | Path | Target,
    *,
    inputs: Inputs,
    keep: float = 0.01,
    by: str = "energy",
    assignment: Assignment | str | Path | None = None,
    labels: ArrayLike | None = None,
    layout: str | None = None,
    preset: str = DEFAULT_PRESET,
    output: str | Path | None = None,
    folder: str | Path | None = None,
    seed: int = 0,
    scheduler: str = SERIAL,
    workers: int | None = None,
    train: Trains | None = None,
    nir: NirOptions | None = None,
    progress: Progress = silent,
) -> Assigned:
    """Find the cheapest readout for each layer that keeps the accuracy.

    The first recordings calibrate, as they do for ``compile(..., calibrate=inputs)``, which makes
    the same build, and are for choosing; half of the others, drawn by ``seed``, is for telling.

    Args:
        model: The path of an ONNX or NIR file, an ``onnx.ModelProto``, or what ``import_model``
            returns: a network that is not trained for hardware.
        target: One with several macro kinds, such as ``readouts-64``.
        inputs: As ``Build.run`` takes them, 16 recordings or more; a file or a mapping may also
            have ``labels``. Without labels the classes of the best readout are what is kept.
        keep: Share of recordings, 0..1, by which it may be less accurate than the best assignment
            that is found.
        by: What is made least: ``energy``, ``latency`` or ``area``, nominal.
        assignment: What is decided already: layers that have a macro keep it; widths, packing and
            copies hold.
        labels: The class of each recording ``[B]``.
        layout: As ``Build.run`` takes it.
        preset: What to assume of the chip beyond its target.
        output: File (``.toml``) for the assignment, or a folder for it with a page that shows what
            each step bought, and the same numbers as JSON, Markdown and LaTeX; nothing is written
            where None.
        folder: Where records are kept, so that a search that was stopped goes on.
        seed: Of which recordings are for choosing.
        scheduler: Who measures, as in ``Build.dies``.
        workers: Of the scheduler.
        train: Trains the network for each assignment before it is measured, such as
            ``mapper.training.assigning.Hardening``; None: it is compiled as it is.
        nir: What a NIR file leaves open.
        progress: Called with what is measured, and how long the rest may take.

    Raises:
        MappingError: ``nothing-to-assign``, ``few-recordings``, ``no-classes``, ``bad-option``,
            ``bad-share``; ``trained-for-other-hardware`` of a model that brings its readout;
            ``output-exists`` where something would be replaced that no search wrote; and what
            ``compile`` and ``mapper.study.run_study`` raise.
    """
    check_given(
        {"preset": preset, "seed": seed, "scheduler": scheduler, "progress": progress, "by": by},
        assignment=assignment,
        output=output,
        folder=folder,
        workers=workers,
        keep=keep,
        train=train,
    )
    check_share(keep, "keep")
    if keep == 1:
        raise refuse(
            "bad-share",
            "1 is 100 %: an assignment that may lose everything needs no search",
            loc="keep",
            help="write 1% or 0.01 for one point of accuracy",
        )
    if output is not None:
        check_place(Path(output))
    if by not in GOALS:
        raise refuse(
            "bad-option",
            f"'{by}' is nothing to make least{nearest(by, GOALS)}",
            loc="--by",
            help=f"one of {', '.join(GOALS)}",
        )
    assumed(preset)
    decided = given_assignment(assignment) or UNASSIGNED
    facts = read_target(target)
    imported, _ = read_model(model, nir)
    _check_untrained(imported)
    recording = read_inputs(inputs, imported.graph.inputs, imported.presented, layout, labels)
    found = assign_network(
        Trials(
            network=imported.graph,
            target=facts,
            inputs=recording.inputs,
            where=recording.where,
            preset=preset,
            epilogue=imported.epilogue,
            seed=seed,
            train=train,
        ),
        Wanted(
            keep=float(keep),
            by=by,
            decided=decided,
            labels=_labels(imported, recording),
            folder=None if folder is None else Path(folder),
            scheduler=scheduler,
            workers=workers,
            progress=progress,
        ),
    )
    if output is not None:
        save_assigned(found, Path(output))
    return found


def _check_untrained(imported: Imported) -> None:
    if imported.trained_for:
        raise refuse(
            "trained-for-other-hardware",
            f"'{imported.graph.name}' was trained for '{imported.trained_for}' and brings the "
            "readout of every layer",
            loc=imported.graph.name,
            help="give the float network that it was trained from",
        )


def _labels(imported: Imported, recording: Recording) -> Array | None:
    deciding = Deciding(graph=imported.graph, epilogue=imported.epilogue)
    if not deciding.names_classes:
        raise refuse(
            "no-classes",
            f"output '{deciding.name}' is no list of classes, which accuracy is counted of",
            loc=deciding.name,
        )
    return deciding.wanted(recording.arrays, recording)
