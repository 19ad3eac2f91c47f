"""The text of the generated program: deterministic, standalone, safe and economical."""

import ast
import hashlib
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mapper.diagnostics import MappingError
from mapper.executor.numpy.generate import describe, generate_executor
from mapper.executor.numpy.run import load_executor
from mapper.executor.numpy.statements import Names
from mapper.ir.core import FLOAT, Graph, IntType, Value
from mapper.ir.evaluate import evaluate
from mapper.ir.identity import digest
from mapper.ir.network import Scale
from mapper.ir.serialize import from_json, to_json
from mapper.ir.units import CrossbarLayer, units
from mapper.ir.weights import fingerprint, keyed
from mapper.ir.windows import Window
from tests.builders import Builder, adc, encoding, sense_amp
from tests.engines import run_everywhere
from tests.executor.hostile import HOSTILE
from tests.small_graphs import dvs_net, one_layer, random_spikes, random_weights


def test_the_header_names_the_tool_the_target_and_the_graph():
    graph = dvs_net()
    source = generate_executor(graph, target="adcless-64", version="0.1.0")
    assert "# network: 'dvs'\n# target:  'adcless-64'\n# tool:    spikeloom '0.1.0'\n" in source
    assert f"# graph:   sha256 {digest(graph)}\n" in source


def test_the_same_graph_gives_the_same_bytes_in_every_process():
    code = (
        "import sys; sys.path.insert(0, '.')\n"
        "from tests.small_graphs import dvs_net\n"
        "from mapper.executor.numpy.generate import generate_executor\n"
        "from mapper.executor.onnx.lowered import to_lowered_onnx\n"
        "graph = dvs_net()\n"
        "sys.stdout.buffer.write(generate_executor(graph).encode())\n"
        "sys.stdout.buffer.write(to_lowered_onnx(graph).SerializeToString(deterministic=True))\n"
    )
    root = Path(__file__).parents[2]
    digests = {
        hashlib.sha256(
            subprocess.run(
                [sys.executable, "-c", code],
                cwd=root,
                env={"PYTHONHASHSEED": seed},
                check=True,
                capture_output=True,
            ).stdout
        ).hexdigest()
        for seed in ("0", "1")
    }
    assert len(digests) == 1


def test_the_program_imports_numpy_and_the_standard_library_only():
    imported = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(generate_executor(dvs_net())))
        for name in _imports(node)
    }
    assert imported - set(sys.stdlib_module_names) == {"numpy"}


def _imports(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []


def test_every_layer_says_which_node_it_comes_from():
    source = generate_executor(dvs_net())
    for name in ("conv1", "conv2", "fc"):
        assert f"# crossbars '/{name}/Conv'" in source
    assert "# imc.update_membrane '/lif1/Greater'" in source


def test_lines_fit_a_screen():
    for graph in (dvs_net(), one_layer(3000, 5, wordlines=64, read=adc("sar", 5, 0))):
        assert max(map(len, generate_executor(graph).splitlines())) <= 120


def test_only_functions_that_are_called_are_written():
    source = generate_executor(one_layer(4, 2))
    for absent in ("pooled", "converted", "offset_binary", "shift_and_add", "convolution_matrix"):
        assert f"def {absent}" not in source


def test_integers_do_not_depend_on_the_types_their_constants_came_in():
    graph = dvs_net()
    wide = {name: array.astype(np.int64) for name, array in graph.constants.items()}
    tight = {name: array.astype(np.int8) for name, array in graph.constants.items()}
    assert generate_executor(replace(graph, constants=wide)) == generate_executor(
        replace(graph, constants=tight)
    )


def test_weights_are_those_the_program_was_generated_for():
    graph = dvs_net()
    stored = keyed(graph.constants)
    assert f'WEIGHTS_SHA256 = "{fingerprint(stored)}"' in generate_executor(graph)
    changed = {**graph.constants, "fc.weight": graph.constants["fc.weight"] + 1}
    with pytest.raises(MappingError, match=r"error\[bad-weights\]"):
        load_executor(generate_executor(graph), changed)


def renamed(graph: Graph, name: Callable[[str], str]) -> Graph:
    """Return the graph with another name for every value, constant and node."""

    def walk(item):
        if isinstance(item, list):
            return [walk(part) for part in item]
        if not isinstance(item, dict):
            return item
        keys = {"name", "const", "next", "output", "loc"}
        return {
            k: name(v) if k in keys and isinstance(v, str) else walk(v) for k, v in item.items()
        }

    constants = {name(key): array for key, array in graph.constants.items()}
    return from_json(walk(to_json(graph)), constants, "test")


@pytest.mark.parametrize("nasty", HOSTILE)
def test_hostile_names_stay_names(nasty):
    plain = dvs_net(size=8, channels=2)
    graph = renamed(plain, lambda name: f"{name}{nasty}" if name else nasty)
    source = generate_executor(graph, target=nasty, version=nasty, watch=[f"lif1{nasty}"])
    assert source.isascii()
    assert all(c.isprintable() or c == "\n" for c in source)
    assert shape_of(source) == shape_of(generate_executor(plain, watch=["lif1"]))
    executor = load_executor(source, graph.constants)
    inputs = {f"events{nasty}": random_spikes(2, 1, 2, 8, 8)}
    expected = evaluate(graph, inputs, watch=[f"lif1{nasty}"])
    found = executor.run(inputs)
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[name], expected[name]) for name in expected)


def shape_of(source: str) -> str:
    """Return the syntax tree without the texts of its strings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            node.value = ""
    return ast.dump(tree)


@pytest.mark.parametrize("nasty", HOSTILE)
def test_a_name_alone_may_be_hostile_in_every_engine(nasty):
    net = Builder(nasty)
    x = net.input(nasty, (3,))
    y = net.crossbars(x, random_weights(3, 2), sense_amp(1), name=f"{nasty}.y", loc=nasty)
    net.output(y, x)
    run_everywhere(net.graph(), {nasty: random_spikes(2, 2, 3)})


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("a\0b", "contains a null character"),
        ("\ud800", "is not valid Unicode"),
        ("x" * 1001, "is 1001 bytes long, more than 1000"),
    ],
)
def test_names_that_no_file_can_hold_are_refused(name, problem):
    net = Builder()
    net.output(net.input(name, (3,)))
    with pytest.raises(MappingError, match=problem) as refused:
        generate_executor(net.graph())
    assert refused.value.diagnostics[0].code == "unusable-name"


def test_a_value_with_the_name_of_a_trace_is_refused():
    net = Builder()
    x = net.input("fc.sum.wordlines", (3,))
    net.output(net.crossbars(x, random_weights(3, 2), sense_amp(1), name="fc"))
    with pytest.raises(MappingError, match=r"two arrays would be named 'fc.sum.wordlines'"):
        generate_executor(net.graph())


def test_a_float_input_is_refused():
    x = Value("x", FLOAT, (3,))
    with pytest.raises(MappingError, match=r"error\[not-hardware\]: 'x' is f32, not an integer"):
        generate_executor(Graph(name="g", inputs=(x,), outputs=(x,)))


def test_an_op_on_floats_is_refused_with_its_node():
    x, y = Value("x", IntType(4, signed=True), (3,)), Value("y", FLOAT, (3,))
    graph = Graph(
        name="g", inputs=(x,), outputs=(y,), ops=(Scale(x=x, result=y, factor=0.5, loc="m:/Mul"),)
    )
    with pytest.raises(MappingError, match=r"net.scale is not computed in integers\n  --> m:/Mul"):
        generate_executor(graph)


def test_a_network_without_inputs_is_refused():
    with pytest.raises(MappingError, match="the network has no inputs"):
        generate_executor(Graph(name="g", inputs=(), outputs=()))


def test_a_watched_value_must_exist():
    with pytest.raises(MappingError, match=r"error\[unknown-value\].*'lif9'"):
        generate_executor(dvs_net(), watch=["lif9"])


def test_a_layer_is_one_unit_and_its_count_of_active_rows_is_inside():
    graph = one_layer(6, 2, read=adc("flash", 3, 0), encoding=encoding("offset-binary"))
    assert [op.mnemonic for op in graph.ops] == [
        "imc.crossbar_mvm",
        "imc.count_active",
        "imc.adc_read",
        "imc.shift_and_add",
    ]
    (unit,) = units(graph)
    assert isinstance(unit, CrossbarLayer)


@pytest.mark.parametrize("name", ["layer0.sum", "layer0.codes"])
def test_partial_sums_and_codes_are_kept_where_they_are_watched(name):
    graph = one_layer(6, 2, wordlines=4)
    assert [type(unit).__name__ for unit in units(graph, [name])] == [
        "CrossbarMvm",
        "SenseAmpRead",
        "ShiftAndAdd",
    ]
    inputs = {"x": random_spikes(3, 2, 6)}
    source = generate_executor(graph, watch=[name])
    found = load_executor(source, graph.constants).run(inputs)
    assert np.array_equal(found[name], evaluate(graph, inputs, watch=[name])[name])


def test_variables_end_with_their_last_use():
    program = describe(dvs_net())
    dead = [name for statement in program.statements for name in statement.dead]
    assert len(dead) == len(set(dead))
    kept = {variable for _, variable in (*program.outputs, *program.following)}
    assert kept.isdisjoint(dead)


def test_results_that_nothing_reads_end_at_once():
    net = Builder()
    x = net.input("x", (3,))
    net.integer_neurons(x, name="lif", threshold=2)  # its spikes go nowhere
    net.output(x)
    graph = net.graph()
    program = describe(graph)
    assert program.statements[-1].dead == (Names(graph)["lif"], Names(graph)["lif.v"])


def test_partial_sums_of_a_128_by_128_input_are_never_held_at_once():
    # 9 row blocks x 3 slices x 32 outputs x 16384 positions are 14 M sums: 54 MiB as floats,
    # 108 MiB as integers. Input and output are 4 MiB each.
    net = Builder()
    x = net.input("x", (32, 128, 128))
    window = Window(kernel=(3, 3), padding=(1, 1, 1, 1))
    weight = random_weights(288, 32)
    net.output(net.crossbars(x, weight, sense_amp(1), window=window, wordlines=32))
    graph = net.graph()
    executor = load_executor(generate_executor(graph), graph.constants)
    spikes = random_spikes(1, 1, 32, 128, 128)
    tracemalloc.start()
    executor.run({"x": spikes})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40 << 20


def test_more_samples_take_no_more_than_their_values():
    net = Builder()
    x = net.input("x", (8, 32, 32))
    window = Window(kernel=(3, 3), padding=(1, 1, 1, 1))
    net.output(net.crossbars(x, random_weights(72, 8), sense_amp(1), window=window, wordlines=24))
    graph = net.graph()
    executor = load_executor(generate_executor(graph), graph.constants)

    def peak(batch: int) -> int:
        spikes = random_spikes(1, batch, 8, 32, 32)
        tracemalloc.start()
        executor.run({"x": spikes})
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    values = 2 * 8 * 32 * 32 * 8  # input and output of a sample, in bytes
    assert peak(40) - peak(20) <= 20 * values * 2
