"""What the calls of ``mapper`` and the methods of its classes take, by the name of the argument.

Arguments of one name mean the same everywhere. Models, recordings, labels and widths of weights are
not here: what reads them refuses all that they cannot be.
"""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Real

from mapper.arguments import CALL, FLAG, PATH, TEXT, WHOLE, Later, Takes, check_arguments
from mapper.ir.assignment import Assignment
from targets import Target
from targets.devices import Device

TARGET = Takes(words="a target, its name or its file", types=(str, os.PathLike, Target))

PICOJOULES = Takes(words="pJ, as a number", types=(Real,))

SEED = Takes(words="a seed, a whole number from 0 on", types=(int,), low=0, high=(1 << 63) - 1)

TAKES = {
    "ac_pj": PICOJOULES,
    "by": Takes(words='"energy", "latency" or "area"', types=(str,)),
    "keep": Takes(words="a share, 0..1", types=(Real,)),
    "after": CALL,
    "age": Takes(words="seconds since programming, as a number", types=(Real,)),
    "assignment": Takes(
        words="a mapper.Assignment or its file", types=(Assignment, str, os.PathLike)
    ),
    "attribute": FLAG,
    "biases": FLAG,
    "backend": Takes(words='"native" or "numpy"', types=(str,)),
    "batch": WHOLE,
    "build": Takes(
        words="numbers of points", types=(Sequence,), each=Takes(words="a number", types=(int,))
    ),
    "columns": Takes(words="1 or 2", types=(int,), low=1, high=2),
    "density": Takes(words="a share of input bits, 0..1", types=(Real,)),
    "device": Takes(words="a device, its name or its file", types=(str, os.PathLike, Device)),
    "dies": WHOLE,
    "every_ms": Takes(words="milliseconds, as a number", types=(Real,)),
    "folder": PATH,
    "iso": Takes(words='"area", "throughput" or "mux"', types=(str,)),
    "layout": Takes(words='"steps" or "samples"', types=(str,)),
    "mac_pj": PICOJOULES,
    "measured": Takes(
        words="a file of what was measured, or several",
        types=(str, os.PathLike, Sequence),
        each=Takes(words="a path", types=(str, os.PathLike)),
    ),
    "nir": Takes(words="mapper.NirOptions", later=Later("mapper.frontend.nir.rules", "NirOptions")),
    "output": PATH,
    "page": FLAG,
    "passes": Takes(
        words='options by pass, as {"replicate": {"max_copies": 4}}',
        types=(Mapping,),
        each=Takes(words="options by name", types=(Mapping,)),
    ),
    "path": PATH,
    "place": FLAG,
    "points": WHOLE,
    "preset": TEXT,
    "progress": CALL,
    "require": Takes(words="a share, 0..1", types=(Real,)),
    "rings": Takes(
        words='rings by name or number, as "2,4" or [2, 4]',
        types=(str, int, Sequence, set, frozenset),
        each=Takes(words="a ring", types=(str, int)),
    ),
    "run_seed": SEED,
    "sampler": TEXT,
    "scheduler": TEXT,
    "seed": SEED,
    "sensitivity": FLAG,
    "settings": Takes(
        words='facts of a device by name, as {"cell.sigma": 0.1}',
        types=(Mapping,),
        each=Takes(words="a number", types=(Real,)),
    ),
    "space": Takes(
        words="a mapper.exploration.space.Space, its tables or its file",
        types=(str, os.PathLike, Mapping),
        later=Later("mapper.exploration.space", "Space"),
    ),
    "spikes": FLAG,
    "spread_steps": FLAG,
    "steps": WHOLE,
    "sweeps": Takes(
        words="sweeps, as mapper.study.sweep.parse_sweep reads them",
        types=(Sequence,),
        each=Takes(words="a sweep", later=Later("mapper.study.sweep", "Sweep")),
    ),
    "target": TARGET,
    "targets": Takes(
        words='several targets, as ["adcless-64", "ideal-128"]', types=(Iterable,), each=TARGET
    ),
    "train": Takes(
        words="what trains a network for an assignment, as mapper.training.assigning.Hardening",
        types=(Callable,),  # type: ignore[arg-type]  # it has instances
    ),
    "trim": FLAG,
    "trim_range": Takes(words="counts, as a number", types=(Real,)),
    "trim_step": Takes(words="counts, as a number", types=(Real,)),
    "temperature": Takes(words="degrees Celsius, as a number", types=(Real,)),
    "threads": Takes(words="a number of threads, 1 or more", types=(int,), low=1),
    "trace": FLAG,
    "wait": FLAG,
    "workers": Takes(words="a number of workers, 1..4096", types=(int,), low=1, high=4096),
}


def check_given(needed: Mapping[str, object], **given: object) -> None:
    """Refuse arguments that no call takes; those that are not ``needed`` may be None.

    Raises:
        MappingError: ``bad-argument``.
    """
    check_arguments(TAKES, needed, given)
