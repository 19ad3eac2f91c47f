"""A build in Python: compile a model or load a folder, then run, verify, cost and report it.

``mapper.build.model.Build`` is the data that files are made from, and stands below the report and
the rings. The class here is that data with everything a person asks of it, so it stands above all
of them.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from numpy.typing import ArrayLike

from mapper.api.arguments import check_given
from mapper.api.dies import DrawsDie
from mapper.api.estimate import Estimate, notes_of
from mapper.api.figures import Figures, check_drawing, draw_report
from mapper.api.inputs import (
    Activity,
    Inputs,
    Model,
    Progress,
    model_file,
    read_activity,
    read_inputs,
    read_inputs_if,
    silent,
)
from mapper.api.page import ReportAnswer, check_place, page_of, write_page
from mapper.api.run import Run
from mapper.api.running import run_on
from mapper.api.yields import MakesDies
from mapper.build import folder as folders
from mapper.build.page import PAGE
from mapper.build.summary import CompileSummary
from mapper.cost import assumed
from mapper.diagnostics import printable
from mapper.frontend import NirOptions
from mapper.ir.core import Graph
from mapper.ir.noise import recorded_inputs
from mapper.layout import Taken
from mapper.recordings import IN_MEMORY, check_no_keys
from mapper.renames import resolved
from mapper.report import Evidence
from mapper.threads import one_blas_thread
from mapper.verify import Verification
from mapper.verify.asked import Asked, Rings
from mapper.verify.every import every_ring
from mapper.verify.evidence import gather_evidence, verified
from mapper.verify.known import check_own_page, shown_if_stopped, store, store_part
from mapper.verify.record import described_file
from targets import DEFAULT_PRESET, Target, load_preset


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Build(DrawsDie, MakesDies):
    """One network on one target: ``compile`` makes one and ``load`` reads one from a folder.

    Nothing is written before ``save``.

    Example:
        >>> build = mapper.compile("model.onnx", "adcless-diff-64", calibrate=events)
        >>> run = build.run(events, trace=True)
        >>> build.verify(events).bit_exact
        True
        >>> round(build.cost(run).energy_pj.nominal)
        931534
        >>> build.save("gesture").folder
        PosixPath('gesture')
    """

    model: Model | None = None
    """What it was compiled from, which ring 3 or ring 7 compares with; None where not known."""
    nir: NirOptions | None = None
    """What was said of a NIR file that it leaves open."""
    warnings: tuple[str, ...] = ()
    """What was assumed in reading the model."""
    recording: Taken | None = None
    """What the recordings it was calibrated on were taken for, where it was compiled with some."""

    # --- what it is ------------------------------------------------------------------------

    @property
    def hardware(self) -> Graph:
        """The graph of integers that the chip computes; ``print`` shows it as text."""
        return self.mapped.hardware

    @property
    def network(self) -> Graph:
        """The network that it was made from."""
        return self.mapped.network

    @property
    def target(self) -> Target:
        return self.mapped.target

    @property
    def summary(self) -> CompileSummary:
        """Crossbars, layers and the cost as compiled: what ``spikeloom compile`` says."""
        folder = "" if self.folder is None else str(self.folder)
        return CompileSummary(
            build=self.mapped,
            folder=folder,
            warnings=self.warnings,
            recording=self.recording,
        )

    # --- what it does ----------------------------------------------------------------------

    @one_blas_thread
    def run(
        self,
        inputs: Inputs,
        *,
        layout: str | None = None,
        backend: str | None = None,
        threads: int | None = None,
        spikes: bool = False,
        trace: bool = False,
        run_seed: int = 0,
        progress: Progress = silent,
    ) -> Run:
        """Compute every output bit on recordings.

        Of a build in a folder, what is counted on a file is stored there as ``activity.npz``, and
        its page is laid out with it.

        Args:
            inputs: Arrays ``[T, B, *shape]`` by input name, one array, or the path of a ``.npz``
                file: real numbers as they were recorded, coded here as the build codes them.
                ``[T, *shape]`` is one sample; of a network that was exported on images,
                ``[B, *shape]`` are B images. The answer says what was taken in ``recording``.
            layout: What the first axis counts otherwise, ``steps`` or ``samples``.
            backend: ``native`` or ``numpy``; the fastest that is installed where None. The
                integers do not depend on it.
            threads: Of the native backend; every processor where None.
            spikes: Return the spikes of every layer of neurons, too.
            trace: Count spikes and driven wordlines, for ``cost``.
            run_seed: What noise of reads follows from, on a die whose reads have noise.
            progress: Called with what is done.

        Raises:
            MappingError: ``input-name``, ``input-shape``, ``input-layout``, ``input-range``,
                ``bad-recording``, ``unknown-backend``, ``backend-unavailable``.
        """
        needed = {"spikes": spikes, "trace": trace, "run_seed": run_seed, "progress": progress}
        check_given(needed, threads=threads, backend=backend)
        taken = recorded_inputs(self.hardware)
        return run_on(
            self.mapped,
            read_inputs(inputs, taken, self.mapped.presented, layout),
            None if self.folder is None else (self.folder, self.identity),
            backend=backend,
            threads=threads,
            spikes=spikes,
            trace=trace,
            run_seed=run_seed,
            progress=progress,
        )

    @one_blas_thread
    def verify(
        self,
        inputs: Inputs,
        *,
        labels: ArrayLike | None = None,
        layout: str | None = None,
        model: Model | None = None,
        nir: NirOptions | None = None,
        rings: str | Sequence[str | int] | None = None,
        steps: int | None = None,
        samples: int | None = None,
        progress: Progress = silent,
    ) -> Verification:
        """Run the rings of trust on recordings.

        Of a build in a folder, what is found on a file is stored there as ``verification.json`` and
        ``activity.npz``, and its page is laid out with it. Rings that have ended are stored while
        others run, so that a run that is stopped leaves them.

        Args:
            inputs: As in ``run``; a file or a mapping may also have ``labels`` and
                ``expected_<output>``.
            labels: The class of each sample ``[B]``, for accuracy.
            layout: As in ``run``.
            model: The model that it was compiled from, for rings 3 and 7; what ``compile`` was
                given where None.
            nir: What a NIR model leaves open.
            rings: Names or numbers of those to run, ``"2,4"`` or ``[2, 4]``; all where None.
            steps: How many time steps to use, from the first; all where None.
            samples: How many samples to use, from the first; all where None.
            progress: Called with what comes next, and how long it may take.

        Raises:
            MappingError: ``other-model`` where the build was made from another file,
                ``unknown-ring``, ``verify-extent``, and for anything wrong with the recordings.

        Example:
            One sample of a large network, without the passes::

                build.verify("events.npz", rings=[1, 4, 5], samples=1)
        """
        check_given({"progress": progress}, nir=nir, rings=rings)
        asked, how = Asked.of(rings, steps, samples), self.mapped.presented
        whole = read_inputs(inputs, recorded_inputs(self.hardware), how, layout, labels)
        check_no_keys(self.hardware, whole)
        recorded, extent = asked.cut(whole)
        of_run = Rings(asked=asked, extent=extent)
        kept = self.folder is not None and recorded.where != IN_MEMORY
        with ExitStack() as files:
            given = self.model if model is None else model
            path = None if given is None else files.enter_context(model_file(given))
            nir = nir or self.nir
            if not kept:
                return every_ring(self.mapped, recorded, path, nir, progress, rings=of_run)
            named = {"input": Path(recorded.where), "model": path}
            described = {what: described_file(file) for what, file in named.items() if file}
            place = self._in_folder(), self.identity
            of_run.ended = lambda part: store_part(*place, part, described)
            files.enter_context(shown_if_stopped(self.mapped, *place))
            found, ran = verified(self.mapped, recorded, path, nir, progress, of_run)
        progress("laying the page out")
        warning = store(self.mapped, *place, ran, found, described)
        return replace(found, warnings=(*found.warnings, warning)) if warning else found

    def cost(
        self,
        activity: Activity = None,
        *,
        steps: int = 1,
        preset: str = DEFAULT_PRESET,
        every_ms: float | None = None,
        sensitivity: bool = False,
    ) -> Estimate:
        """Estimate energy, latency and area of one inference.

        Args:
            activity: A run with ``trace=True``, its trace or the path of one, or the share of
                input bits that are 1, 0..1; ``mapper.cost.DENSITY`` where None.
            steps: Time steps of an inference, with a density.
            preset: What to assume of the chip beyond its target: ``paper``, ``physical``,
                ``as-built``.
            every_ms: Milliseconds from one inference to the next: the whole chip leaks in
                between. Back to back where None.
            sensitivity: Say what each constant does to the totals, too.

        Raises:
            MappingError: ``activity-array``, ``activity-density``, ``activity-steps``,
                ``unknown-preset``, ``cost-every``.
        """
        check_given({"preset": preset, "sensitivity": sensitivity}, steps=steps, every_ms=every_ms)
        assumed(preset, every_ms)
        evidence = gather_evidence(
            self.mapped, activity=read_activity(activity), steps=steps, folder=self.folder
        )
        page = self.mapped.report(evidence, preset, every_ms)
        swings = page.swings if sensitivity else None
        stored = None if activity is not None else self.folder
        return Estimate(page=page, sensitivity=swings, notes=notes_of(page, self.mapped, stored))

    @one_blas_thread
    def report(
        self,
        path: str | Path | None,
        *,
        inputs: Inputs | None = None,
        layout: str | None = None,
        activity: Activity = None,
        steps: int | None = None,
        every_ms: float | None = None,
        model: Model | None = None,
        nir: NirOptions | None = None,
        progress: Progress = silent,
    ) -> ReportAnswer:
        """Write the report as one offline HTML page, and return what it answers first.

        Args:
            path: The page; None writes nothing, as a folder has a page of its own.
            inputs: Recordings to verify on and, without ``activity``, to count spikes on.
            layout: Of these recordings, as in ``run``.
            activity: As in ``cost``. Where this, ``steps`` and ``inputs`` are None it is what was
                recorded last, where the folder has that.
            steps: Time steps of an inference, with a density.
            every_ms: As in ``cost``.
            model: As in ``verify``.
            nir: What a NIR model leaves open.
            progress: Called with what comes next.

        Raises:
            MappingError: ``report-output`` where the page would change the build, or a build that
                is in no folder gets no ``path``; and for anything wrong with the files.
        """
        check_given({"progress": progress}, path=path, steps=steps, nir=nir, every_ms=every_ms)
        output = None if path is None else Path(path)
        asked = any(given is not None for given in (activity, inputs, steps, every_ms))
        check_place(self.folder, output, asked=asked)
        taken = recorded_inputs(self.hardware)
        recorded = read_inputs_if(inputs, taken, self.mapped.presented, layout)
        given = self.model if model is None else model
        with ExitStack() as files:
            evidence = gather_evidence(
                self.mapped,
                activity=read_activity(activity),
                steps=steps,
                recording=recorded,
                model=None if given is None else files.enter_context(model_file(given)),
                nir=nir or self.nir,
                folder=self.folder,
                recorded=True,
                progress=progress,
            )
        where = output or self._in_folder() / PAGE
        answer, page = page_of(self.mapped, evidence, where, every_ms)
        if output is None:
            check_own_page(self.mapped, self._in_folder(), self.identity, evidence, page)
        else:
            write_page(output, page)
        return replace(
            answer,
            as_compiled=output is None and evidence == Evidence(),
            recording=None if recorded is None else recorded.taken,
        )

    def _in_folder(self) -> Path:
        assert self.folder is not None
        return self.folder

    def figures(
        self,
        folder: str | Path,
        *,
        activity: Activity = None,
        steps: int | None = None,
        preset: str = DEFAULT_PRESET,
        columns: int = 1,
        progress: Progress = silent,
    ) -> Figures:
        """Write the charts of the report as SVG, PNG and PDF, with captions.

        Figures of an earlier call that nobody changed are removed where they are not drawn anew.

        Args:
            folder: Where to write them; not in a build folder.
            activity: As in ``cost``.
            steps: Time steps of an inference, with a density.
            preset: What to assume of the chip beyond its target.
            columns: Columns of a paper that a figure is wide, 1 or 2.
            progress: Called with what comes next.

        Raises:
            MappingError: ``missing-extra`` without vl-convert, ``report-output`` where figures
                would change a build. Nothing is written then.
        """
        needed = {"folder": folder, "preset": preset, "columns": columns, "progress": progress}
        check_given(needed, steps=steps)
        check_drawing(Path(folder))
        load_preset(preset)
        evidence = gather_evidence(self.mapped, activity=read_activity(activity), steps=steps)
        page = self.mapped.report(evidence, preset)
        progress("drawing")
        return draw_report(Path(folder), page, preset, columns)

    def save(self, folder: str | Path) -> "Build":
        """Write the build folder, at once or not at all; a build that is there is replaced.

        Returns:
            The same build, with its ``folder``.

        Raises:
            MappingError: ``output-exists`` where the folder has something that is not a build.
        """
        check_given({"folder": folder})
        folder = Path(folder)
        place = resolved(folder)  # "." is another folder once it was exchanged
        folders.write_build(self.mapped, folder)
        return replace(self, folder=folder, identity=folders.identity(place))

    def __repr__(self) -> str:
        return printable(f"Build({self.summary.head()})")

    def _repr_html_(self) -> str:
        return self.summary._repr_html_()
