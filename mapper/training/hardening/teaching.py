"""Teachers: networks whose answers a stage is drawn to, beside the truth (arXiv 1503.02531)."""

import copy
import hashlib
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from mapper.diagnostics import Diagnostic, MappingError
from mapper.training.hardening.harden import HardwareModel
from mapper.training.hardening.measuring import evaluation, placed
from mapper.training.hardening.stages import Schedule, Stage
from mapper.training.hardening.tasks import Task
from mapper.training.nets.modules import TORCH_FAILS, evaluating
from mapper.training.nets.refused import TrainingError, refused
from mapper.training.nets.steps import over_time
from targets import target_to_data


class Teacher:
    """A network that answers and does not learn; ``digest`` is that of its numbers.

    A float one answers in floats with the moments that its batch norms remember, a hardened one in
    the integers of its target.
    """

    def __init__(self, model: nn.Module, task: Task, device: str) -> None:
        self.digest = digest_of(model)
        self._model, self._task = placed(model.eval(), device), task
        self._answers: Callable[[Tensor], Tensor] | None = None

    def distance(self, output: Tensor, x: Tensor) -> Tensor:
        """Return how far an output ``[T, B, ...]`` is from what the teacher answers to ``x``."""
        with torch.no_grad():
            if self._answers is None:
                self._answers = evaluation(self._model, x)
            answers = self._answers(x)
        own = getattr(self._task, "distance", None)
        return relative_distance(output, answers) if own is None else own(output, answers)


def relative_distance(output: Tensor, answers: Tensor) -> Tensor:
    """Return the squared distance of outputs summed over time, as a share of the answers' variance.

    1 is what the answers' mean gives, whatever they count in. It is for tasks that have no
    ``distance`` of their own.
    """
    y, wanted = output.sum(dim=0), answers.sum(dim=0)
    spread = (wanted - wanted.mean()).square().mean()
    return (y - wanted).square().mean() / spread.clamp_min(1e-12)


class Teachers:
    """The teachers of a schedule: modules as they were given, and stages as they ended."""

    def __init__(self, schedule: Schedule, task: Task, device: str) -> None:
        self._task, self._device = task, device
        self._known: dict[int | str, Teacher] = {}
        for module in given(schedule):  # a copy: what is trained may be the same object
            self._known[id(module)] = Teacher(copy.deepcopy(module), task, device)
        self._awaited = {stage.teacher for stage in schedule if isinstance(stage.teacher, str)}

    def awaits(self, stage: Stage) -> bool:
        """Whether a later stage is taught by this one."""
        return stage.name in self._awaited

    def ended(self, stage: Stage, model: nn.Module) -> None:
        """Keep a network as a stage left it, where a later stage is taught by it."""
        if self.awaits(stage):
            self._known[stage.name] = Teacher(copy.deepcopy(model), self._task, self._device)

    def of(self, stage: Stage) -> Teacher | None:
        """Return who teaches a stage that is about to start."""
        if stage.teacher is None:
            return None
        return self._known[stage.teacher if isinstance(stage.teacher, str) else id(stage.teacher)]


def given(schedule: Schedule) -> list[nn.Module]:
    """Return the modules that teach stages of a schedule, each once."""
    modules = [stage.teacher for stage in schedule if isinstance(stage.teacher, nn.Module)]
    return list({id(module): module for module in modules}.values())


def digest_of(model: nn.Module) -> str:
    """Return the SHA-256 of a model's numbers, of its modules and of its target if it has one."""
    found = hashlib.sha256()
    for name, module in model.named_modules():
        found.update(f"{name} {type(module).__qualname__} {module.extra_repr()}\n".encode())
        if isinstance(module, HardwareModel):
            found.update(f"{target_to_data(module.target)} {module.input_bits}\n".encode())
    for name, held in model.state_dict().items():
        if isinstance(held, Tensor):
            found.update(f"{name} {held.dtype} {tuple(held.shape)}\n".encode())
            numbers = held.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
            found.update(numbers.numpy().tobytes())
        else:
            found.update(f"{name} {held}\n".encode())
    return found.hexdigest()


def check_teachers(schedule: Schedule, model: nn.Module, x: Tensor) -> None:
    """Refuse teachers that there will not be, or whose answers are none to the model's.

    Args:
        schedule: The stages with their teachers.
        model: What is trained, float or hardened.
        x: A batch ``[T, B, ...]``; its first sample is run.

    Raises:
        TrainingError: ``bad-teacher``.
    """
    for index, stage in enumerate(schedule):
        if isinstance(stage.teacher, str):
            _check_name(schedule, index)
    taught = [stage for stage in schedule if isinstance(stage.teacher, nn.Module)]
    if not taught:
        return
    wanted = _answer(model, x)
    for stage in taught:
        answer = _answer_of_teacher(stage, x)
        if answer != wanted:
            raise refused(
                "bad-teacher",
                f"the teacher of stage {stage.name!r} answers {list(answer)} to inputs "
                f"{list(x[:, :1].shape)}, the model {list(wanted)}",
            )


def _check_name(schedule: Schedule, index: int) -> None:
    stage, names = schedule[index], [stage.name for stage in schedule]
    before = names[:index]
    if stage.teacher not in before:
        raise refused(
            "bad-teacher",
            f"stage {stage.name!r} is taught by {stage.teacher!r}, the name of no stage before it",
            help=f"stages before it: {', '.join(map(repr, before)) or 'none'}",
        )
    if names.count(stage.teacher) > 1:
        raise refused(
            "bad-teacher",
            f"stage {stage.name!r} is taught by {stage.teacher!r}, the name of "
            f"{names.count(stage.teacher)} stages",
            help="give each stage a name of its own",
        )


@torch.no_grad()
def _answer(model: nn.Module, x: Tensor) -> tuple[int, ...]:
    """Return the shape of what a model answers to one sample, whatever its columns are read as."""
    network = model.network if isinstance(model, HardwareModel) else model
    one = x[:, :1].to(next((p.device for p in network.parameters()), x.device))
    with evaluating(network):
        return tuple(over_time(network, one).shape)


def _answer_of_teacher(stage: Stage, x: Tensor) -> tuple[int, ...]:
    assert isinstance(stage.teacher, nn.Module)
    says = f"the teacher of stage {stage.name!r}"
    if isinstance(stage.teacher, HardwareModel) and not bool(stage.teacher.settled):
        raise refused(
            "bad-teacher",
            f"{says} has references from no data",
            help="train it, or harden(..., example=x)",
        )
    try:
        return _answer(stage.teacher, x)
    except MappingError as error:
        raise TrainingError(_said_of(says, d) for d in error.diagnostics) from error
    except TORCH_FAILS as error:
        said = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise refused("bad-teacher", f"{says} cannot be run over time: {said}") from error


def _said_of(says: str, found: Diagnostic) -> Diagnostic:
    return replace(found, code="bad-teacher", message=f"{says}: {found.message}")
