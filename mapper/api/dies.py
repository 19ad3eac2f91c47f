"""Dies of a build: which chip is drawn of it, and that chip as a build of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

from numpy.typing import ArrayLike

from mapper.api.arguments import check_given
from mapper.api.calibrated import CalibratedDie, chosen, overlap, worth_of
from mapper.api.inputs import Inputs, Progress, read_inputs, read_inputs_if, silent
from mapper.build.die import ideal_chip
from mapper.build.model import Build as Mapped
from mapper.diagnostics import refuse
from mapper.dies.calibrate import calibrate
from mapper.dies.covered import DeviceUsed
from mapper.dies.differences import DieFacts
from mapper.dies.draw import Lot, activity_of
from mapper.dies.drawn import Drawn
from mapper.dies.measured import read_measured
from mapper.executor import engine
from mapper.ir.core import Array
from mapper.ir.noise import recorded_inputs
from mapper.recordings import Recording, to_codes
from mapper.report.one_chip import LayerDifference
from mapper.threads import one_blas_thread
from passes.dies.facts import NAMES
from targets.devices import Device, load_device

SCHEMA = "spikeloom/die/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class DieSummary:
    """What one die is, and what differs from the chip that the network was compiled for."""

    facts: DieFacts
    folder: str
    """Where it is saved; empty where it is not."""

    @property
    def die(self) -> Drawn:
        """What it was drawn from."""
        return self.facts.die

    @property
    def devices(self) -> tuple[DeviceUsed, ...]:
        """In the macros that the network takes."""
        return self.facts.devices

    @property
    def layers(self) -> tuple[LayerDifference, ...]:
        """What differs in each layer, in execution order."""
        return self.facts.layers

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON of ``spikeloom die``."""
        step = self.die.step
        return {
            "schema": SCHEMA,
            "die": self.die.named,
            "seed": step.seed,
            "age_s": step.age,
            "temperature_c": step.temperature,
            "devices": {
                macro: {
                    "name": device.name,
                    "digest": device.digest,
                    "not_covered": list(device.not_covered),
                    "unverified": list(device.unverified),
                }
                for device in self.devices
                for macro in device.macros
            },
            "layers": [asdict(layer) for layer in self.layers],
            **({"folder": self.folder} if self.folder else {}),
        }

    @property
    def notes(self) -> tuple[str, ...]:
        """Which imperfections are not known, and which facts nobody verified."""
        return self.facts.notes


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class DrawsDie:
    """What a ``Build`` says and does of chips as they come from the fab."""

    mapped: Mapped
    """Hardware graph, network, target and options: all that the files are made from."""
    folder: Path | None = None
    """Where it is saved; None where it is not."""
    identity: str = ""
    """What the build in ``folder`` is known by, to its records; empty where it is in none."""

    @one_blas_thread
    def die(
        self,
        seed: int | None = None,
        *,
        measured: str | Path | Sequence[str | Path] | None = None,
        device: str | Path | Device | None = None,
        settings: Mapping[str, float] | None = None,
        age: float | None = None,
        temperature: float | None = None,
        inputs: Inputs | None = None,
        layout: str | None = None,
        progress: Progress = silent,
    ) -> Self:
        """Draw one chip as it comes from the fab; it is a build that does all that others do.

        Example:
            >>> build.die(3, device="rram-wan").verify(events).bit_exact
            True

        Args:
            seed: Which die, from 0 to ``2**63 - 1``. With ``measured`` it may be None: what was
                not measured is ideal then.
            measured: Files of what was measured of the chip, ``.npz`` or ``.csv``; see
                ``mapper.dies.measured``.
            device: In every macro: a device, its name or its file; what the target names if None.
            settings: Facts of the device to replace: ``{"cell.sigma": 0.1}``.
            age: Of the chip, in seconds since it was programmed; as programmed if None.
            temperature: In degrees Celsius; that at which facts hold if None.
            inputs: Recordings that say how often wordlines are driven, which wires and noise of
                cells depend on; as in ``run``.
            layout: Of these recordings, as in ``run``.
            progress: Called with what comes next.

        Raises:
            MappingError: ``of-a-die`` where it is a die already; ``no-device``,
                ``device-setting``, ``device-levels``, ``device-age``, ``die-activity``,
                ``die-too-large``, ``bad-measured``, ``measured-site``; what is wrong with a
                device's file or the recordings.
        """
        check_given(
            {"progress": progress} | ({} if measured is not None else {"seed": seed}),
            measured=measured,
            device=device,
            settings=settings,
            age=age,
            temperature=temperature,
        )
        build = ideal_chip(self.mapped)
        recorded = read_inputs_if(inputs, build.hardware.inputs, build.presented, layout)
        if seed is not None:
            check_given({"seed": seed})
        lot = Lot(
            device=device if isinstance(device, Device | None) else load_device(device),
            settings=settings or {},
            age=age,
            temperature=temperature,
            without=NAMES if seed is None else (),
        )
        known = None
        if measured is not None:
            files = [measured] if isinstance(measured, str | Path) else measured
            known = read_measured([*map(Path, files)], build.hardware, lot.of(build.target))
        activity = {}
        if recorded is not None:
            progress("counting driven wordlines")
            activity = driven(build, recorded)
        progress("drawing the die")
        drawn = lot.drawn(build.hardware, build.target, seed or 0, activity, measured=known)
        made = replace(build, die=drawn, hardware=drawn.draw(build.target))
        return replace(self, mapped=made, folder=None, identity="")

    @one_blas_thread
    def calibrate(
        self,
        samples: Inputs,
        *,
        trim: bool | None = None,
        trim_step: float | None = None,
        trim_range: float | None = None,
        biases: bool | None = None,
        place: bool | None = None,
        inputs: Inputs | None = None,
        labels: ArrayLike | None = None,
        layout: str | None = None,
        progress: Progress = silent,
    ) -> "CalibratedDie":
        """Trim the references of a known die, move its biases, place its rows and columns.

        Where none of ``trim``, ``biases`` and ``place`` is given, all that the target can is done;
        else those that are True.

        Args:
            samples: Recordings that it is calibrated on, as in ``run``.
            trim: Move references by what was measured of them, in steps.
            trim_step: These steps, in counts; what the target says if None.
            trim_range: How far a reference moves, up or down, in counts; what the device says if
                None.
            biases: Move the bias of each channel and copy.
            place: Put rows and columns round stuck cells and offsets.
            inputs: Recordings that take no part, to say what the calibration is worth.
            labels: The class of each sample of ``inputs``, where a file has none.
            layout: Of all recordings, as in ``run``.
            progress: Called with what comes next.

        Raises:
            MappingError: ``not-a-die``; ``trim-step`` where references are to be trimmed, and
                neither the target nor ``trim_step`` says in which steps; ``trim-range``.
        """
        check_given(
            {"progress": progress},
            trim=trim,
            trim_step=trim_step,
            trim_range=trim_range,
            biases=biases,
            place=place,
        )
        die, build = self._drawn(), self.mapped
        taken = recorded_inputs(build.ideal)
        recorded = read_inputs(samples, taken, build.presented, layout)
        apart = read_inputs_if(inputs, taken, build.presented, layout)
        if apart is not None and labels is not None:
            apart = apart.labelled(labels)
        what = chosen(build.target, trim, trim_step, trim_range, biases, place)
        codes = to_codes(build.ideal, recorded.inputs, recorded.where)
        progress("calibrating")
        found = calibrate(die, build.target, codes, what)
        hardware = found.die.draw(build.target)
        made = replace(build, die=found.die, hardware=hardware)
        progress("comparing with the ideal chip")
        graphs = {"ideal": build.ideal, "before": build.hardware, "after": hardware}
        worth = {
            name: worth_of(graph, build.ideal, apart, build.epilogue)
            for name, graph in graphs.items()
            if apart is not None
        }
        return CalibratedDie(
            build=replace(self, mapped=made, folder=None, identity=""),
            what=what,
            found=found,
            worth=worth,
            overlap=None if apart is None else overlap(recorded, apart),
        )

    @property
    def die_summary(self) -> DieSummary:
        """What this die is: what ``spikeloom die`` says.

        Raises:
            MappingError: ``not-a-die`` of the ideal chip.
        """
        self._drawn()
        facts = self.mapped.die_facts
        assert facts is not None
        return DieSummary(facts=facts, folder="" if self.folder is None else str(self.folder))

    def _drawn(self) -> Drawn:
        if self.mapped.die is not None:
            return self.mapped.die
        raise refuse(
            "not-a-die",
            "this is a build of the ideal chip, and no die",
            loc="" if self.folder is None else str(self.folder),
            help="draw one first: spikeloom die BUILD --seed N -o DIE",
        )


def driven(build: Mapped, recorded: Recording) -> dict[str, Array]:
    """Return how often wordlines are driven on recordings; see ``activity_of``."""
    codes = to_codes(build.hardware, recorded.inputs, recorded.where)
    ran = engine.run(build.hardware, codes, trace=True, generated=build)
    return activity_of(build.hardware, ran.counts, recorded.taken.steps, recorded.taken.samples)
