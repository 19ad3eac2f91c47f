"""Teachers: what they answer, how far a stage is from it, and which are refused."""

import copy
import operator
from dataclasses import replace
from math import log

import pytest
import torch
from torch import fx, nn

from mapper.diagnostics import MappingError
from mapper.ir.core import SPIKE, Value
from mapper.ir.network import Take
from mapper.training import LIF, ImportedLIF, harden
from mapper.training.hardening.stages import Stage, staged
from mapper.training.hardening.tasks import Classification, Flow
from mapper.training.hardening.teaching import Teacher, digest_of, relative_distance, structure_of
from mapper.training.nets.imported import Rearranged
from tests.training.small import spikes
from tests.training.test_trainer import DIFFERENTIAL, a_model, a_run, a_task, same, without_time

FLOAT = Stage(name="float", kind="float", epochs=1, rate=1e-2)
TARGET = Stage(name="target", kind="target", epochs=2, rate=5e-3)
BY_FLOAT = (FLOAT, replace(TARGET, teacher="float"))


def taught_by(teacher: nn.Module | str, weight: float = 1.0) -> tuple[Stage, Stage]:
    return FLOAT, replace(TARGET, teacher=teacher, teaching=weight)


def settled(model: nn.Module) -> nn.Module:
    return harden(model, DIFFERENTIAL, example=a_task().train[0][:, :20])


# --- distances -----------------------------------------------------------------------------------


def test_classes_are_as_far_apart_as_their_shares_diverge():
    task = a_task()
    output = torch.zeros(2, 1, 2)  # a half each
    answers = torch.tensor([[[log(3) / 2, 0.0]], [[log(3) / 2, 0.0]]])  # 3/4 and 1/4
    wanted = 0.75 * log(0.75 / 0.5) + 0.25 * log(0.25 / 0.5)
    assert float(task.distance(output, answers)) == pytest.approx(wanted, rel=1e-5)
    assert float(task.distance(answers, answers)) == pytest.approx(0, abs=1e-7)


def test_flows_are_as_far_apart_as_their_ends_also_where_the_truth_is_unknown():
    scenes = torch.zeros(2, 1, 4, 1, 2), torch.zeros(1, 2, 1, 2), torch.zeros(1, 1, 2) > 0
    task = Flow("flow", scenes, scenes)
    output = torch.zeros(2, 1, 2, 1, 2)
    answers = torch.zeros(2, 1, 2, 1, 2)
    answers[0, 0, :, 0, 0] = torch.tensor([3.0, 1.0])
    answers[1, 0, :, 0, 0] = torch.tensor([0.0, 3.0])
    assert float(task.distance(output, answers)) == pytest.approx((5 + 0) / 2, abs=1e-5)


@pytest.mark.parametrize("factor", [1.0, 1000.0])
def test_other_answers_are_as_far_as_a_share_of_their_variance(factor):
    answers = factor * torch.tensor([[[0.0, 1.0]], [[0.0, 1.0]]])  # 0 and 2 over time
    output = factor * torch.tensor([[[1.0, 1.0]], [[0.0, 0.0]]])  # their mean, 1
    assert float(relative_distance(output, answers)) == pytest.approx(1)
    assert float(relative_distance(answers, answers)) == 0
    assert torch.isfinite(relative_distance(output, torch.zeros_like(answers)))


def test_a_float_teacher_answers_in_evaluation_and_does_not_learn():
    model, task = a_model(), a_task()
    x, output = task.train[0][:, :7], torch.zeros(4, 7, 3, requires_grad=True)
    model(x[0])  # the norm remembers something
    teacher = Teacher(copy.deepcopy(model), task, "cpu")
    torch.autograd.backward(teacher.distance(output, x))
    assert output.grad is not None
    assert all(p.grad is None for p in teacher._model.parameters())
    assert same(teacher._model, model)
    evaluated = copy.deepcopy(model).eval()
    again = Teacher(evaluated, task, "cpu")
    assert teacher.distance(output, x) == again.distance(output, x)
    assert teacher.digest == digest_of(model)


def test_a_hardened_teacher_answers_in_the_integers_of_its_target():
    twin, task = settled(a_model()), a_task()
    x, output = task.train[0][:, :7], spikes(4, 7, 3)
    teacher = Teacher(copy.deepcopy(twin), task, "cpu")
    wanted = task.distance(output, twin.eval()(x))
    assert teacher.distance(output, x) == wanted
    few = x[:, :2]  # a last batch may be short
    assert teacher.distance(output[:, :2], few) == task.distance(output[:, :2], twin(few))


def test_digests_tell_numbers_and_modules_apart():
    model = a_model()
    found = digest_of(model)
    assert found == digest_of(a_model()) == digest_of(model.to(memory_format=torch.channels_last))
    other = copy.deepcopy(model)
    with torch.no_grad():
        other[5].bias[2] += 1e-3
    assert digest_of(other) != found
    pooled = copy.deepcopy(model)
    pooled[3] = nn.AvgPool2d(2)
    assert digest_of(pooled) != found
    assert digest_of(settled(model)) != digest_of(settled(other))


def a_graph(function, neurons: nn.Module, moved: nn.Module) -> nn.Module:
    root, graph = nn.Module(), fx.Graph()
    root.add_module("neurons", neurons)
    root.add_module("moved", moved)
    x = graph.call_module("moved", (graph.placeholder("x"),))
    graph.output(graph.call_function(function, (graph.call_module("neurons", (x,)), x)))
    return fx.GraphModule(root, graph)


def taken(*indices: int) -> Rearranged:
    x = Value(name="x", type=SPIKE, shape=(3,))
    return Rearranged(Take(loc="", x=x, indices=indices, result=replace(x, name="y")))


def test_digests_tell_programs_and_forms_apart_that_have_the_same_numbers():
    def late(phase):
        return ImportedLIF(spike_phase=phase)

    models = [
        a_graph(operator.add, late("same"), taken(0, 1, 2)),
        a_graph(operator.mul, late("same"), taken(0, 1, 2)),
        a_graph(operator.add, late("next"), taken(0, 1, 2)),
        a_graph(operator.add, late("same"), taken(0, 2, 1)),
        a_graph(operator.add, LIF(), taken(0, 1, 2)),
        a_graph(operator.add, LIF(spiking=False, reset="none"), taken(0, 1, 2)),
        a_graph(operator.add, LIF(reset="none"), taken(0, 1, 2)),
    ]
    for found in (digest_of, structure_of):
        assert len({found(model) for model in models}) == len(models)
        assert [found(copy.deepcopy(model)) for model in models] == [found(m) for m in models]


def test_a_folder_is_of_one_structure_whatever_its_numbers(tmp_path):
    a_run(tmp_path, schedule=(FLOAT,)).train()
    a_run(tmp_path, model=a_model(seed=4), schedule=(FLOAT,)).train()
    other = a_model()
    other[3] = nn.MaxPool2d(2, stride=2, padding=0, dilation=1, ceil_mode=True)
    with pytest.raises(ValueError, match=r"is of a run with structure '\w{64}', not '\w{64}': use"):
        a_run(tmp_path, model=other, schedule=(FLOAT,)).train()


# --- runs ----------------------------------------------------------------------------------------


def test_a_stage_is_drawn_to_the_network_of_an_earlier_stage():
    run, untaught = a_run(schedule=BY_FLOAT), a_run(schedule=(FLOAT, TARGET))
    twin = run.train()
    assert ["distance" in row for row in run.history] == [False, True, True]
    assert not same(twin, untaught.train())
    # the float stage is the same, and the loss that is told is that of the task alone
    assert run.history[0]["loss"] == untaught.history[0]["loss"]


class Bare:
    """A task with what every task must have."""

    def __init__(self, task: Classification) -> None:
        self.name, self.greater_is_better = task.name, task.greater_is_better
        self.batches, self.held_out, self.score = task.batches, task.held_out, task.score
        self.task = task

    def loss(self, output, wanted):
        return self.task.loss(output, wanted)


def test_a_task_without_a_distance_is_taught_too():
    run = a_run(schedule=BY_FLOAT)
    run.task = Bare(run.task)
    run.train()
    assert 0 < run.history[-1]["distance"] < 10


class Indifferent(Bare):
    """A task that likes every output."""

    def loss(self, output, wanted):
        return 0 * output.sum()


def test_a_stage_without_a_task_learns_from_its_teacher_alone():
    run = a_run(schedule=(replace(FLOAT, epochs=6, teacher=a_model(seed=3)),))
    run.task = Indifferent(run.task)
    run.train()
    assert run.history[-1]["distance"] < 0.8 * run.history[0]["distance"]
    assert [row["loss"] for row in run.history] == [0.0] * 6


def test_a_network_may_teach_itself_as_it_was_given():
    """It is copied before it is trained, and keeps its mode."""
    model = a_model()
    given, before = copy.deepcopy(model), digest_of(model)
    first = a_run(model=model, schedule=taught_by(model)).train()
    assert same(first, a_run(model=copy.deepcopy(given), schedule=taught_by(given)).train())
    assert digest_of(given) == before
    assert given.training
    assert digest_of(model) != before  # its float stage trained it


def test_without_a_float_stage_the_network_teaches_as_it_was_given(tmp_path):
    model = a_model(seed=3)
    model(a_task().train[0][0])  # its norm remembers something
    schedule = staged(0, target=2, teacher="float")
    started = a_run(tmp_path, model=copy.deepcopy(model), schedule=schedule)
    twin = started.train()
    assert [row["stage"] for row in started.history] == ["target"] * 2
    assert same(twin, a_run(model=model, schedule=staged(0, target=2, teacher=model)).train())
    other = a_run(tmp_path, model=a_model(seed=4), schedule=schedule)
    with pytest.raises(ValueError, match="stage 'target' was taught by"):
        other.train()


def test_a_trained_twin_goes_on_from_its_references_and_is_its_teacher():
    twin = settled(a_model())
    with torch.no_grad():
        for number in twin.parameters():
            number.add_(0.0625)  # as if it had been trained
    before = copy.deepcopy(twin)
    schedule = staged(0, target=0, teacher="float")
    a_run(model=twin, schedule=schedule).train()
    assert same(twin, before)
    with pytest.raises(MappingError, match="teacher of stage 'target' has references from no data"):
        a_run(
            model=harden(a_model(), DIFFERENTIAL), schedule=staged(0, target=0, teacher="float")
        ).train()


def test_teachers_of_stages_that_are_over_need_not_be_there(tmp_path):
    schedule = (*BY_FLOAT, replace(TARGET, name="last_one", epochs=1))
    run = a_run(tmp_path, schedule=schedule)
    wanted = run.train()
    (tmp_path / "float.pt").unlink()
    assert same(a_run(tmp_path, schedule=schedule).train(), wanted)


NOT_TRAINED = (replace(FLOAT, epochs=0), BY_FLOAT[1])


@pytest.mark.campaign(2)
@pytest.mark.parametrize(
    ("schedule", "stop"),
    [
        (BY_FLOAT, 1),
        (BY_FLOAT, 2),
        (taught_by(a_model(seed=3)), 2),
        (NOT_TRAINED, 1),
        (staged(0, target=3, teacher="float"), 1),
        ((FLOAT, replace(BY_FLOAT[1], epochs=3, averaged=3)), 2),
        ((*BY_FLOAT, replace(TARGET, name="again", epochs=1, teacher="target")), 3),
    ],
)
def test_a_taught_run_that_was_cut_off_goes_on_to_the_same_bits(tmp_path, schedule, stop):
    whole = a_run(schedule=schedule)
    expected = whole.train()
    broken = a_run(tmp_path, schedule=schedule)
    lines = []

    def report(line: str) -> None:
        lines.append(line)
        if len(lines) == stop + 1:
            raise KeyboardInterrupt

    broken.report = report
    with pytest.raises(KeyboardInterrupt):
        broken.train()
    resumed = a_run(tmp_path, schedule=schedule)
    assert same(resumed.train(), expected)
    assert without_time(resumed.history) == without_time(whole.history)


def test_another_teacher_is_refused_by_name_and_none_is_kept_with_the_student(tmp_path):
    schedule = taught_by(a_model(seed=3))
    trained = a_run(tmp_path / "run", schedule=schedule).train()
    held = torch.load(tmp_path / "run" / "last.pt", weights_only=True)
    assert held["teacher"] == digest_of(a_model(seed=3))
    assert held["model"].keys() == trained.state_dict().keys()
    said = r"is of a run with schedule\.1\.teacher 'sha256:\w{64}', not 'sha256:\w{64}': use"
    with pytest.raises(ValueError, match=said):
        a_run(tmp_path / "run", schedule=taught_by(a_model(seed=4))).train()
    with pytest.raises(ValueError, match=r"schedule\.1\.teacher 'sha256:\w*', not 'float'"):
        a_run(tmp_path / "run", schedule=BY_FLOAT).train()
    with pytest.raises(ValueError, match=r"schedule\.1\.teaching 1\.0, not 2\.0"):
        a_run(tmp_path / "run", schedule=taught_by(a_model(seed=3), 2.0)).train()


def test_a_stage_that_taught_must_be_there_as_it_was(tmp_path):
    a_run(tmp_path, schedule=BY_FLOAT).train()
    kept = tmp_path / "float.pt"
    other = {"model": {**a_model(seed=9).state_dict()}}
    torch.save(other, kept)
    with pytest.raises(ValueError, match=r"stage 'target' was taught by \w{64}, not \w{64}: use"):
        a_run(tmp_path, schedule=BY_FLOAT).train()
    kept.unlink()
    with pytest.raises(ValueError, match=r"float\.pt is gone, which a later stage is taught by"):
        a_run(tmp_path, schedule=BY_FLOAT).train()


# --- refusals ------------------------------------------------------------------------------------


class TwoAnswers(nn.Module):
    def forward(self, x):
        return x.flatten(1), x


@pytest.mark.parametrize(
    ("schedule", "said"),
    [
        (
            taught_by(nn.Sequential(nn.Flatten(), nn.Linear(36, 5))),
            r"teacher of stage 'target' answers \[4, 1, 5\] to inputs \[4, 1, 1, 6, 6\], the model "
            r"\[4, 1, 3\]",
        ),
        (
            taught_by(nn.Sequential(nn.Conv2d(2, 3, 6), nn.Flatten())),
            "teacher of stage 'target': a layer of 2 input channels cannot take",
        ),
        (taught_by(TwoAnswers()), "teacher of stage 'target'.*tuple"),
        (taught_by(harden(a_model(), DIFFERENTIAL)), "'target' has references from no data"),
        (
            (replace(TARGET, teacher="float"),),
            "taught by 'float', the name of no.*\n.*: none; 'start' is the network",
        ),
        (taught_by("flot"), r"'target' is taught by 'flot', the name of no stage before it\n.*"),
        ((TARGET, replace(FLOAT, teacher="float")), "'float' is taught by 'float', the name of no"),
        ((FLOAT, FLOAT, BY_FLOAT[1]), "taught by 'float', the name of 2 stages"),
    ],
)
def test_teachers_that_cannot_teach_are_refused_before_anything_is_trained(
    tmp_path, schedule, said
):
    run = a_run(tmp_path / "run", schedule=schedule)
    with pytest.raises(MappingError, match=said) as refused:
        run.train()
    assert {d.code for d in refused.value.diagnostics} == {"bad-teacher"}
    assert run.history == []
    assert not (tmp_path / "run").exists()


class Remembering(nn.Module):
    """Neurons as other libraries have them: one step a call, the membrane is kept."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.m = nn.Linear(36, 3), torch.zeros(())

    def forward(self, x):
        self.m = 0.5 * self.m + self.layer(x.flatten(1))
        return self.m


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.memory = nn.RNN(36, 3)

    def forward(self, x):
        return self.memory(x.flatten(1))[0]


class OverAll(nn.Module):
    """Something that looks at the whole of its first axis, without a memory."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(36, 3)

    def forward(self, x):
        return self.layer(x.flatten(1)).cumsum(dim=0)


class Untraceable(Remembering):
    """The same, where torch's tracer gives up before it has stored anything."""

    def forward(self, x):
        return super().forward(x) if float(x.sum()) >= 0 else x


class Fixed(nn.Module):
    """A network with a number that is not one."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(36, 3)
        nn.init.constant_(self.layer.bias, float("inf"))

    def forward(self, x):
        return self.layer(x.flatten(1))


class Kept(Fixed):
    """A network that holds what torch does not copy."""

    def __init__(self) -> None:
        super().__init__()
        self.last = self.layer.weight * 2


@pytest.mark.parametrize(
    ("teacher", "said"),
    [
        (Recurrent(), "'target': RNN 'memory' has a memory of its own"),
        (Remembering(), "'target': Remembering keeps 'm' from one call to the next"),
        (Untraceable(), "answers otherwise when it is asked again"),
        (OverAll(), "'target' to a recording depends on the others of the batch"),
        (Fixed(), "answers numbers that are not finite"),
        (Kept(), "cannot be copied: Only Tensors created explicitly"),
    ],
)
def test_teachers_with_a_memory_of_their_own_are_refused_and_left_as_they_are(teacher, said):
    held = dict(vars(teacher))
    with pytest.raises(MappingError, match=said) as refused:
        a_run(schedule=taught_by(teacher)).train()
    assert {d.code for d in refused.value.diagnostics} == {"bad-teacher"}
    assert all(vars(teacher)[name] is value for name, value in held.items())
    assert all(not p.requires_grad or p.grad is None for p in teacher.parameters())


def test_a_hardened_teacher_of_other_codes_is_refused_before_the_first_epoch():
    run = a_run(schedule=taught_by(settled(a_model())), input_bits=2)
    x, labels = run.task.train
    run.task.train = (x * 3 * (torch.arange(60) % 7 == 1)[:, None, None, None], labels)
    with pytest.raises(MappingError, match=r"teacher of stage 'target': .*3") as refused:
        run.train()
    assert {d.code for d in refused.value.diagnostics} == {"bad-teacher"}
    assert run.history == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"teacher": 5}, "stage 'target' has teacher 5: a torch.nn.Module or the name of"),
        ({"teacher": "float", "teaching": 0.0}, "has teaching 0.0: a weight above 0"),
        ({"teacher": "float", "teaching": float("nan")}, "has teaching nan: a weight above 0"),
        ({"teacher": "float", "teaching": "1"}, "has teaching '1': a weight above 0"),
        ({"name": "last"}, "stage 'last' has no name for its file: .*, and none of last, start"),
        ({"name": "start"}, "stage 'start' has no name for its file"),
        ({"name": "a/b"}, "stage 'a/b' has no name for its file"),
        ({"name": "../b"}, r"stage '\.\./b' has no name for its file"),
        ({"name": ""}, "stage '' has no name for its file"),
        ({"name": 5}, "stage 5 has no name for its file"),
        ({"averaged": -1}, "stage 'target' has averaged -1: a number of epochs"),
        ({"averaged": 0.5}, r"stage 'target' has averaged 0\.5: a number of epochs"),
    ],
)
def test_a_stage_takes_a_network_or_the_name_of_a_stage(wrong, said):
    with pytest.raises(ValueError, match=said):
        replace(TARGET, **wrong)
