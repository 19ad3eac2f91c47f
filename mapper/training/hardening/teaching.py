"""Teachers: networks whose answers a stage is drawn to, beside the truth (arXiv 1503.02531)."""

import copy
import hashlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace

import torch
from torch import Tensor, fx, nn

from mapper.diagnostics import Diagnostic, MappingError
from mapper.training.hardening.harden import HardwareModel
from mapper.training.hardening.measuring import evaluation, placed
from mapper.training.hardening.stages import START, Schedule, Stage
from mapper.training.hardening.tasks import Task
from mapper.training.nets.imported import FrozenNorm, Rearranged
from mapper.training.nets.modules import TORCH_FAILS, Gate, evaluating, traced
from mapper.training.nets.neurons import LIF
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
    """The teachers of stages to run: modules as they were given, and stages as they ended."""

    def __init__(self, schedule: Schedule, task: Task, device: str, start: nn.Module) -> None:
        self._task, self._device = task, device
        self._known: dict[int | str, Teacher] = {}
        self._awaited = {stage.teacher for stage in schedule if isinstance(stage.teacher, str)}
        for module in given(schedule):  # a copy: what is trained may be the same object
            self._known[id(module)] = self._as_it_is(module)
        if START in self._awaited:
            self._known[START] = self._as_it_is(start)

    def _as_it_is(self, model: nn.Module) -> Teacher:
        return Teacher(copy.deepcopy(model), self._task, self._device)

    def awaits(self, stage: Stage) -> bool:
        """Whether a later stage is taught by this one."""
        return stage.name in self._awaited

    def ended(self, stage: Stage, model: nn.Module) -> None:
        """Keep a network as a stage left it, where a later stage is taught by it."""
        if self.awaits(stage):
            self._known[stage.name] = self._as_it_is(model)

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
    found = hashlib.sha256(structure_of(model).encode())
    for name, module in model.named_modules():
        found.update(f"{name} {module.extra_repr()}\n".encode())
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


def structure_of(model: nn.Module) -> str:
    """Return the SHA-256 of what a model is made of, which training does not change.

    That is its modules by name, with what those of torch and of files say of themselves, and the
    programs that call them, where they are known (``fx.GraphModule``).
    """
    found = hashlib.sha256()
    for name, module in model.named_modules():
        found.update(f"{name} {type(module).__qualname__} {_form(module)}\n".encode())
        if isinstance(module, fx.GraphModule):
            found.update(f"{module.code}\n".encode())
    return found.hexdigest()


def _form(module: nn.Module) -> str:
    if isinstance(module, LIF):
        return module.form()
    own = isinstance(module, FrozenNorm | Rearranged | Gate)
    return module.extra_repr() if own or type(module).__module__.startswith("torch.nn.") else ""


def check_teachers(schedule: Schedule, model: nn.Module, x: Tensor) -> None:
    """Refuse teachers that there will not be, or whose answers are none to the model's.

    A teacher is run as it will teach, on a copy. Its answer to a recording has to be the same
    whatever shares the batch and at a second call: ``over_time`` merges time with the batch, which
    a network with a memory that is not our neurons' takes for something else. Batches of one shape
    are compared, so that sums are added in one order and answers are the same to the bit.

    Args:
        schedule: The stages with their teachers.
        model: What is trained, float or hardened.
        x: A batch ``[T, B, ...]``; its sample with the greatest number is run.

    Raises:
        TrainingError: ``bad-teacher``.
    """
    for index, stage in enumerate(schedule):
        if isinstance(stage.teacher, str) and stage.teacher != START:
            _check_name(schedule, index)
    taught = {id(module): (stage, module) for stage in schedule for module in _given(stage, model)}
    if not taught:
        return
    one = x[:, [int(x.transpose(0, 1).flatten(1).amax(dim=1).double().argmax())]]
    wanted = _shape(model, one)
    for stage, module in taught.values():
        answer = _answer_of_teacher(stage, module, one)
        if answer != wanted:
            raise refused(
                "bad-teacher",
                f"the teacher of stage {stage.name!r} answers {list(answer)} to inputs "
                f"{list(one.shape)}, the model {list(wanted)}",
            )


def _check_name(schedule: Schedule, index: int) -> None:
    stage, names = schedule[index], [stage.name for stage in schedule]
    before = names[:index]
    if stage.teacher not in before:
        raise refused(
            "bad-teacher",
            f"stage {stage.name!r} is taught by {stage.teacher!r}, the name of no stage before it",
            help=f"stages before it: {', '.join(map(repr, before)) or 'none'}; {START!r} is the "
            "network that the run is given",
        )
    if names.count(stage.teacher) > 1:
        raise refused(
            "bad-teacher",
            f"stage {stage.name!r} is taught by {stage.teacher!r}, the name of "
            f"{names.count(stage.teacher)} stages",
            help="give each stage a name of its own",
        )


def _given(stage: Stage, start: nn.Module) -> list[nn.Module]:
    """Return the module that teaches a stage, where it is there before the run."""
    if stage.teacher == START:
        return [start]
    return [stage.teacher] if isinstance(stage.teacher, nn.Module) else []


@torch.no_grad()
def _shape(model: nn.Module, one: Tensor) -> tuple[int, ...]:
    """Return the shape of what a model answers to a sample, whatever its columns are read as."""
    network = model.network if isinstance(model, HardwareModel) else model
    with evaluating(network):
        return tuple(over_time(network, _beside(network, one)).shape)


def _beside(model: nn.Module, x: Tensor) -> Tensor:
    return x.to(next((p.device for p in model.parameters()), x.device))


def _answer_of_teacher(stage: Stage, module: nn.Module, one: Tensor) -> tuple[int, ...]:
    """Return the shape of what a teacher answers to one sample ``[T, 1, ...]``."""
    says = f"the teacher of stage {stage.name!r}"
    if isinstance(module, HardwareModel) and not bool(module.settled):
        raise refused(
            "bad-teacher",
            f"{says} has references from no data",
            help="train it, or harden(..., example=x)",
        )
    try:
        teacher = copy.deepcopy(module)
    except (*TORCH_FAILS, copy.Error) as error:
        raise refused("bad-teacher", f"{says} cannot be copied: {_said(error)}") from error
    if found := next(_memories(teacher), None):
        raise refused("bad-teacher", f"{says}: {found}", help=_WITH_MEMORY)
    try:
        return _steady_answer(teacher, says, _beside(teacher, one))
    except MappingError as error:
        raise TrainingError(_said_of(says, d) for d in error.diagnostics) from error
    except TORCH_FAILS as error:
        message = f"{says} cannot be run over time: {_said(error)}"
        raise refused("bad-teacher", message, help=_WITH_MEMORY) from error


_WITH_MEMORY = (
    "a network whose neurons are those of another library: export it (docs/exporting.md), and take "
    "mapper.training.from_onnx of the file"
)


def _memories(model: nn.Module) -> Iterator[str]:
    """Yield what a model keeps from step to step outside our neurons, as far as that is seen.

    It is followed by torch's tracer, whose stand-ins for tensors stay in what is kept.
    """
    with suppress(TrainingError):
        traced(model)
    for name, module in model.named_modules():
        words = f"{type(module).__name__}{f' {name!r}' if name else ''}"
        if isinstance(module, nn.RNNBase):
            yield f"{words} has a memory of its own"
        for kept, value in vars(module).items():
            if isinstance(value, fx.Proxy):
                yield f"{words} keeps {kept!r} from one call to the next"


@torch.no_grad()
def _steady_answer(teacher: nn.Module, says: str, one: Tensor) -> tuple[int, ...]:
    """Return the shape of an answer that hangs on the sample alone."""
    other = (one == 0).to(one.dtype)
    batch = torch.cat([one, other], dim=1)
    answers = evaluation(teacher, batch)
    first: object = answers(batch)
    if not isinstance(first, Tensor) or first.dim() < 2:
        kind = type(first).__name__
        raise refused(
            "bad-teacher", f"{says} answers no tensor [T, B, ...] but a {kind}", help=_WITH_MEMORY
        )
    if not bool(first.isfinite().all()):
        raise refused("bad-teacher", f"{says} answers numbers that are not finite")
    if not torch.equal(first, answers(batch)):
        message = f"{says} answers otherwise when it is asked again"
        raise refused("bad-teacher", message, help=_WITH_MEMORY)
    for place, sample in enumerate((one, other)):
        alone = answers(torch.cat([sample, sample], dim=1))
        if not torch.equal(first[:, place], alone[:, place]):
            message = f"the answer of {says} to a recording depends on the others of the batch"
            raise refused("bad-teacher", message, help=_WITH_MEMORY)
    return (*first.shape[:1], 1, *first.shape[2:])


def _said(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _said_of(says: str, found: Diagnostic) -> Diagnostic:
    if found.code == "bad-teacher":
        return found
    return replace(found, code="bad-teacher", message=f"{says}: {found.message}")
