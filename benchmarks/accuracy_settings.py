"""What the accuracy benchmark trains: tasks, networks, steps, and how they build on each other."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from torch import nn

from mapper.training import LIF
from mapper.training.hardening.stages import Kind, Stage
from mapper.training.nets.layers import Granularity
from mapper.training.nets.models import DvsNet, FireFlowNet, SpikeFlowNet

TARGETS = tuple(
    f"adcless-{kind}{size}" for size in (64, 32, 128) for kind in ("diff-", "")
)  # in the order they matter

SHARED = "shared"
"""Stands where a target would, for steps that no crossbar has a part in."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """How one task is trained; all of it is kept with every result."""

    task: str
    network: str
    metric: str
    """``accuracy`` in per cent, or ``endpoint error`` in pixels."""
    steps: int
    """Time steps of an input."""
    size: int
    """Height and width of an input."""
    train: int
    test: int
    width: int = 32
    crossbars: tuple[int, ...] = (32, 64, 128)
    """Heights of crossbars that it is trained on."""
    batch: int = 40
    shift: int = 0
    """Training images are moved by up to so many pixels."""
    input_bits: int = 1
    scale: Granularity = "layer"
    float_epochs: int = 20
    quantised_epochs: int = 6
    converter_epochs: int = 4
    target_epochs: int = 16
    float_rate: float = 3e-3
    quantised_rate: float = 1e-3
    target_rate: float = 2e-3
    jump_rate: float = 2e-3

    @property
    def all_epochs(self) -> int:
        """Epochs of the whole staged path, and of everything it is compared with."""
        return (
            self.float_epochs + self.quantised_epochs + self.converter_epochs + self.target_epochs
        )

    @property
    def long_rate(self) -> float:
        """At one bit, from a float network that was trained long; chosen on validation recordings.

        ``benchmarks/results/one_bit_trials.json`` has them.
        """
        return 8e-3 if self.task == "flow-narrow" else 4e-3

    @property
    def whole_epochs(self) -> int:
        """Epochs of one bit after long float, both together, and of its controls."""
        return 2 * self.all_epochs

    @property
    def rest_epochs(self) -> int:
        """Epochs that the staged path spends after quantised weights."""
        return self.converter_epochs + self.target_epochs

    def model(self) -> nn.Module:
        """Return a fresh float network; the caller has set the seed."""
        return _NETWORKS[self.network](self)

    def runs_on(self, target: str) -> bool:
        return int(target.rpartition("-")[2]) in self.crossbars

    def as_data(self) -> dict[str, Any]:
        """Return what a result depends on: which other crossbars there are is not part of it."""
        data = asdict(self)
        del data["crossbars"]
        return data


def _nmnist_net(setting: Setting) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(2, 12, 5, stride=2, bias=False),
        nn.BatchNorm2d(12),
        LIF(leak=0.75, threshold=1.0, learn=("threshold",)),
        nn.Conv2d(12, setting.width, 5, stride=2, bias=False),
        nn.BatchNorm2d(setting.width),
        LIF(leak=0.75, threshold=1.0, learn=("threshold",)),
        nn.Flatten(),
        nn.Linear(36 * setting.width, 10),
    )


_NETWORKS = {
    "two convolutions, one linear layer": _nmnist_net,
    "DVSNet": lambda setting: DvsNet(size=setting.size, width=setting.width),
    "FireFlowNet": lambda setting: FireFlowNet(width=setting.width),
    "SFN": lambda setting: SpikeFlowNet(width=setting.width),
}

_GESTURE: dict[str, Any] = {
    "network": "DVSNet",
    "metric": "accuracy",
    "train": 1320,
    "test": 660,
    "batch": 22,
    "shift": 3,
    "converter_epochs": 2,
}
_FLOW: dict[str, Any] = {
    "metric": "endpoint error",
    "steps": 5,
    "size": 32,
    "train": 600,
    "test": 200,
    "batch": 20,
    "float_epochs": 40,
    "quantised_epochs": 8,
    "converter_epochs": 5,
    "target_epochs": 30,
    "float_rate": 2e-3,
}

_WIDE_GESTURE: dict[str, Any] = {
    "float_epochs": 12,
    "quantised_epochs": 3,
    "target_epochs": 14,
}
_NARROW_GESTURE: dict[str, Any] = {
    "width": 16,
    "float_epochs": 16,
    "quantised_epochs": 4,
    "target_epochs": 20,
}
# Narrow networks for two cores: smaller batches make up for fewer epochs.
_SHORT_FLOW: dict[str, Any] = {
    "batch": 10,
    "float_epochs": 20,
    "quantised_epochs": 4,
    "converter_epochs": 3,
    "target_epochs": 18,
}
# Chosen on validation recordings (docs/accuracy.md, at the end).
_SPIKE_FLOW_RATES: dict[str, Any] = {
    "float_rate": 4e-3,
    "target_rate": 4e-3,
}

_NMNIST: dict[str, Any] = {
    "network": "two convolutions, one linear layer",
    "metric": "accuracy",
    "steps": 6,
    "size": 34,
    "train": 800,
    "test": 250,
    "shift": 2,
}

SETTINGS = {
    found.task: found
    for found in (
        Setting(task="nmnist", target_epochs=48, **_NMNIST),
        Setting(task="gesture", steps=10, size=32, **_GESTURE, **_WIDE_GESTURE),
        Setting(task="gesture-64", steps=20, size=64, crossbars=(64,), **_GESTURE, **_WIDE_GESTURE),
        Setting(task="flow", network="FireFlowNet", **_FLOW),
        Setting(task="gesture-narrow", steps=10, size=32, **_GESTURE, **_NARROW_GESTURE),
        Setting(task="flow-narrow", network="FireFlowNet", width=16, **{**_FLOW, **_SHORT_FLOW}),
        Setting(
            task="sfn", network="SFN", width=8, **{**_FLOW, **_SHORT_FLOW, **_SPIKE_FLOW_RATES}
        ),
    )
}


def small(setting: Setting) -> Setting:
    """Return a setting of seconds: everything happens, nothing is learned."""
    epochs = {f"{stage}_epochs": 1 for stage in ("float", "quantised", "converter", "target")}
    return replace(setting, train=20, test=10, batch=10, width=4, **epochs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One stretch of training, or a measurement without any, with a result of its own."""

    name: str
    before: str | None
    """The step whose weights it starts from; None from scratch."""
    kind: Kind
    epochs: str | int
    """A number, or the field of ``Setting`` that has it."""
    rate: str | float = "target_rate"
    """Likewise."""
    shared: bool = False
    """Whether it is the same for every target."""

    def stage(self, setting: Setting) -> Stage:
        """Return it as a stage of training."""
        epochs = self.epochs if isinstance(self.epochs, int) else getattr(setting, self.epochs)
        rate = getattr(setting, self.rate) if isinstance(self.rate, str) else self.rate
        return Stage(name=self.name, kind=self.kind, epochs=epochs, rate=rate)


STEPS = {
    step.name: step
    for step in (
        Step(
            name="float",
            before=None,
            kind="float",
            epochs="float_epochs",
            rate="float_rate",
            shared=True,
        ),
        Step(
            name="quantised",
            before="float",
            kind="quantised",
            epochs="quantised_epochs",
            rate="quantised_rate",
            shared=True,
        ),
        Step(
            name="converter",
            before="quantised",
            kind="converter",
            epochs="converter_epochs",
            rate="quantised_rate",
        ),
        Step(name="untrained", before="converter", kind="target", epochs=0),
        Step(name="staged", before="converter", kind="target", epochs="target_epochs"),
        Step(
            name="jump",
            before=None,
            kind="target",
            epochs="all_epochs",
            rate="jump_rate",
        ),
        Step(
            name="float-long",
            before=None,
            kind="float",
            epochs="all_epochs",
            rate="float_rate",
            shared=True,
        ),
        Step(
            name="quantised-long",
            before="quantised",
            kind="quantised",
            epochs="rest_epochs",
            rate="quantised_rate",
            shared=True,
        ),
        Step(
            name="long",
            before="float-long",
            kind="target",
            epochs="all_epochs",
            rate="long_rate",
        ),
        Step(
            name="quantised-whole",
            before="float-long",
            kind="quantised",
            epochs="all_epochs",
            rate="long_rate",
            shared=True,
        ),
        Step(
            name="float-whole",
            before=None,
            kind="float",
            epochs="whole_epochs",
            rate="float_rate",
            shared=True,
        ),
    )
}


def epochs_until(step: Step, setting: Setting) -> int:
    """Return the epochs of a step and of all before it."""
    own = step.stage(setting).epochs
    return own if step.before is None else own + epochs_until(STEPS[step.before], setting)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Steps that one process does one after the other."""

    task: str
    target: str
    seed: int
    steps: tuple[str, ...]
    after: "Job | None" = None
    """What must have been done before."""

    @property
    def name(self) -> str:
        return f"{self.task}, {self.target}, seed {self.seed}: {' -> '.join(self.steps)}"


CHAINS = ("base", "staged", "jump", "controls", "long", "long-controls")


def jobs(
    tasks: list[str], targets: list[str], seeds: list[int], chains: list[str]
) -> Iterator[Job]:
    """Yield all jobs, those first that others start from or that matter most."""
    every = [(task, seed) for seed in seeds for task in tasks]
    on_targets = [
        (target, task, seed)
        for target in targets
        for task, seed in every
        if SETTINGS[task].runs_on(target)
    ]

    def shared(task: str, seed: int, *steps: str, after: Job | None = None) -> Job:
        return Job(task=task, target=SHARED, seed=seed, steps=steps, after=after)

    base = {(task, seed): shared(task, seed, "float", "quantised") for task, seed in every}
    starts = {(task, seed): shared(task, seed, "float-long") for task, seed in every}
    if "base" in chains:
        yield from base.values()
    if "staged" in chains:
        names = ("converter", "untrained", "staged")
        for target, task, seed in on_targets:
            yield Job(task=task, target=target, seed=seed, steps=names, after=base[task, seed])
    if {"controls", "long", "long-controls"} & set(chains):
        yield from starts.values()
    if "controls" in chains:
        for task, seed in every:
            yield shared(task, seed, "quantised-long", after=base[task, seed])
    if "long" in chains:
        for target, task, seed in on_targets:
            first = starts[task, seed]
            yield Job(task=task, target=target, seed=seed, steps=("long",), after=first)
    if "long-controls" in chains:
        for task, seed in every:
            yield shared(task, seed, "quantised-whole", after=starts[task, seed])
            yield shared(task, seed, "float-whole")
    if "jump" in chains:
        for target, task, seed in on_targets:
            yield Job(task=task, target=target, seed=seed, steps=("jump",))
