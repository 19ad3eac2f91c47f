"""What a run of a build gave."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from mapper.api.arguments import check_given
from mapper.build.model import Build
from mapper.decided import Deciding
from mapper.diagnostics import printable
from mapper.executor.engine import Ran
from mapper.executor.ports import unused_starts
from mapper.ir.core import Array, Graph
from mapper.ir.firing import MAPPING, Firing, firing_of
from mapper.ir.weights import write_arrays
from mapper.layout import Taken
from mapper.notebook import html_table
from mapper.proportions import Score
from mapper.recordings import IN_MEMORY, Recording, checked_arrays, coding_tables, to_reals
from mapper.verify.answers import classes, judged, score, wanted_classes
from mapper.writing import whole_file

SCHEMA = "spikeloom/run/1"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Run:
    """The integers that a build computed on a recording, the same on every backend.

    Example:
        >>> run = build.run({"x": events}, spikes=True)  # events [T, B, *shape]
        >>> run.outputs["spk"].shape  # integers [T, B, *shape]
        (20, 8, 6)
        >>> run.predictions, run.accuracy(labels)  # the class of each sample
        (array([0, 0, 4, 3, 4, 5, 0, 1]), 0.75)
        >>> print(run.score(labels))
        75.0 % (6 of 8, 95 %: 40.9 .. 92.9)
    """

    deciding: Deciding
    """The hardware graph that was run, with what the host computes of its outputs."""
    outputs: Mapping[str, Array]
    """Integers ``[T, B, *shape]`` by output of the chip; ``reals`` has what they stand for."""
    answers: Mapping[str, Array]
    """The outputs of the model: what the host computed of the reals where the build has an
    epilogue, ``[T, B, *shape]``, or ``[B, *shape]`` of the whole sequence; else the reals."""
    spikes: Mapping[str, Array]
    """Spikes ``[T, B, *shape]`` of every layer of neurons by the name of its value; empty
    where they were not asked for."""
    trace: Mapping[str, Array] | None
    """What ``Build.cost`` counts: spikes and driven wordlines; None where it was not asked for."""
    firing: Firing
    """How often each layer fired, and whether the outputs depend on the inputs."""
    backend: str
    """``native`` or ``numpy``."""
    variant: str = ""
    """Which instructions the native kernels used."""
    notes: tuple[str, ...] = ()
    """What ran on NumPy all the same, and why."""
    uncalibrated: tuple[str, ...] = ()
    """A warning of the build where its readout was set without recordings."""
    recording: Taken | None = None
    """What the arrays of the inputs were taken for: samples, time steps, images that are shown."""
    die: str = ""
    """Which die it ran on, of what; empty of the ideal chip."""
    written: Mapping[str, str] | None = None
    """Files that ``save`` wrote: ``output``, and ``trace`` where there is one."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What makes the outputs worth less than they look.

        Layers that never or always fire, and readout that was set without recordings.
        """
        return (*self.firing.warnings(MAPPING), *self.uncalibrated)

    @property
    def steps(self) -> int:
        """Time steps."""
        return int(next(iter(self.outputs.values())).shape[0])

    @property
    def samples(self) -> int:
        return int(next(iter(self.outputs.values())).shape[1])

    @property
    def graph(self) -> Graph:
        """The hardware graph."""
        return self.deciding.graph

    @property
    def reals(self) -> dict[str, Array]:
        """The real numbers ``[T, B, *shape]`` that the outputs stand for."""
        return to_reals(self.graph, self.outputs)

    @property
    def predictions(self) -> Array:
        """The class of each sample ``[B]``.

        That is where the first answer sums to most over time, or the one that it names most often.
        """
        return classes(self._deciding)

    def accuracy(self, labels: ArrayLike) -> float:
        """Return the share of samples, 0..1, whose class is their label ``[B]``; see ``score``.

        Raises:
            MappingError: ``input-shape`` where there is not one label for each sample.
        """
        return self.score(labels).share

    def score(self, labels: ArrayLike) -> Score:
        """Count the samples whose class is their label ``[B]``: accuracy and its 95 % interval.

        Raises:
            MappingError: ``input-shape`` where there is not one label for each sample.
        """
        given, one = checked_arrays({"labels": labels}), self.deciding
        wanted = wanted_classes(given, one.name, self.samples, one.classes, IN_MEMORY)
        assert wanted is not None  # labels were given
        return score(self._deciding, wanted)

    @property
    def _deciding(self) -> Array:
        return self.deciding.votes(self.answers)

    @property
    def arrays(self) -> Mapping[str, Array]:
        """What ``save`` writes: ``outputs`` by name.

        Of a build with an epilogue ``answers`` by name, and ``outputs`` with ``.codes`` behind.
        """
        if self.deciding.epilogue is None:
            return self.outputs
        from mapper.epilogue.model import codes_of

        return {**self.answers, **{codes_of(n): array for n, array in self.outputs.items()}}

    def save(self, path: str | Path) -> "Run":
        """Write ``arrays`` as ``.npz`` and, of a traced run, ``NAME.trace.npz`` beside them.

        Returns:
            The same run, with the names of the files in ``written``.
        """
        check_given({"path": path})
        path = Path(path)
        written = {"output": str(path)}
        if self.trace is not None:
            counts = path.with_suffix(".trace.npz")
            _write(counts, self.trace)
            written["trace"] = str(counts)
        _write(path, self.arrays)
        return replace(self, written=written)

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON of ``spikeloom run``."""
        return {
            "schema": SCHEMA,
            "backend": self.backend,
            **({"variant": self.variant} if self.variant else {}),
            "notes": list(self.notes),
            "warnings": list(self.warnings),
            "steps": self.steps,
            "samples": self.samples,
            **({"die": self.die} if self.die else {}),
            **({} if self.recording is None else {"recording": self.recording.as_dict()}),
            "outputs": {name: self._described(name) for name in self.outputs},
            **self._answered(),
            "firing": self.firing.as_dict(),
            **(self.written or {}),
        }

    def _answered(self) -> dict[str, Any]:
        """Describe what the host computed; nothing where there is no epilogue."""
        if self.deciding.epilogue is None:
            return {}
        from mapper.epilogue.model import host_of

        told = {name: {"shape": list(array.shape)} for name, array in self.answers.items()}
        return {"answers": told, "on_host": host_of(self.deciding.epilogue).as_dict()}

    def _described(self, name: str) -> dict[str, Any]:
        """Describe an integer output, and the reals it stands for: ``scale * code + offset``."""
        array, (scale, offset) = self.outputs[name], coding_tables(self.graph, name)
        return {
            "shape": list(array.shape),
            "mean": float(array.mean()),
            "max": int(array.max()),
            "scale": scale.tolist(),
            "offset": offset.tolist(),
        }

    def __repr__(self) -> str:
        arrays = ", ".join(f"{name} {list(array.shape)}" for name, array in self.arrays.items())
        return printable(f"Run({arrays}; {self.backend})")

    def _repr_html_(self) -> str:
        return html_table(
            f"{self.recording or Taken(self.samples, self.steps)}, backend {self.backend}",
            ("output", "shape", "mean", "greatest"),
            (
                (name, list(array.shape), f"{array.mean():.4g}", array.max())
                for name, array in self.arrays.items()
            ),
            (*self.warnings, *self.notes),
        )


def run_of(
    build: Build,
    ran: Ran,
    codes: Mapping[str, Array],
    recording: Recording,
    *,
    spikes: Sequence[str],
    traced: bool,
) -> Run:
    """Return what an engine gave of a build, on input codes, as an answer.

    Args:
        build: What ran.
        ran: Its outputs, and the values that were watched.
        codes: Its inputs ``[T, B, *shape]`` by name.
        recording: What these are the codes of.
        spikes: Names of watched values that the answer has, too.
        traced: Keep the trace.
    """
    graph, deciding = build.hardware, build.deciding
    outputs = {value.name: ran.outputs[value.name] for value in graph.outputs}
    answers = deciding.answers(outputs)
    unused = unused_starts([state.read.name for state in graph.states], recording.arrays)
    return Run(
        deciding=deciding,
        outputs=outputs,
        answers=answers,
        spikes={name: ran.outputs[name] for name in spikes},
        uncalibrated=build.uncalibrated,
        trace=ran.trace if traced else None,
        firing=_firing(deciding, answers, ran, codes, recording),
        backend=ran.engine,
        recording=recording.taken,
        variant=ran.variant,
        notes=(*ran.notes, *filter(None, (unused,))),
        die="" if build.die is None else build.die.named,
    )


def _firing(
    deciding: Deciding,
    answers: Mapping[str, Array],
    ran: Ran,
    codes: Mapping[str, Array],
    recording: Recording,
) -> Firing:
    """Say what the run shows of its layers, and of its answers where samples have labels."""
    found = firing_of(deciding.graph, ran.counts, codes, ran.outputs)
    labels = deciding.wanted(recording.arrays, recording)
    return judged(found, classes(deciding.votes(answers)), labels)


def _write(path: Path, arrays: Mapping[str, Array]) -> None:
    with whole_file(path) as temporary:
        write_arrays(temporary, arrays, compress=True)
