"""Sizes that do not fill words and vectors, inputs that are empty or full; fallbacks and traces."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mapper.diagnostics import MappingError
from mapper.executor import engine
from mapper.executor.engine import ENGINES
from mapper.executor.native import NativeExecutor
from mapper.executor.native.held import layout, pack, unpack
from mapper.ir.core import IntType, Value
from mapper.ir.evaluate import evaluate
from mapper.ir.leaks import Decay
from mapper.ir.neurons import Reset
from mapper.ir.readout import ShiftAndAdd
from mapper.ir.windows import Window, transposed_window
from mapper.kernels import core
from mapper.kernels.core import VARIANTS, supported_levels, unavailable
from tests.builders import Builder, adc, encoding, ideal, sense_amp, ternary
from tests.campaigns import examples
from tests.engines import assert_same_bits, assert_same_counts
from tests.small_graphs import dvs_net, random_spikes
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
    net.output(net.integer_neurons(y, threshold=5, decay=Decay(kind="shift", shift=2), reset=reset))
    return net.graph()


def agrees(graph, inputs, level):
    executor = NativeExecutor(graph, level=level, threads=1)
    expected = evaluate(graph, inputs)
    found = executor.run(inputs)
    assert all(np.array_equal(found[name], array) for name, array in expected.items())
    return executor


@pytest.mark.campaign(96)
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
    net.output(net.crossbars(x, weight, read, encoding=cells, wordlines=rows))
    return net.graph()


@every_variant
@pytest.mark.parametrize("bits", [2, 4])
@pytest.mark.parametrize("rows", [126, 1022])
def test_lists_of_every_length_reach_every_threshold(level, rows, bits):
    """Wordlines are counted by eights: lists that end around all bounds, one beside another."""
    counts = [0, 1, 126, 7, 8, 121, 9, 0, 120, 16, 17, 119, 24, 55, 56, 57, 64, rows - 1, rows, 3]
    rng = np.random.default_rng(2)
    spikes = np.zeros((1, len(counts), rows), np.int64)
    for sample, count in enumerate(counts):
        spikes[0, sample, rng.permutation(rows)[:count]] = 1
    for threshold in (-1, 0, 1, 7, 8, 9, 16, 17, 57, 64, 121, rows, rows + 1):
        read = sense_amp(threshold, (0, 1))
        graph = linear(rows, read, 1, "twos-complement", bits, channels=rows)
        assert not agrees(graph, {"x": spikes}, level).notes


@pytest.mark.campaign(120)
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
    ("kind", "cell_bits"),
    [("offset-binary", 2), ("differential", 2), ("twos-complement", 4), ("twos-complement", 2)],
)
def test_adcs_of_linear_layers(level, density, rows, read, kind, cell_bits):
    """Row blocks of more wordlines than a byte holds; steps with and without a factor."""
    inputs = {"x": random_spikes(2, 3, 150, density=density)}
    assert not agrees(linear(rows, read, cell_bits, kind), inputs, level).notes


@every_variant
@pytest.mark.parametrize("density", [0.2, 1.0])
@pytest.mark.parametrize("steps", [(1, 2, 3, 5), (1, 1, 1, 1), (300, 7, 1, 900)])
@pytest.mark.parametrize("cell_bits", [1, 2])
def test_adcs_that_differ_by_column(level, density, steps, cell_bits):
    """In 16 bits where that is exact; the last steps divide as floats."""
    step = np.resize(steps, (1, 1, 40))
    read = adc("sar", 5, step - 3, step, np.arange(40)[None, None] - 20)
    inputs = {"x": random_spikes(2, 3, 150, density=density)}
    assert not agrees(linear(64, read, cell_bits), inputs, level).notes


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


@pytest.mark.campaign(160)
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
    net.output(
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


@pytest.mark.campaign(24)
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
    wide = net.integer_neurons(x, membrane=IntType(40, signed=True), threshold=1 << 35)
    net.output(wide)
    graph = net.graph()
    executor = agrees(graph, {"x": random_spikes(3, 2, 8)}, 0)
    assert [note.op for note in executor.plan.notes] == ["imc.update_membrane"]
    ran = engine.run(graph, {"x": random_spikes(3, 2, 8)}, "native")
    assert "at most 32 bits" in ran.notes[0]


def traces_agree(graph, inputs, initial=None, **options):
    """Compare every count of a trace with those of the generated executor."""
    expected = ENGINES["numpy"].prepare(graph).trace(inputs, initial)
    native = NativeExecutor(graph, **options)
    found = native.trace(inputs, initial)
    assert_same_bits(found.outputs, expected.outputs)
    assert_same_counts(found.counts, expected.counts)
    return native


@every_variant
@settings(max_examples=examples(40), deadline=None, suppress_health_check=list(HealthCheck))
@given(case=cases(), threads=st.integers(1, 3))
def test_a_trace_counts_what_the_executor_counts(level: int, case: Case, threads: int):
    traces_agree(case.graph, case.inputs, case.initial, level=level, threads=threads)


@pytest.mark.campaign(32)
@every_variant
@pytest.mark.parametrize("density", [0.0, 0.02, 1.0])
@pytest.mark.parametrize(
    ("channels", "height", "width"), [(1, 3, 70), (2, 20, 5), (65, 3, 9), (130, 9, 4)]
)
@pytest.mark.parametrize("stride", [(1, 1), (2, 3)])
def test_a_trace_counts_sizes_that_fill_no_vectors(level, density, channels, height, width, stride):
    net = Builder()
    x = net.input("x", (channels, height, width), IntType(2, signed=True))
    window = Window(kernel=(3, 2), stride=stride, padding=(1, 1, 0, 1))
    weight = np.random.default_rng(1).integers(-2, 2, (6 * channels, 5))
    two_bits = encoding("twos-complement", 2)
    net.output(
        net.crossbars(x, weight, sense_amp(1), encoding=two_bits, window=window, wordlines=37)
    )
    codes = random_spikes(3, 2, channels, height, width, density=density)
    traces_agree(net.graph(), {"x": codes * -2 + codes[::-1]}, level=level, threads=2)


@every_variant
def test_a_trace_of_transposed_convolutions_counts_every_phase(level):
    net = Builder()
    x = net.input("x", (5, 4, 6))
    window = transposed_window((4, 4), (2, 2), (1, 1, 1, 1), (1, 1), (0, 0))
    weight = np.random.default_rng(1).integers(-2, 2, (80, 6))
    two_bits = encoding("twos-complement", 2)
    y = net.crossbars(x, weight, sense_amp(1), encoding=two_bits, window=window, wordlines=13)
    net.output(y)
    traces_agree(net.graph(), {"x": random_spikes(3, 2, 5, 4, 6, density=0.2)}, level=level)


def test_a_trace_counts_crossbars_that_run_on_numpy():
    net = Builder()
    x = net.input("x", (6, 5, 5), IntType(31, signed=False))
    weight = np.random.default_rng(1).integers(-8, 8, (54, 4))
    net.output(net.crossbars(x, weight, ideal(), encoding=None, window=SAME, wordlines=20))
    codes = random_spikes(3, 2, 6, 5, 5, density=0.3) * ((1 << 30) + 5)
    native = traces_agree(net.graph(), {"x": codes})
    assert [note.op for note in native.plan.notes] == ["crossbar layer"]


def test_a_trace_holds_packed_spikes():
    graph = dvs_net()
    inputs = {"events": random_spikes(4, 1, 2, 16, 16)}
    octets = NativeExecutor(graph).trace(inputs).spikes["lif1"]
    spikes = evaluate(graph, inputs, watch=("lif1",))["lif1"]
    assert octets.shape == (4, 1, 16, 16, 1)
    unpacked = np.unpackbits(octets, axis=-1, count=4, bitorder="little")
    assert np.array_equal(unpacked.transpose(0, 1, 4, 2, 3), spikes)


def test_watched_spikes_may_stay_packed(monkeypatch):
    """Over any number of time steps at once; what is no spike is a number, as are outputs."""
    monkeypatch.setattr("mapper.executor.native.run.CHUNK_BYTES", 1)
    graph = dvs_net()
    inputs = {"events": random_spikes(4, 2, 2, 16, 16)}
    summed = next(op for op in graph.ops if isinstance(op, ShiftAndAdd)).result.name
    ready = NativeExecutor(graph, watch=("lif1", summed))
    whole, packed = ready.run(inputs), ready.run_packed(inputs)
    assert packed.spikes.keys() == {"lif1"}
    assert packed.outputs.keys() == whole.keys() - {"lif1"}
    assert all(np.array_equal(found, whole[name]) for name, found in packed.outputs.items())
    assert np.array_equal(packed.spikes["lif1"], ready.trace(inputs).spikes["lif1"])


def test_without_kernels_the_default_is_numpy_and_says_so(monkeypatch):
    monkeypatch.setattr(core, "_REASON", "the native kernels were not built (no compiler)")
    graph = dvs_net()
    inputs = {"events": random_spikes(2, 1, 2, 16, 16)}
    ran = engine.run(graph, inputs, None)
    assert (ran.engine, ran.notes) == ("numpy", (core.unavailable(),))
    for run in (lambda: engine.chosen_backend("native"), lambda: NativeExecutor(graph)):
        with pytest.raises(MappingError) as refused:
            run()
        assert refused.value.diagnostics[0].code == "backend-unavailable"


def test_the_environment_may_ask_for_a_lower_variant(monkeypatch):
    monkeypatch.setenv(core.VARIANT_VARIABLE, "base")
    assert core.best_level() == 0
    monkeypatch.setenv(core.VARIANT_VARIABLE, "none of them")
    assert core.best_level() == supported_levels()[-1]


@every_variant
@pytest.mark.parametrize("shape", [(1,), (64,), (130,), (3, 5, 7), (64, 8, 9), (130, 9, 9)])
@pytest.mark.parametrize(
    "type", [IntType(1, signed=False), IntType(5, signed=True), IntType(64, signed=True)]
)
def test_packing_is_undone(monkeypatch, level, shape, type):
    monkeypatch.setenv(core.VARIANT_VARIABLE, VARIANTS[level])
    value = Value("x", type, shape)
    draw = np.random.default_rng(0).integers
    codes = draw(type.min, type.max, (2, 3, *shape), endpoint=True)
    packed = pack(codes, value)
    assert packed is not None
    assert np.array_equal(unpack(packed, value), codes)
    channels, height, width = layout(shape)
    last = codes.reshape(2, 3, channels, height, width)[1, 2, -1, -1, -1]
    word = packed[0, 1, 2, -1, -1, -1]
    assert int(word) >> ((channels - 1) % 64) == last & 1  # nothing past the last channel
    if type.bits < 64:
        codes.reshape(-1)[-1] = type.max + 1
        assert pack(codes, value) is None


@every_variant
def test_a_vector_that_was_an_image_of_one_pixel_has_its_own_shape(level):
    net = Builder()
    flat = net.reshape(net.input("x", (70, 1, 1)), (70,))
    net.output(flat)
    codes = random_spikes(2, 3, 70, 1, 1)
    found = NativeExecutor(net.graph(), threads=1, level=level).run({"x": codes})
    assert np.array_equal(found[flat.name], codes.reshape(2, 3, 70))


def test_codes_of_any_kind_of_number_are_the_same():
    graph = dvs_net()
    codes = random_spikes(2, 3, 2, 16, 16)
    executor = NativeExecutor(graph, threads=1)
    expected = executor.run({"events": codes})
    apart = np.zeros((2, 3, 2, 16, 32), np.int64)[..., ::2]
    apart[...] = codes
    for given_codes in (codes.astype(np.int8), codes.astype(float), codes.astype(bool), apart):
        found = executor.run({"events": given_codes})
        assert all(np.array_equal(found[name], array) for name, array in expected.items())


def test_inputs_are_checked_as_by_the_executor():
    executor = NativeExecutor(dvs_net())
    for codes in (
        {},
        {"events": np.zeros((1, 1, 2, 9, 9))},
        {"events": np.full((1, 2, 16, 16), 2)},
        {"events": np.full((1, 1, 2, 16, 16), 2)},
        {"events": np.full((1, 1, 2, 16, 16), -1)},
        {"events": np.zeros((1, 0, 2, 16, 16), np.int64)},
    ):
        with pytest.raises(MappingError):
            executor.run(codes)
    with pytest.raises(MappingError):
        NativeExecutor(dvs_net(), watch=["nothing"])


def test_lists_that_kernels_cannot_count_leave_the_layer_to_numpy():
    """A window of far elements over a large padded map."""
    net = Builder()
    x = net.input("x", (16, 4, 4))
    far = Window(kernel=(8, 8), dilation=(400, 400), padding=(1400, 1400, 1400, 1400))
    net.output(net.crossbars(x, np.ones((1024, 1), int), sense_amp(1), window=far))
    (note,) = ENGINES["native"].prepare(net.graph()).notes
    assert "driven wordlines, at most 4294967295" in note
