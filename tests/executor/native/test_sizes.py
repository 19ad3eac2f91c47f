"""Sizes that do not fill words and vectors, inputs that are empty or full; fallbacks and traces."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from mapper import backends
from mapper.diagnostics import MappingError
from mapper.executor import generate_executor, load_executor
from mapper.executor.native import VARIANTS, NativeExecutor, core, supported_levels, unavailable
from mapper.ir.core import IntType
from mapper.ir.evaluate import evaluate
from mapper.ir.neurons import Decay, Reset
from mapper.ir.windows import Window, transposed_window
from tests.builders import Builder, adc, dvs_net, encoding, ideal, random_spikes, sense_amp, ternary
from tests.strategies import Case, cases

pytestmark = pytest.mark.skipif(bool(unavailable()), reason=unavailable())
every_variant = pytest.mark.parametrize(
    "level", supported_levels(), ids=[VARIANTS[level] for level in supported_levels()]
)
SAME = Window(kernel=(3, 3), padding=(1, 1, 1, 1))


def layer(channels, outputs, rows, kind="twos-complement", read=None, groups=1, **more):
    """Return a convolution with neurons behind it."""
    net = Builder()
    x = net.input("x", (channels, 5, 7))
    weight = np.random.default_rng(3).integers(-7, 8, (9 * channels // groups, outputs))
    more.setdefault("encoding", encoding(kind))
    y = net.crossbars(
        x, weight, read or sense_amp(2, (0, 1)), wordlines=rows, window=SAME, groups=groups, **more
    )
    reset = Reset(kind="subtract", amount=5)
    net.outputs(net.neurons(y, threshold=5, decay=Decay(kind="shift", shift=2), reset=reset))
    return net.graph()


def agrees(graph, inputs, level):
    executor = NativeExecutor(graph, level=level, threads=1)
    expected = evaluate(graph, inputs)
    found = executor.run(inputs)
    assert all(np.array_equal(found[name], array) for name, array in expected.items())
    return executor


@every_variant
@pytest.mark.parametrize("density", [0.0, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("kind", ["twos-complement", "offset-binary", "differential"])
@pytest.mark.parametrize(
    ("channels", "outputs", "rows"),
    [(1, 1, 64), (3, 5, 10), (32, 32, 64), (40, 130, 64), (64, 70, 100), (130, 33, 128)],
)
def test_odd_sizes(level, density, kind, channels, outputs, rows):
    graph = layer(channels, outputs, rows, kind)
    inputs = {"x": random_spikes(2, 1, channels, 5, 7, density=density)}
    assert not agrees(graph, inputs, level).notes


@every_variant
@pytest.mark.parametrize(
    "read",
    [
        ternary(-1, 2),
        ternary(1, 3),
        sense_amp((1, 4, 9), (-3, 0, 3, 6)),
        sense_amp(0, half_active=True),
        sense_amp((1, 3), (5, 0, 2)),
        adc("flash", 3, 1, 4),
        adc("sar", 8, -5, 1, -5),
        ideal(),
    ],
)
def test_readouts_of_full_row_blocks(level, read):
    graph = layer(128, 20, 200, read=read)
    agrees(graph, {"x": random_spikes(2, 1, 128, 5, 7, density=0.9)}, level)


def linear(rows, read, cell_bits=2, kind="offset-binary", bits=8, channels=150):
    """Return a linear layer of 40 outputs without neurons."""
    net = Builder()
    low = 1 - (1 << (bits - 1))
    weight = np.random.default_rng(5).integers(low, -low + 1, (channels, 40))
    weight[:, 0], weight[:, 1] = -low, low
    x, cells = net.input("x", (channels,)), encoding(kind, bits, cell_bits)
    net.outputs(net.crossbars(x, weight, read, encoding=cells, wordlines=rows))
    return net.graph()


@every_variant
@pytest.mark.parametrize("density", [0.0, 0.2, 1.0])
@pytest.mark.parametrize("rows", [20, 128])
@pytest.mark.parametrize(
    "read",
    [
        adc("sar", 8, 3, 3, 0),
        adc("sar", 8, -40, 1, -40),
        adc("flash", 4, 0, 27, 13),
        adc("sar", 6, -100, 5, -90),
        adc("sar", 12, 1, 1, 0),
        adc("sar", 2, 200, 20_000, 0),
    ],
)
@pytest.mark.parametrize(
    ("kind", "cell_bits"), [("offset-binary", 2), ("differential", 2), ("twos-complement", 4)]
)
def test_adcs_of_linear_layers(level, density, rows, read, kind, cell_bits):
    """Row blocks of more wordlines than a byte holds; steps with and without a factor."""
    inputs = {"x": random_spikes(2, 3, 150, density=density)}
    assert not agrees(linear(rows, read, cell_bits, kind), inputs, level).notes


@every_variant
@pytest.mark.parametrize("batch", [1, 63, 64, 130])
def test_samples_of_linear_layers_are_rows_of_an_image(level, batch):
    graph = linear(64, adc("sar", 8, 3, 3, 0))
    inputs = {"x": random_spikes(2, batch, 150, density=0.2)}
    expected = agrees(graph, inputs, level).run(inputs)
    threaded = NativeExecutor(graph, level=level, threads=3).run(inputs)
    assert all(np.array_equal(threaded[name], array) for name, array in expected.items())


@every_variant
def test_groups_and_tall_blocks_and_scales(level):
    scale = np.random.default_rng(0).integers(-3, 4, (9, 1))
    graph = layer(128, 24, 64, groups=2, scale=scale)
    inputs = {"x": random_spikes(3, 2, 128, 5, 7)}
    agrees(graph, inputs, level)
    agrees(layer(128, 24, 1152, scale=np.arange(24)[None] - 9), inputs, level)
    agrees(layer(128, 24, 1000), inputs, level)


@every_variant
@pytest.mark.parametrize("read", [sense_amp(2, (-1, 1)), sense_amp(0, (0, 1)), ternary(-1, 2)])
@pytest.mark.parametrize("channels", [2, 5, 32, 64, 70])
@pytest.mark.parametrize("rows", [7, 12, 64, 100])
@pytest.mark.parametrize("stride", [(1, 2), (2, 1), (2, 2), (3, 2)])
def test_transposed_convolutions(level, read, channels, rows, stride):
    """A row block whose first kernel elements fall between inputs begins at a later wordline."""
    net = Builder()
    x = net.input("x", (channels, 4, 5))
    window = transposed_window((3, 4), stride, (1, 1, 1, 0), (1, 1), (0, 0))
    weight = np.random.default_rng(1).integers(-2, 2, (12 * channels, 6))
    net.outputs(
        net.crossbars(
            x,
            weight,
            read,
            encoding=encoding("twos-complement", 2),
            window=window,
            wordlines=rows,
        )
    )
    agrees(net.graph(), {"x": random_spikes(1, 2, channels, 4, 5, density=0.4)}, level)


@every_variant
@pytest.mark.parametrize("cell_bits", [2, 4])
@pytest.mark.parametrize("kind", ["twos-complement", "offset-binary", "differential"])
@pytest.mark.parametrize("rows", [8, 64, 200])
def test_cells_of_more_bits(level, cell_bits, kind, rows):
    written = encoding(kind, 7, cell_bits)
    for read in (sense_amp(20, (0, 1)), ternary(5, 90), adc("flash", 4, 3, 7)):
        for density in (0.1, 0.9):
            graph = layer(64, 20, rows, read=read, encoding=written)
            agrees(graph, {"x": random_spikes(2, 1, 64, 5, 7, density=density)}, level)


@pytest.mark.parametrize("threads", [1, 2, 3, 5])
def test_any_number_of_threads_gives_the_same_bits(threads):
    graph = dvs_net()
    inputs = {"events": random_spikes(6, 3, 2, 16, 16)}
    expected = evaluate(graph, inputs)
    found = NativeExecutor(graph, threads=threads).run(inputs)
    assert all(np.array_equal(found[name], array) for name, array in expected.items())


def test_chunks_of_time_steps_change_nothing(monkeypatch):
    monkeypatch.setattr("mapper.executor.native.run.CHUNK_BYTES", 1)
    graph = dvs_net()
    inputs = {"events": random_spikes(4, 1, 2, 16, 16)}
    steps = []
    executor = NativeExecutor(graph)
    found = executor.run(inputs, progress=steps.append)
    assert steps == [1, 2, 3, 4]
    expected = evaluate(graph, inputs)
    assert all(np.array_equal(found[name], array) for name, array in expected.items())


def test_what_kernels_cannot_take_runs_on_numpy_with_a_note():
    net = Builder()
    x = net.input("x", (8,))
    wide = net.neurons(x, membrane=IntType(40, signed=True), threshold=1 << 35)
    net.outputs(wide)
    graph = net.graph()
    executor = agrees(graph, {"x": random_spikes(3, 2, 8)}, 0)
    assert [note.op for note in executor.notes] == ["imc.update_membrane"]
    ran = backends.run(graph, {"x": random_spikes(3, 2, 8)}, "native")
    assert "at most 32 bits" in ran.details["notes"][0]


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(cases())
def test_a_trace_counts_what_the_executor_counts(case: Case):
    executor = load_executor(generate_executor(case.graph), case.graph.constants)
    expected, counted = executor.run(case.inputs, case.initial, trace=True)
    outputs, counts = NativeExecutor(case.graph, threads=1).trace(case.inputs, case.initial)
    assert all(np.array_equal(outputs[name], array) for name, array in expected.items())
    assert all(np.array_equal(counts[name], array) for name, array in counted.items())


def test_a_trace_holds_packed_spikes():
    graph = dvs_net()
    inputs = {"events": random_spikes(4, 1, 2, 16, 16)}
    _, counts = NativeExecutor(graph).trace(inputs)
    spikes = evaluate(graph, inputs, watch=("lif1",))["lif1"]
    octets = counts["lif1.spikes"]
    assert octets.shape == (4, 1, 16, 16, 1)
    unpacked = np.unpackbits(octets, axis=-1, count=4, bitorder="little")
    assert np.array_equal(unpacked.transpose(0, 1, 4, 2, 3), spikes)


def test_without_kernels_the_default_is_numpy_and_says_so(monkeypatch):
    monkeypatch.setattr(core, "_MISSING", "the native kernels were not built (no compiler)")
    graph = dvs_net()
    inputs = {"events": random_spikes(2, 1, 2, 16, 16)}
    ran = backends.run(graph, inputs, None)
    assert (ran.backend, ran.details["notes"]) == ("numpy", [core.unavailable()])
    for run in (lambda: backends.chosen("native"), lambda: NativeExecutor(graph)):
        with pytest.raises(MappingError) as refused:
            run()
        assert refused.value.diagnostics[0].code == "backend-unavailable"


def test_the_environment_may_ask_for_a_lower_variant(monkeypatch):
    monkeypatch.setenv(core.VARIANT_VARIABLE, "base")
    assert core.best_level() == 0
    monkeypatch.setenv(core.VARIANT_VARIABLE, "none of them")
    assert core.best_level() == supported_levels()[-1]


def test_inputs_are_checked_as_by_the_executor():
    executor = NativeExecutor(dvs_net())
    for codes in (
        {},
        {"events": np.zeros((1, 1, 2, 9, 9))},
        {"events": np.full((1, 2, 16, 16), 2)},
    ):
        with pytest.raises(MappingError):
            executor.run(codes)
    with pytest.raises(MappingError):
        NativeExecutor(dvs_net(), watch=["nothing"])
