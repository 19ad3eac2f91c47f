"""Stages, checkpoints, resuming, noise: runs of a second on a task that can be learned."""

import json
from dataclasses import replace

import pytest
import torch
from torch import nn

from mapper.proportions import Score
from mapper.training import LIF, Awareness, harden
from mapper.training.backends.noise import Noise
from mapper.training.hardening.plots import draw_curves
from mapper.training.hardening.stages import Stage, one_jump, staged
from mapper.training.hardening.tasks import Classification
from mapper.training.hardening.trainer import Options, Run, run_model
from targets import load_target
from tests.training.small import spikes

DIFFERENTIAL = load_target("adcless-diff-32")


def bars(samples: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return noisy bars in one of three places, ``[4, samples, 1, 6, 6]``, with the place."""
    labels = torch.arange(samples) % 3
    x = spikes(4, samples, 1, 6, 6, density=0.05)
    for i, label in enumerate(labels):
        x[:, i, 0, 2 * label : 2 * label + 2] = spikes(4, 2, 6, density=0.7)
    return x, labels


def a_task() -> Classification:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return Classification(name="bars", train=bars(60), test=bars(30), batch=20)


def a_model(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, bias=False),
        nn.BatchNorm2d(4),
        LIF(leak=0.75, learn=("leak", "threshold")),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(36, 3),
    )


SHORT = (
    Stage(name="float", kind="float", epochs=3, rate=1e-2),
    Stage(name="quantised", kind="quantised", epochs=1, rate=3e-3),
    Stage(name="adc3", kind="converter", bits=3, epochs=1, rate=3e-3),
    Stage(name="target", kind="target", epochs=3, rate=5e-3),
)


def a_run(folder=None, model=None, schedule=SHORT, **options) -> Run:
    options = {"device": "cpu", **options}
    return Run(
        model=model or a_model(),
        task=a_task(),
        target=DIFFERENTIAL,
        options=Options(schedule=schedule, **options),
        folder=folder,
        report=lambda line: None,
    )


def same(a: nn.Module, b: nn.Module) -> bool:
    tensors = [
        (held, b.state_dict()[name])
        for name, held in a.state_dict().items()
        if isinstance(held, torch.Tensor)
    ]
    return all(torch.equal(x, y) for x, y in tensors)


def are_whole(numbers: torch.Tensor) -> bool:
    return torch.equal(numbers, numbers.round())


def without_time(rows):
    return [{key: held for key, held in row.items() if key != "seconds"} for row in rows]


@pytest.mark.parametrize("seed", range(4))
def test_stages_learn_and_feel_more_and_more(seed):
    longer = (*SHORT[:3], replace(SHORT[3], epochs=12))  # enough on any processor's roundings
    run = a_run(model=a_model(seed), seed=seed, schedule=longer)
    model = run.train()
    assert [row["stage"] for row in run.history] == [
        *["float"] * 3,
        "quantised",
        "adc3",
        *["target"] * 12,
    ]
    ends = {row["stage"]: row["metric"] for row in run.history if "metric" in row}
    assert list(ends) == ["float", "quantised", "adc3", "target"]
    assert ends["target"] >= 0.8  # a third by guessing; evaluated in integers
    assert run.history[-1]["loss"] < run.history[0]["loss"]
    assert all(layer.awareness == Awareness() for layer in model.layers())


def test_a_run_is_repeated_to_the_bit():
    first, second = a_run(), a_run()
    trained = first.train()
    assert same(trained, second.train())
    assert without_time(first.history) == without_time(second.history)
    assert not same(trained, a_run(seed=1).train())


@pytest.mark.parametrize(("stages", "averaged"), [(1, 0), (4, 0), (1, 2)])
def test_norms_end_with_the_moments_of_all_batches(stages, averaged):
    *before, last = SHORT[:stages]
    run = a_run(schedule=(*before, replace(last, averaged=averaged)))
    trained = run.train()
    norm = next(m for m in trained.modules() if isinstance(m, nn.BatchNorm2d))
    remembered = norm.running_mean.clone(), norm.running_var.clone()
    assert norm.momentum == 0.1
    seen = []
    norm.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].double()))
    epochs = sum(stage.epochs for stage in SHORT[:stages])
    trained.train()
    for x, _ in run.task.batches(epochs - 1, run.options.seed):
        run_model(trained, x)
    assert len(seen) == 3
    means = torch.stack([x.mean(dim=(0, 2, 3)) for x in seen]).mean(dim=0)
    variances = torch.stack([x.var(dim=(0, 2, 3)) for x in seen]).mean(dim=0)
    # torch adds up in single precision, sums of both signs
    torch.testing.assert_close(remembered[0].double(), means, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(remembered[1].double(), variances, rtol=1e-5, atol=1e-5)


@pytest.mark.campaign(2)
@pytest.mark.parametrize("stop", [1, 3, 4, 6])
def test_a_run_that_was_cut_off_goes_on_to_the_same_bits(tmp_path, stop):
    noisy = (
        *SHORT[:3],
        Stage(name="target", kind="target", epochs=3, rate=5e-3, noise=Noise(cells=0.1, read=0.5)),
    )
    whole = a_run(schedule=noisy)
    expected = whole.train()

    class CutOffError(Exception):
        pass

    lines = []

    def report(line: str) -> None:
        lines.append(line)
        if len(lines) == stop + 1:
            raise CutOffError

    broken = a_run(tmp_path, schedule=noisy)
    broken.report = report
    with pytest.raises(CutOffError):
        broken.train()
    resumed = a_run(tmp_path, schedule=noisy)
    assert same(resumed.train(), expected)
    assert without_time(resumed.history) == without_time(whole.history)
    again = a_run(tmp_path, schedule=noisy)  # a run that is done is read
    assert same(again.train(), expected)
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 8


def test_a_stage_keeps_the_references_that_it_was_given(tmp_path):
    """Also of a run that was cut off between the stages, and of a model that comes settled."""
    target = replace(SHORT[3], epochs=1)
    again = replace(target, name="again", epochs=0, noise=Noise(offset=1.0))
    model = a_run(schedule=(target,)).train()
    learned = [p.clone() for p in model.parameters()]
    assert all(
        not torch.equal(layer.thresholds, layer.thresholds.round()) for layer in model.layers()
    )
    folder = tmp_path / "run"
    a_run(folder, schedule=(target, again), model=a_model()).train()
    for later in (
        a_run(schedule=(target, again)),
        a_run(folder, schedule=(target, again)),
        a_run(schedule=(again,), model=model),
    ):
        found = list(later.train().parameters())
        assert all(map(torch.equal, found, learned))


def test_a_stage_of_another_readout_sets_its_own_references():
    adc, target = SHORT[2], replace(SHORT[3], epochs=0)
    model = a_run(schedule=(adc, target)).train()
    assert all(layer.awareness == Awareness() for layer in model.layers())
    assert all(are_whole(layer.thresholds) for layer in model.layers())


def test_the_folder_holds_what_was_asked_and_how_it_went(tmp_path):
    run = a_run(tmp_path / "run")
    run.train()
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["schema"] == "spikeloom/training/1"
    assert config["target"]["name"] == "adcless-diff-32"
    assert config["schedule"][2]["bits"] == 3
    rows = [json.loads(s) for s in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert rows == run.history
    measured = [row for row in rows if "metric" in row]
    for row in measured:  # the metric is a share of right answers, and says of how many
        counted = Score(row["metric_right"], row["metric_of"])
        assert counted.as_dict("metric").items() <= row.items()
        assert row["metric_of"] == len(run.task.test[1])
    for stage in SHORT:
        held = torch.load(tmp_path / "run" / f"{stage.name}.pt", weights_only=True)
        assert held["model"]
    with pytest.raises(ValueError, match="is of a run with seed 0, not 3: use another folder"):
        a_run(tmp_path / "run", seed=3).train()


def test_a_checkpoint_cannot_run_code(tmp_path):
    run = a_run(tmp_path, schedule=SHORT[:1])
    run.train()
    torch.save({"stage": 0, "model": print}, tmp_path / "last.pt")
    with pytest.raises(Exception, match=r"weights_only|Weights only"):
        a_run(tmp_path, schedule=SHORT[:1]).train()


def test_curves(tmp_path):
    pytest.importorskip("matplotlib", reason="needs the extra 'train'")
    rows = [{"stage": "float", "loss": 1.0}, {"stage": "float", "loss": 0.5, "metric": 0.9}]
    assert draw_curves(rows, tmp_path / "curves.svg")
    assert "<svg" in (tmp_path / "curves.svg").read_text()


def test_a_loss_that_is_no_number_stops_the_run():
    model = a_model()
    with torch.no_grad():
        model[5].bias.fill_(float("nan"))
    with pytest.raises(FloatingPointError, match="in epoch 1 of stage 'float': lower its rate"):
        a_run(model=model).train()


def test_weights_that_are_no_numbers_are_not_compiled():
    model = harden(a_model(), DIFFERENTIAL, example=spikes(2, 3, 1, 6, 6)).eval()
    with torch.no_grad():
        next(model.layers()).bias.fill_(float("nan"))
    with pytest.raises(ValueError, match="offset of '0' holds values that are no numbers"):
        model(spikes(2, 3, 1, 6, 6))


def test_schedules():
    names = [(stage.name, stage.epochs) for stage in staged(4, 2, converter=7, target=5)]
    assert names == [
        ("float", 4),
        ("quantised", 2),
        ("adc5", 2),
        ("adc3", 2),
        ("adc2", 2),
        ("target", 5),
    ]
    assert [(s.name, s.epochs) for s in staged()] == [("float", 20), ("target", 20)]
    assert staged(converter=3, target=5, dies=4)[0].epochs == 3 + 5 + 4
    by_float = staged(quantised=2, teacher="float")
    assert [s.teacher for s in by_float] == [None, "float", "float"]
    model = a_model()
    assert [s.teacher for s in staged(0, teacher=model, teaching=2.0, dies=1)] == [model, model]
    assert [s.teaching for s in staged(1, teacher=model, teaching=2.0)] == [1.0, 2.0]
    assert [(s.name, s.teacher) for s in staged(0, dies=1, teacher="float")] == [
        ("target", "start"),
        ("dies", "start"),
    ]
    assert [s.teacher for s in staged(0)] == [None]
    assert [s.teacher for s in staged()] == [None, None]
    assert [s.kind for s in one_jump(3)] == ["target"]
    noise = Noise(offset=1.0)
    assert [s.noise for s in staged(noise=noise)] == [None, noise]
    *before, dies = staged(dies=8, noise=noise)
    assert not any(stage.noise for stage in before)
    assert (dies.name, dies.kind, dies.epochs, dies.noise) == ("dies", "target", 8, noise)
