"""Explore: which design to build, asked of many points of a space."""

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from mapper.api.arguments import check_given
from mapper.api.exploration import Exploration
from mapper.api.inputs import (
    Inputs,
    Model,
    Progress,
    read_inputs_if,
    read_model,
    read_target,
    silent,
)
from mapper.cost.description import Description
from mapper.diagnostics import refuse
from mapper.exploration.designs import Asked
from mapper.exploration.space import Space, load_space
from mapper.exploration.work import explore_work
from mapper.frontend import Imported, NirOptions
from mapper.report.exploration.written import check_ours
from mapper.study.schedulers import SERIAL
from targets import Target


def explore(
    model: Model | Imported,
    space: str | Path | Mapping[str, Any] | Space,
    target: str | Path | Target | None = None,
    *,
    inputs: Inputs | None = None,
    layout: str | None = None,
    nir: NirOptions | None = None,
    sampler: str | None = None,
    points: int | None = None,
    batch: int | None = None,
    seed: int | None = None,
    folder: str | Path | None = None,
    build: Sequence[int] = (),
    scheduler: str = SERIAL,
    workers: int | None = None,
    wait: bool = True,
    progress: Progress = silent,
) -> Exploration:
    """Look at many points of a space of designs: what each costs, and which of them nothing beats.

    The same call gives the same points and the same numbers by every scheduler, and goes on in the
    same folder where it was stopped or killed.

    Args:
        model: As in ``compile``.
        space: What may vary, what is wanted, what is not allowed: the path of a ``.toml`` file, its
            tables, or a ``Space``.
        target: What points are made from: a name, the path of a ``.toml`` file, or a ``Target``;
            None where the space describes it.
        inputs: Recordings that set input codes and readout, and that points are run on where an
            objective asks for it; may have ``labels``.
        layout: Of these recordings, as ``Build.run`` takes it.
        nir: What a NIR file leaves open.
        sampler: ``grid``, ``random``, ``tpe`` or ``nsga2``, in place of what the space says.
        points: How many, in place of what the space says; more may be asked for later.
        batch: Points that are chosen at once, in place of what the space says.
        seed: Of the sampler, in place of what the space says.
        folder: Where records are kept, so that a run that was stopped goes on; what was found and
            the designs of the front are written there.
        build: Numbers of other points whose designs are written, too.
        scheduler: ``serial``, ``threads``, ``processes``, ``dask``, or ``tcp://HOST:PORT`` of
            a Dask scheduler.
        workers: Of the scheduler; as many as there are processors where None.
        wait: Return when it is done; else at once, and it goes on in a thread of its own.
        progress: Called with what is done, and how long the rest may take.

    Raises:
        MappingError: ``bad-space``, ``not-credible``, ``missing-extra``, ``unknown-point``,
            ``output-exists`` and what ``compile`` and ``mapper.study.run_study`` raise. What a
            point is refused for is in its record.
    """
    check_given(
        {
            "space": space,
            "scheduler": scheduler,
            "wait": wait,
            "build": build,
            "progress": progress,
        },
        layout=layout,
        sampler=sampler,
        points=points,
        batch=batch,
        seed=seed,
        folder=folder,
        workers=workers,
    )
    if build and folder is None:
        raise refuse(
            "bad-argument", "designs are written into a folder, and none is given", loc="build"
        )
    read = _read_space(space)
    sampling = read.sampling.but(kind=sampler, points=points, batch=batch, seed=seed)
    progress("importing the model")
    imported, _ = read_model(model, nir)
    recorded = read_inputs_if(inputs, imported.graph.inputs, imported.presented, layout)
    if folder is not None:
        check_ours(Path(folder))
    work = explore_work(imported, _start(target, read), read, recording=recorded)
    network = Path(model).name if isinstance(model, str | Path) else imported.graph.name
    going = Exploration(work, partial(_asked, model, inputs, layout, nir), sampling, network)
    run = partial(
        going._run,
        folder=None if folder is None else Path(folder),
        scheduler=scheduler,
        workers=workers,
        progress=progress,
    )

    def run_and_write() -> None:
        run()
        if folder is not None:
            progress("writing what builds the front")
            going.save(folder, build)

    if wait:
        run_and_write()
    else:
        going._start(run_and_write)
    return going


def _start(target: str | Path | Target | None, space: Space) -> Target | Description:
    """Return what points are made from: the target that is named, or described by the space."""
    if (target is None) == (space.described is None):
        said = "neither is there" if target is None else "both are there"
        raise refuse(
            "bad-space",
            f"points are made from a target that is named or from [describe] of the space: {said}",
            loc="--target",
        )
    if space.described is not None:
        return space.described
    assert target is not None
    return read_target(target)


def _read_space(space: str | Path | Mapping[str, Any] | Space) -> Space:
    if isinstance(space, Space):
        return space
    return load_space(space) if isinstance(space, str | Path) else Space.of_data(dict(space))


def _asked(
    model: Model | Imported,
    inputs: Inputs | None,
    layout: str | None,
    nir: NirOptions | None,
    folder: Path,
) -> Asked:
    """Return what was asked in words of the command line; capitals for what has no file.

    Paths are from a folder, as commands in it take them.
    """
    named = {
        "--layout": layout,
        **({} if nir is None else {f"--{name}": held for name, held in _nir(nir)}),
    }
    recording = _seen(inputs, folder) if isinstance(inputs, str | Path) else "RECORDING.npz"
    return Asked(
        model=_seen(model, folder) if isinstance(model, str | Path) else "MODEL.onnx",
        calibrate="" if inputs is None else recording,
        options=tuple(
            word for name, held in named.items() if held is not None for word in (name, str(held))
        ),
    )


def _seen(path: str | Path, folder: Path) -> str:
    return str(path) if Path(path).is_absolute() else os.path.relpath(path, folder)


def _nir(nir: NirOptions) -> Iterable[tuple[str, object]]:
    return ((name, getattr(nir, name)) for name in ("dt", "reset", "integration", "library"))
