"""Reading target files: strict, complete about problems, and safe with hostile files."""

from codecs import BOM_UTF8
from pathlib import Path

import pytest

from mapper.diagnostics import MappingError
from mapper.ir.encoding import ENCODINGS
from mapper.ir.readout_kinds import READOUTS as KINDS
from targets import load_target, target_from_data, target_to_data

SMALL = Path(__file__).with_name("small.toml")


def problems(error: pytest.ExceptionInfo[MappingError]) -> list[tuple[str, str]]:
    return [(diagnostic.code, diagnostic.message) for diagnostic in error.value.diagnostics]


def test_a_file_becomes_dataclasses_with_the_same_names():
    target = load_target(SMALL)
    (macro,) = target.macros
    assert (macro.wordlines, macro.bitlines, macro.readout.levels) == (8, 12, (0, 1))
    assert (target.chip.crossbars, target.chip.max_chips, target.chip.max_rounds) == (8, 2, 3)
    assert (target.neuron.leaks, target.neuron.leak_bits) == (("none", "shift"), 0)
    assert isinstance(target.clock.logic_ns, float)
    assert macro.outputs_per_crossbar(3) == 3  # two pairs a weight
    assert load_target(str(SMALL)) == target


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(MappingError) as error:
        load_target("adcles-64")
    (diagnostic,) = error.value.diagnostics
    assert diagnostic.code == "unknown-target"
    assert diagnostic.message == "no target is named 'adcles-64'; did you mean 'adcless-64'?"
    assert diagnostic.help.startswith("use the path of a .toml file, or one of adcless-128, ")


def test_a_name_like_none_of_ours_suggests_nothing():
    with pytest.raises(MappingError) as error:
        load_target("")
    assert problems(error) == [("unknown-target", "no target is named ''")]


@pytest.mark.parametrize(
    "path", ["nowhere/chip.toml", "./adcless-64", "a\0b/c", "x" * 300 + ".toml"]
)
def test_a_path_that_is_no_file(path):
    with pytest.raises(MappingError) as error:
        load_target(path)
    ((code, message),) = problems(error)
    assert code == "unknown-target"
    assert "is not a file" in message or "cannot be read" in message


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(MappingError) as error:
        load_target(tmp_path)
    assert problems(error) == [("unknown-target", f"{tmp_path.name} is not a file")]


def test_broken_toml_names_its_line(edited):
    with pytest.raises(MappingError) as error:
        edited("wordlines = 8", "wordlines 8")
    ((code, message),) = problems(error)
    assert code == "target-syntax"
    assert message.startswith("adc.toml: Expected '=' after a key in a key/value pair (at line 8,")
    assert error.value.diagnostics[0].loc.endswith("adc.toml")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"name = '\xff'", "adc.toml: line 1 is not UTF-8: byte 0xff"),
        (b"# a\r\n\n# \xe9", "adc.toml: line 3 is not UTF-8: byte 0xe9"),
        (b"x = " + b"[" * 5000, "adc.toml: nested too deep"),
        (b"#" * (1 << 20) + b"\n", "adc.toml is larger than 1048576 bytes"),
        (b"a" + b".a" * 65 + b" = 1", "adc.toml: line 1 has 65 dots, at most 64 are read"),
    ],
)
def test_hostile_files_are_refused(tmp_path, content, message):
    path = tmp_path / "adc.toml"
    path.write_bytes(content)
    with pytest.raises(MappingError) as error:
        load_target(path)
    assert problems(error) == [("target-syntax", message)]


def test_an_integer_of_thousands_of_digits_is_refused(edited):
    with pytest.raises(MappingError) as error:
        edited("wordlines = 8", f"wordlines = {'9' * 5000}")
    ((code, message),) = problems(error)
    assert code == "target-syntax"
    assert message == "adc.toml: line 8 has 5000 digits in a row, fewer than 1000 are read"


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path):
    (tmp_path / "mine.toml").write_bytes(BOM_UTF8 + SMALL.read_bytes())
    assert load_target(tmp_path / "mine.toml") == load_target(SMALL)


def test_an_unknown_key_suggests_the_nearest(edited):
    with pytest.raises(MappingError) as error:
        edited("wordlines = 8", "wordline = 8")
    assert problems(error) == [
        ("target-key", "adc.toml: [macro] has no key 'wordline'; did you mean 'wordlines'?"),
        ("target-key", "adc.toml: [macro] misses key 'wordlines'"),
    ]
    assert error.value.diagnostics[0].help.startswith("its keys are name, wordlines, bitlines,")


def test_an_unknown_key_like_no_other(edited):
    with pytest.raises(MappingError) as error:
        edited("[clock]", "[zzz]\n[clock]")
    assert problems(error) == [("target-key", "adc.toml: the top level has no key 'zzz'")]


def test_a_missing_table(edited):
    with pytest.raises(MappingError) as error:
        edited('[clock]\npolicy = "decoupled"\nlogic_ns = 2\n', "")
    assert problems(error) == [("target-key", "adc.toml: the top level misses key 'clock'")]


def test_all_problems_of_a_file_are_reported_together(edited):
    with pytest.raises(MappingError) as error:
        edited("tiles = 2\ncrossbars_per_tile = 4", "tiles = 0\ncrossbars = true")
    assert problems(error) == [
        (
            "target-key",
            "adc.toml: [chip] has no key 'crossbars'; did you mean 'crossbars_per_tile'?",
        ),
        ("target-value", "adc.toml: [chip] tiles must be 1..1000000, got 0"),
        ("target-key", "adc.toml: [chip] misses key 'crossbars_per_tile'"),
    ]


SENSED = [f"'{kind}'" for kind, form in KINDS.items() if form.senses]
LEVELS = [n for form in KINDS.values() for levels in form.alphabets for n in levels]
VALUES = [
    ("wordlines = 8", "wordlines = '8'", "[macro] wordlines must be an integer, got '8'"),
    ("wordlines = 8", "wordlines = 8.0", "[macro] wordlines must be an integer, got 8.0"),
    ("wordlines = 8", "wordlines = true", "[macro] wordlines must be an integer, got True"),
    ("wordlines = 8", "wordlines = 0", "[macro] wordlines must be 1..65536, got 0"),
    (
        "wordlines = 8",
        f"wordlines = 0x{'f' * 5000}",
        "[macro] wordlines must be 1..65536, got a very large integer",
    ),
    ("cell_bits = 1", "cell_bits = 9", "[macro] cell_bits must be 1..8, got 9"),
    ("cell_bits = 1", "cell_bits = true", "[macro] cell_bits must be an integer, got True"),
    ("weight_bits = 3", "weight_bits = 9", "[macro] weight_bits must be 1..8, got 9"),
    ("[0, 1]", "[0, 99]", f"[macro.readout.levels] 2 must be {min(LEVELS)}..{max(LEVELS)}, got 99"),
    ("[0, 1]", "1", "[macro.readout] levels must be an array, got 1"),
    (
        '"differential"',
        '"sign"',
        f"[macro] encoding must be {' or '.join(map(repr, ENCODINGS))}, got 'sign'",
    ),
    ("logic_ns = 2", "logic_ns = nan", "[clock] logic_ns must be a finite number, got nan"),
    ("logic_ns = 2", "logic_ns = inf", "[clock] logic_ns must be a finite number, got inf"),
    ("logic_ns = 2", "logic_ns = 0", "[clock] logic_ns must be 1e-06..1e+12, got 0"),
    ('name = "small"', 'name = ""', "name must have 1..64 characters, got 0"),
    ('name = "small"', "name = 3", "name must be a text, got 3"),
    (
        "[clock]",
        "[[clock]]",
        "[clock] must be a table, got [{'policy': 'decoupled', 'logic_ns': 2}]",
    ),
    ("[[macro]]", "[macro]", None),
    (
        "levels = [0, 1]",
        f"levels = [{', '.join('0' * 65)}]",
        "[macro.readout] levels must have at most 64 entries, got 65",
    ),
]


@pytest.mark.parametrize(("old", "new", "message"), VALUES)
def test_a_value_out_of_range_or_of_another_type(edited, old, new, message):
    with pytest.raises(MappingError) as error:
        edited(old, new)
    ((code, text),) = problems(error)
    assert code == "target-value"
    if message is not None:
        assert text == f"adc.toml: {message}"
    else:
        assert text.startswith("adc.toml: macro must be an array, got {'name': 'sense-amp-8'")
    assert len(text) < 200


RULES = [
    ("bits = 1\nc", "bits = 2\nc", "bits must be 1 where kind is 'sense-amp', got 2"),
    ("[0, 1]", "[1, 0]", "levels must be [-1, 1] or [0, 1] where kind is 'sense-amp', got [1, 0]"),
]


@pytest.mark.parametrize(("old", "new", "message"), RULES)
def test_an_impossible_sense_amplifier(edited, old, new, message):
    with pytest.raises(MappingError) as error:
        edited(old, new)
    assert problems(error) == [("target-value", f"adc.toml: [macro.readout] {message}")]


READOUTS = [
    ("ideal", 1, "constant", "[]", ["bits must be 0 where kind is 'ideal', got 1"]),
    ("adder-tree", 1, "constant", "[]", ["bits must be 0 where kind is 'adder-tree', got 1"]),
    ("ternary", 1, "constant", "[-1, 0, 1]", ["bits must be 2 where kind is 'ternary', got 1"]),
    (
        "ternary",
        2,
        "constant",
        "[-1, 1]",
        ["levels must be [-1, 0, 1] where kind is 'ternary', got [-1, 1]"],
    ),
    ("flash", 1, "constant", "[]", ["bits must be 2..8 where kind is 'flash', got 1"]),
    (
        "sar",
        5,
        "half-active",
        "[-1, 1]",
        [
            "levels must be [] where kind is 'sar', got [-1, 1]",
            f"reference 'half-active' needs kind {' or '.join(SENSED)}, got kind 'sar'",
        ],
    ),
]


@pytest.mark.parametrize(("kind", "bits", "reference", "levels", "expected"), READOUTS)
def test_an_impossible_readout(edited, kind, bits, reference, levels, expected):
    old = SMALL.read_text().split("[macro.readout]\n")[1].split("\n\n")[0]
    new = (
        f'kind = "{kind}"\nbits = {bits}\ncolumns_per_readout = 1\n'
        f'reference = "{reference}"\nlevels = {levels}'
    )
    with pytest.raises(MappingError) as error:
        edited(old, new)
    assert problems(error) == [
        ("target-value", f"adc.toml: [macro.readout] {message}") for message in expected
    ]


TABLES = [
    (
        "wordlines = 8",
        "wordlines = 8\nrows_per_read = 9",
        ["[macro] 9 rows are read at once, the crossbar has 8 wordlines"],
    ),
    (
        "max_input_bits = 4",
        "max_input_bits = 4\ninput_bits_per_read = 5",
        ["[macro] a read takes 5 bits of an input, inputs have at most 4"],
    ),
    (
        "cell_bits = 1",
        "cell_bits = 3\ncell_levels = 4",
        ["[macro] cell_levels of 3-bit cells is 5..7, or left out, got 4"],
    ),
    ('"differential"', '"binary"', ["[macro] binary weights have 1 bit, got 3"]),
    (
        'accepts = ["spikes", "codes"]',
        "accepts = []",
        [
            "[macro] accepts must name each kind of input once, got []",
            "[macro] max_input_bits is 4, but accepts does not name 'codes'",
        ],
    ),
    (
        "max_input_bits = 4",
        "max_input_bits = 1",
        ["[macro] accepts 'codes' needs max_input_bits of 2 or more, got 1"],
    ),
    (
        "bitlines = 12",
        "bitlines = 3",
        ["[macro] a 3-bit weight takes 4 bitlines, the crossbar has 3"],
    ),
    (
        "columns_per_readout = 1",
        "columns_per_readout = 13",
        ["[macro] 13 columns share a readout, the crossbar has 12 bitlines"],
    ),
    (
        'reference = "constant"',
        'reference = "half-active"',
        ["[macro] a differential pair is its own reference; reference must be 'constant'"],
    ),
    (
        'leaks = ["none", "shift"]',
        'leaks = ["shift", "shift"]',
        ["[neuron] leaks must name each kind of leak once, got ['shift', 'shift']"],
    ),
    (
        'leaks = ["none", "shift"]',
        'leaks = ["multiply"]',
        ["[neuron] leaks 'multiply' needs leak_bits of 1 or more, got 0"],
    ),
    (
        "leak_bits = 0",
        "leak_bits = 3",
        ["[neuron] leak_bits is 3, but leaks does not name 'multiply'"],
    ),
    (
        "leak_bits = 0",
        'leak_bits = 0\nleak_rounding = "up"\nfraction_bits = 13',
        [
            "[neuron] leak_rounding must be 'floor' or 'toward-zero' or 'nearest', got 'up'",
            "[neuron] fraction_bits must be 0..12, got 13",
        ],
    ),
    (
        'kind = "sense-amp"\nbits = 1\ncolumns_per_readout = 1\nreference = "constant"\n'
        "levels = [0, 1]",
        'kind = "flash"\nbits = 7\ncolumns_per_readout = 1\nreference = "constant"',
        [
            "macro 'sense-amp-8' has a 7-bit flash readout, library 'reference-65nm' has "
            "[2, 3, 4, 5, 6] bits"
        ],
    ),
]


@pytest.mark.parametrize(("old", "new", "expected"), TABLES)
def test_values_that_do_not_go_together(edited, old, new, expected):
    with pytest.raises(MappingError) as error:
        edited(old, new)
    assert problems(error) == [("target-value", f"adc.toml: {text}") for text in expected]


def test_macros_are_numbered_where_there_are_several_and_their_names_differ():
    data = target_to_data(load_target(SMALL))
    twice = {**data, "macro": data["macro"] * 2}
    with pytest.raises(MappingError) as error:
        target_from_data(twice, loc="build/mapping.json")
    message = "mapping.json: 2 macros are named 'sense-amp-8'; names are used once"
    assert problems(error) == [("target-value", message)]
    broken = {**data["macro"][0], "cell_bits": 9}
    with pytest.raises(MappingError) as error:
        target_from_data({**data, "macro": [*data["macro"], broken]}, loc="mapping.json")
    message = "mapping.json: [macro.2] cell_bits must be 1..8, got 9"
    assert problems(error) == [("target-value", message)]


def test_no_macro_is_named_as_the_digital_unit_is_in_assignments():
    data = target_to_data(load_target(SMALL))
    named = {**data, "macro": [{**data["macro"][0], "name": "digital"}]}
    with pytest.raises(MappingError) as error:
        target_from_data(named, loc="mapping.json")
    message = "mapping.json: a macro is named 'digital', which stands for the digital unit"
    assert problems(error) == [("target-value", message)]


def test_a_target_without_macros():
    data = {**target_to_data(load_target(SMALL)), "macro": []}
    with pytest.raises(MappingError) as error:
        target_from_data(data, loc="x.json")
    message = "x.json: a target needs one [[macro]] or more, got 0"
    assert problems(error) == [("target-value", message)]


@pytest.mark.parametrize("data", [None, 3, [], "adcless-64"])
def test_data_that_is_no_table(data):
    with pytest.raises(MappingError) as error:
        target_from_data(data, loc="x.json")
    message = f"x.json: the top level must be a table, got {data!r}"
    assert problems(error) == [("target-value", message)]


def test_many_unknown_keys_are_counted():
    data = {**target_to_data(load_target(SMALL)), **{f"zz{i}": 0 for i in range(25)}}
    with pytest.raises(MappingError) as error:
        target_from_data(data, loc="x.json")
    assert len(error.value.diagnostics) == 21
    assert problems(error)[-1] == ("target-key", "x.json: the top level has 5 more unknown keys")
