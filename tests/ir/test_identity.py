"""A graph is a value: it goes through pickles, copies and processes, and one bit is told."""

import copy
import json
import multiprocessing
import pickle
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import fields, is_dataclass, replace
from typing import Any

import distributed.protocol
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapper.build.make import make_build
from mapper.frontend import import_model
from mapper.ir.assignment import Assignment, Choice
from mapper.ir.core import Coding, Const, FloatType, Graph, IntType, Op, Value
from mapper.ir.frozen import FrozenMap, exactly
from mapper.ir.identity import digest, digest_of_arrays, first_difference
from mapper.ir.neurons import Neuron, Reset
from mapper.ir.serialize import OPS, from_json, to_json
from mapper.ir.weights import narrow
from mapper.pipeline import make_passes, run_passes
from targets import list_targets, load_target
from tests.campaigns import examples
from tests.every_op import graphs_of_every_op
from tests.files import DEMO_MODEL
from tests.networks import float_networks, small_conv_net
from tests.strategies import hardware_graphs

OF_EVERY_OP = graphs_of_every_op()


def compiled(target: str) -> Graph:
    loaded = load_target(target)
    return run_passes(small_conv_net(), loaded, make_passes())[0]


@pytest.fixture(scope="module")
def graphs() -> dict[str, Graph]:
    """One for every op, and the same network compiled for every target."""
    return OF_EVERY_OP | {name: compiled(name) for name in list_targets()}


# --- where a graph goes -----------------------------------------------------------------------


def pickled(graph: Graph) -> Graph:
    return pickle.loads(pickle.dumps(graph))


def through_dask(graph: Graph) -> Graph:
    header, frames = distributed.protocol.serialize(graph, on_error="raise")
    sent = [bytes(frame) for frame in frames]
    return distributed.protocol.deserialize(header, sent)


@pytest.mark.parametrize("trip", [pickled, copy.deepcopy, copy.copy, through_dask])
def test_a_graph_comes_back_as_it_was(trip, graphs):
    assert set(OPS) | set(list_targets()) == set(graphs)
    for name, graph in graphs.items():
        again = trip(graph)
        assert again == graph, name
        assert (digest(again), hash(again)) == (digest(graph), hash(graph)), name
        assert list(again.constants) == list(graph.constants), name
        assert not any(array.flags.writeable for array in again.constants.values()), name


def test_a_process_pool_takes_graphs_and_gives_them_back(graphs):
    several = list(graphs.values())
    fresh = multiprocessing.get_context("spawn")  # nothing is there but what was sent
    with ProcessPoolExecutor(max_workers=1, mp_context=fresh) as pool:
        assert list(pool.map(digest, several)) == [digest(graph) for graph in several]
        assert list(pool.map(copy.copy, several)) == several


@pytest.mark.parametrize("trip", [pickled, copy.deepcopy, copy.copy, through_dask])
def test_what_is_decided_for_layers_goes_along(trip):
    graph = coded(small_conv_net())
    assert trip(graph) == graph
    assert trip(graph).assignment.of("m.onnx:/a").macro == "m"


@pytest.mark.parametrize("name", list_targets())
@pytest.mark.parametrize("trip", [pickled, copy.deepcopy, through_dask])
def test_a_target_is_a_value_too(trip, name):
    target = load_target(name)
    assert trip(target) == target
    assert hash(trip(target)) == hash(target)
    assert trip(target) != replace(target, name="another")


def test_a_build_is_a_value_too():
    recording = {"x": np.zeros((3, 2, 2, 32, 32))}
    build = make_build(
        import_model(DEMO_MODEL), load_target("adcless-64"), None, recording, source={"file": "m"}
    )
    again = pickle.loads(pickle.dumps(build))
    assert again == build
    assert replace(build, weight_bits=build.weight_bits + 1) != build
    assert replace(build, samples={"x": build.samples["x"] + 1}) != build


# --- what makes two graphs differ -------------------------------------------------------------


def test_a_digest_is_the_same_in_every_version_that_reads_this_form():
    """Worked out with ``hashlib`` from the text that the digest is of."""
    import hashlib

    x = Value("x", IntType(1, signed=False), (2,))
    graph = Graph(name="n", inputs=(x,), outputs=(x,), constants={"w": np.array([1, -2])})
    held = hashlib.sha256(b"\x01\xfe").hexdigest()
    port = '{"name":"x","shape":[2],"type":"u1"}'
    text = (
        '{"constants":{"w":["|i1",[2],"' + held + '"]},"graph":{"codings":{},"format":1,'
        f'"inputs":[{port}],"name":"n","ops":[],"outputs":[{port}],"states":[]}}}}'
    )
    assert digest(graph) == hashlib.sha256(text.encode()).hexdigest()


def changes(item: Any) -> Iterator[Any]:
    """Yield copies of a value with one thing in it changed, in every place there is."""
    if isinstance(item, np.ndarray):
        bits = item.copy().reshape(-1).view(np.uint8)
        for place in {0, bits.size // 2, bits.size - 1} if bits.size else ():
            flipped = bits.copy()
            flipped[place] ^= 1
            yield flipped.view(item.dtype).reshape(item.shape)
        yield item[None]
        yield item.astype("f8" if item.dtype.kind in "iu" or item.itemsize == 4 else "f4")
    elif isinstance(item, bool):
        yield not item
    elif isinstance(item, float):
        yield np.nextafter(item, np.inf).item()
        yield -item
    elif isinstance(item, int):
        yield item + 1
    elif isinstance(item, str):
        yield item + "'"
    elif isinstance(item, FloatType):
        yield IntType(8, signed=True)
    elif isinstance(item, tuple):
        for i, part in enumerate(item):
            yield from ((*item[:i], new, *item[i + 1 :]) for new in changes(part))
        yield from ([item[:-1], item + item[-1:]] if item else [])
    elif isinstance(item, FrozenMap):
        yield from ({**item, name: new} for name in item for new in changes(item[name]))
        yield from ({n: v for n, v in item.items() if n != name} for name in item)
    elif is_dataclass(item):
        for spec in fields(item):
            yield from (replace(item, **{spec.name: n}) for n in changes(getattr(item, spec.name)))


def coded(graph: Graph) -> Graph:
    """Return the graph with a coding on an input, a layer decided, names on what had none."""
    ops = tuple(replace(op, loc=op.loc or "m.onnx:/a") for op in graph.ops)
    return replace(
        graph,
        ops=ops,
        codings={graph.inputs[0].name: Coding(scale=0.5, offset=-1.5)},
        assignment=Assignment(layers={"/a": Choice(macro="m", weight_bits=6)}, weight_bits=4),
    )


@pytest.mark.parametrize("mnemonic", OPS)
def test_any_single_change_makes_another_graph(mnemonic):
    graph = coded(OF_EVERY_OP[mnemonic])
    seen = {digest(graph)}
    for other in changes(graph):
        assert other != graph
        assert digest(other) != digest(graph)
        seen.add(digest(other))
    assert len(seen) > 20


@settings(max_examples=examples(25), deadline=None)
@given(graph=st.one_of(float_networks(), hardware_graphs()), data=st.data())
def test_any_single_change_of_a_random_graph_makes_another(graph, data):
    for other in data.draw(st.lists(st.sampled_from(list(changes(graph))), min_size=1, max_size=5)):
        assert other != graph
        assert digest(other) != digest(graph)
    assert pickled(graph) == graph


def test_one_and_one_point_zero_are_two_numbers():
    """An op takes them alike (see ``first_difference``), a reader of the file does not."""
    one, other = neuron(bias=0), neuron(bias=0.0)
    assert one != other
    assert digest(one) != digest(other)


def with_constants(graph: Graph, change: Callable[[Any], Any]) -> Graph:
    return replace(graph, constants={n: change(a) for n, a in graph.constants.items()})


def test_the_order_of_constants_has_no_meaning():
    graph = OF_EVERY_OP["net.integer_neuron"]
    turned = replace(graph, constants=dict(reversed(list(graph.constants.items()))))
    assert list(turned.constants) != list(graph.constants)
    assert turned == graph
    assert (digest(turned), hash(turned)) == (digest(graph), hash(graph))


def test_a_digest_does_not_ask_how_wide_integers_are_stored():
    """As a build folder stores them; ``==`` tells them apart."""
    graph = with_constants(OF_EVERY_OP["imc.adc_read"], lambda array: array.astype(np.int64))
    stored = with_constants(graph, narrow)
    assert digest(stored) == digest(graph)
    assert stored != graph
    assert digest(with_constants(graph, lambda array: array.astype(np.float64))) != digest(graph)
    assert digest_of_arrays(stored.constants) == digest_of_arrays(graph.constants)
    assert digest_of_arrays({"w": np.zeros(2)}) != digest_of_arrays({"v": np.zeros(2)})


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (0.0, -0.0, False),
        (1, 1.0, False),
        (1, True, False),
        (np.nan, float("nan"), True),
        (np.array([0.0]), np.array([-0.0]), False),
        (np.array([np.nan, 1.0]), np.array([np.nan, 1.0]), True),
        (np.array([1]), np.array([1], np.int32), False),
        (np.array([1.0]), np.array([1]), False),
        (np.array(1), np.array([1]), False),
        (np.arange(6).reshape(2, 3).T, np.arange(6).reshape(2, 3).T.copy(), True),
        (np.zeros((2, 0)), np.zeros((2, 0)), True),
        ((1, "a"), (1, "a"), True),
        ((1, "a"), (1,), False),
    ],
)
def test_equal_means_every_bit(one, other, same):
    assert exactly(one, other) is same
    assert (FrozenMap({"w": one}) == FrozenMap({"w": other})) is same


def test_a_negative_zero_goes_through_the_file_form():
    """Zero is the bias of a neuron that says nothing; minus zero is another number."""
    (op,) = (op for op in OF_EVERY_OP["net.neuron"].ops if isinstance(op, Neuron))
    graph = replace(OF_EVERY_OP["net.neuron"], ops=(replace(op, bias=-0.0),))
    again = from_json(json.loads(json.dumps(to_json(graph))), graph.constants, "m.json")
    assert again == graph
    assert "bias=-0.0" in str(graph)


def test_a_number_of_numpy_is_an_array_of_no_axes():
    """``np.array(1) + 1`` is a number, and a file gives it back as an array."""
    held = FrozenMap({"w": np.array(1) + 1})
    assert isinstance(held["w"], np.ndarray)
    assert not held["w"].flags.writeable
    assert held == FrozenMap({"w": np.array(2)})


def test_a_frozen_map_is_not_changed():
    given = {"w": np.zeros(2)}
    held = FrozenMap(given)
    given["v"] = np.ones(2)
    assert list(held) == ["w"]
    assert given["w"].flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        held["w"][0] = 1
    with pytest.raises(TypeError):
        held["w"] = np.ones(2)  # type: ignore[index]
    assert held != {"w": np.zeros(2)}
    assert repr(held) == "FrozenMap({'w': array([0., 0.])})"


# --- the same network under other names -------------------------------------------------------


def renamed(graph: Graph) -> Graph:
    """Return the graph with every constant under another name."""

    def named(item: Any) -> Any:
        if isinstance(item, Const):
            return Const(f"my.{item.name}")
        if isinstance(item, tuple):
            return tuple(map(named, item))
        if is_dataclass(item) and not isinstance(item, IntType | FloatType | Value):
            return replace(item, **{f.name: named(getattr(item, f.name)) for f in fields(item)})
        return item

    constants = {f"my.{name}": array for name, array in graph.constants.items()}
    return Graph(
        name=graph.name,
        inputs=graph.inputs,
        outputs=graph.outputs,
        states=named(graph.states),
        ops=named(graph.ops),
        constants=constants,
        codings={name: named(coding) for name, coding in graph.codings.items()},
    )


def without_loc(op: Op) -> Op:
    return replace(op, loc="")


@pytest.mark.parametrize("mnemonic", OPS)
def test_names_of_constants_order_and_places_do_not_make_another_network(mnemonic):
    graph = coded(OF_EVERY_OP[mnemonic])
    other = renamed(graph)
    other = replace(other, ops=tuple(map(without_loc, other.ops[::-1])), states=other.states[::-1])
    assert other != graph
    assert first_difference(graph, other) is None


@pytest.mark.parametrize("mnemonic", OPS)
def test_any_change_but_of_a_place_is_a_difference(mnemonic):
    """But for numbers, which the tests below are about."""
    graph = coded(OF_EVERY_OP[mnemonic])
    for op in graph.ops:
        for spec in fields(op):
            held = getattr(op, spec.name)
            if spec.name == "loc" or isinstance(held, float | Const):
                continue
            for new in changes(held):
                other = replace(op, **{spec.name: new})
                if not all(const.name in graph.constants for const in other.constants):
                    continue
                ops = tuple(other if o is op else o for o in graph.ops)
                assert first_difference(graph, replace(graph, ops=ops)), (spec.name, new)


def neuron(**fields: Any) -> Graph:
    (op,) = OF_EVERY_OP["net.neuron"].ops
    arrays = {"f": np.full(3, 0.1), "g": np.full(3, 0.1, np.float32)}
    return replace(OF_EVERY_OP["net.neuron"], ops=(replace(op, **fields),), constants=arrays)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"leak": 0.1}, {"leak": Const("f")}, True),  # one number, or the same for each neuron
        ({"leak": 0.1}, {"leak": Const("g")}, True),  # a parameter is taken in single precision
        ({"leak": 0.1}, {"leak": float(np.float32(0.1))}, True),
        ({"leak": 0.1}, {"leak": float(np.nextafter(np.float32(0.1), np.float32(1)))}, False),
        ({"bias": 0.0}, {"bias": -0.0}, False),
        ({"bias": 0.0}, {"bias": 0}, True),
        ({"reset": Reset(kind="value")}, {"reset": Reset(kind="value", amount=0.0)}, True),
        ({"reset": Reset(kind="value")}, {"reset": Reset(kind="value", amount=-0.0)}, False),
    ],
)
def test_parameters_are_compared_as_the_neuron_takes_them(one, other, same):
    assert (first_difference(neuron(**one), neuron(**other)) is None) is same


def test_weights_are_compared_in_their_own_precision():
    """Single precision would call 2**24 and 2**24 + 1 the same, in integers and in doubles."""
    graph = OF_EVERY_OP["net.linear"]
    (name,) = graph.constants
    for kind in (np.int64, np.float64):
        one, other = (
            replace(graph, constants={name: np.array([[1, 2, 2**24 + more]], kind)})
            for more in (0, 1)
        )
        assert first_difference(one, other) == "layer 'digital0'"
        assert first_difference(one, pickled(one)) is None
    integers = with_constants(graph, lambda array: array.astype(np.int8))
    assert first_difference(graph, integers) is None
    assert first_difference(graph, with_constants(graph, np.float32)) == "layer 'digital0'"


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"name": "other"}, "name"),
        ({"inputs": ()}, "input"),
        ({"outputs": ()}, "output"),
        ({"states": ()}, "state"),
        ({"ops": ()}, "layer 'lif0'"),
        ({"codings": {}}, "coding"),
        ({"codings": {"x": Coding(scale=0.5, offset=-1.0)}}, "coding 'x'"),
        ({"constants": {"lif0.v.initial": np.array([1, 0, 0])}}, "state 'lif0.v'"),
    ],
)
def test_what_differs_is_named(change, what):
    graph = coded(OF_EVERY_OP["net.integer_neuron"])
    if "constants" in change:
        change = {"constants": {**graph.constants, **change["constants"]}}
    assert first_difference(graph, replace(graph, **change)) == what


def test_a_graph_is_a_line_in_a_notebook():
    graph = compiled("adcless-64")
    assert repr(graph).startswith(f"Graph({graph.name!r}: {len(graph.ops)} ops, ")
