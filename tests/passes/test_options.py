"""Options of passes: read from text and data, checked strictly, and only those that are there."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapper.diagnostics import MappingError
from mapper.pipeline import make_passes, run_passes
from passes import PIPELINE, LowerReadout, Pass, QuantizeWeights, Replicate
from passes.options import checked, given_options, options_of, parse, with_options
from passes.ran import text_of
from targets import load_target
from tests.networks import small_conv_net

KINDS = {kind.name: kind for kind in PIPELINE}


def refused(call, given) -> list[tuple[str, str]]:
    with pytest.raises(MappingError) as caught:
        call(given)
    return [(problem.code, problem.message) for problem in caught.value.diagnostics]


def test_the_options_that_there_are():
    """A field of a pass that takes a plain value is one."""
    found = {kind.name: [option.name for option in options_of(kind)] for kind in PIPELINE}
    assert {name: own for name, own in found.items() if own} == {
        "fold-layers": ["when"],
        "quantize-weights": ["granularity"],
        "lower-readout": ["density", "seed"],
        "replicate": ["max-copies", "positions"],
    }


@pytest.mark.parametrize("kind", PIPELINE, ids=lambda kind: kind.name)
def test_a_field_that_is_no_option_holds_data_or_what_works_it_out(kind):
    hints = get_type_hints(kind)
    options = {option.name for option in options_of(kind)}
    data = [spec.name for spec in fields(kind) if spec.name.replace("_", "-") not in options]
    assert all(get_origin(hints[name]) in (Mapping, Callable) for name in data)


@pytest.mark.parametrize("kind", PIPELINE, ids=lambda kind: kind.name)
def test_a_default_is_a_value_that_the_option_takes(kind):
    assert all(option.takes(option.default) for option in options_of(kind))


def test_options_are_read_from_text():
    found = parse(["replicate{max-copies=4}", " lower-readout { seed = 7 , density = 0.25 } "])
    assert found == {
        "replicate": {"max-copies": 4},
        "lower-readout": {"seed": 7, "density": 0.25},
    }
    assert parse(["lower-readout{seed=7}", "lower-readout{density=1}"]) == {
        "lower-readout": {"seed": 7, "density": 1.0}
    }
    assert parse([]) == {}


def test_options_are_taken_by_the_pass_alone():
    options = parse(["replicate{max-copies=4}", "quantize-weights{granularity=layer}"])
    assert with_options(Replicate(), options) == Replicate(max_copies=4)
    assert with_options(QuantizeWeights(), options) == QuantizeWeights(granularity="layer")
    assert with_options(LowerReadout(), options) == LowerReadout()


def test_options_as_data_may_be_spelled_as_the_fields_are():
    assert checked({"replicate": {"max_copies": 4}}) == {"replicate": {"max-copies": 4}}
    assert checked({"replicate": {"max-copies": 4}}) == {"replicate": {"max-copies": 4}}


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("replicat{a=1}", "unknown-pass", "no pass is named 'replicat'; did you mean 'replicate'?"),
        (
            "replicate{max-copie=4}",
            "unknown-option",
            "pass 'replicate' has no option 'max-copie'; did you mean 'max-copies'?",
        ),
        ("place{x=1}", "unknown-option", "pass 'place' has no option 'x'"),
        ("lower-readout{samples=1}", "unknown-option", "has no option 'samples'"),
        ("replicate{max-copies=4.0}", "bad-option", "is an integer 1..1000000, got 4.0"),
        ("replicate{max-copies=True}", "bad-option", "is an integer 1..1000000, got True"),
        ("replicate{max-copies=0}", "bad-option", "is an integer 1..1000000, got 0"),
        ("replicate{max-copies=}", "bad-option", "is an integer 1..1000000, got "),
        (f"replicate{{max-copies={'9' * 99}}}", "bad-option", f"got {'9' * 40}..."),
        ("lower-readout{density=1.5}", "bad-option", "is a number 0..1, got 1.5"),
        ("lower-readout{density=nan}", "bad-option", "is a number 0..1, got nan"),
        ("lower-readout{density=0_1}", "bad-option", "is a number 0..1, got 0_1"),
        ("lower-readout{seed=-1}", "bad-option", "is an integer 0..4294967295, got -1"),
        (
            "quantize-weights{granularity=layers}",
            "bad-option",
            "is channel or layer, got layers; did you mean 'layer'?",
        ),
        ("replicate", "bad-option", "'replicate' is not NAME{OPTION=VALUE,...}"),
        ("replicate{}", "bad-option", "is not NAME{OPTION=VALUE,...}"),
        ("replicate{max-copies}", "bad-option", "is not NAME{OPTION=VALUE,...}"),
        ("replicate{max-copies=4", "bad-option", "is not NAME{OPTION=VALUE,...}"),
        ("replicate{max-copies=4}}", "bad-option", "is not NAME{OPTION=VALUE,...}"),
        (
            "replicate{max-copies=4,max-copies=4}",
            "bad-option",
            "'max-copies' of pass 'replicate' is given twice",
        ),
    ],
)
def test_what_is_wrong_with_a_text_is_said_by_name(text, code, message):
    ((found, said),) = refused(parse, [text])
    assert found == code
    assert message in said


def test_all_that_is_wrong_is_said_at_once():
    texts = ["replicat{a=1}", "replicate{b=1}", "lower-readout{seed=x}", "place"]
    codes = [code for code, _ in refused(parse, texts)]
    assert sorted(codes) == ["bad-option", "bad-option", "unknown-option", "unknown-pass"]


@pytest.mark.parametrize("value", [True, 4.0, "4", None, [4], 1 << 70])
def test_data_of_another_type_is_refused(value):
    ((code, message),) = refused(checked, {"replicate": {"max-copies": value}})
    assert code == "bad-option"
    assert message.startswith("'max-copies' of pass 'replicate' is an integer 1..1000000, got ")


@given(
    copies=st.integers(1, 1_000_000),
    density=st.floats(0, 1),
    seed=st.integers(0, 2**32 - 1),
    granularity=st.sampled_from(["channel", "layer"]),
)
def test_what_is_written_as_text_is_read_again(copies, density, seed, granularity):
    wanted: dict[str, dict[str, Any]] = {
        "replicate": {"max-copies": copies},
        "lower-readout": {"density": density, "seed": seed},
        "quantize-weights": {"granularity": granularity},
    }
    texts = [text_of(name, options) for name, options in wanted.items()]
    assert parse(texts) == wanted
    steps = make_passes(options=parse(texts))
    given = {step.name: dict(given_options(step)) for step in steps}
    kept = {
        name: {option: own[option] for option in own if own[option] != _default(name, option)}
        for name, own in wanted.items()
    }
    assert {name: own for name, own in given.items() if own} == {
        name: own for name, own in kept.items() if own
    }


def _default(name: str, option: str) -> object:
    return next(o.default for o in options_of(KINDS[name]) if o.name == option)


def test_a_pass_with_a_switch():
    @dataclass(frozen=True, kw_only=True)
    class Switched(Pass):
        """Do it or not."""

        name: ClassVar[str] = "switched"
        exact: ClassVar[bool] = True
        twice: bool = False

    (option,) = options_of(Switched)
    assert (option.type, option.value("true"), option.value("1")) == ("true or false", True, "1")
    assert option.takes(False)
    assert not option.takes(0)
    assert with_options(Switched(), {"switched": {"twice": True}}) == Switched(twice=True)
    assert text_of("switched", given_options(Switched(twice=True))) == "switched{twice=true}"


def test_runs_say_which_options_were_not_left_at_their_defaults():
    steps = make_passes(options=parse(["replicate{max-copies=2}", "lower-readout{seed=0}"]))
    _, runs = run_passes(small_conv_net(), load_target("adcless-64"), steps)
    assert [str(run) for run in runs if run.options] == ["replicate{max-copies=2}"]
    assert str(runs[0]) == "encode-inputs"
