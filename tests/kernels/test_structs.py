"""Python says to the kernels what C declares, in C's names, and repeats none of its numbers."""

import ast
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import get_args, get_type_hints

import numpy as np
import pytest

from mapper.kernels import arrays, core, layout_structs, structs, training_structs

ROOT = Path(__file__).parents[2]
KERNELS = ROOT / "mapper/kernels"
compiled = pytest.mark.skipif(bool(core.unavailable()), reason=core.unavailable())

STRUCTS = {
    "layer": (structs.Positions, structs.RowBlocks, structs.Cells, structs.LayerCall),
    "neurons": (structs.Neurons, structs.NeuronStates, structs.NeuronResults),
    "sums": (structs.Sums,),
    "spikes": (training_structs.Spikes,),
    "read": (training_structs.Read, training_structs.ReadTotals),
    "walk": (training_structs.Walk, training_structs.WalkTotals),
    "draw": (structs.Draw,),
    "wires": (structs.Wires,),
    "packing": (layout_structs.Packing,),
    "references": (layout_structs.References,),
}
WORDS = {
    "kind": structs.Kind,
    "mode": structs.Mode,
    "readout": structs.Readout,
    "quick": structs.Quick,
    "leak": structs.Leak,
    "rounding": structs.Rounding,
    "reset": arrays.Reset,
    "phase": structs.Phase,
}


@compiled
@pytest.mark.parametrize("name", STRUCTS)
def test_structs_have_the_names_that_c_declares_each_once(name):
    hints = {n: hint for struct in STRUCTS[name] for n, hint in get_type_hints(struct).items()}
    numbers = {n for n, hint in hints.items() if hint in (int, bool, *WORDS.values())}
    assert numbers == set(core._core.NUMBERS[name])
    assert hints.keys() - numbers == set(core._core.ARRAYS[name])
    assert len(hints) == sum(len(fields(struct)) for struct in STRUCTS[name])


@compiled
def test_every_struct_of_c_is_described():
    assert core._core.NUMBERS.keys() == core._core.ARRAYS.keys() == STRUCTS.keys()
    described = {struct for group in STRUCTS.values() for struct in group}
    assert described == set(get_args(structs.Struct))


@compiled
def test_words_are_the_members_of_enumerations_of_c():
    found = {name: set(members) for name, members in core._core.CONSTANTS.items()}
    limits = found.pop("limit")
    assert found == {name: set(get_args(words)) for name, words in WORDS.items()}
    every = [name for members in found.values() for name in members]
    assert len({*every, *limits}) == len(every) + len(limits)


@compiled
def test_words_become_the_numbers_of_c():
    numbers = np.zeros(4, np.float32)
    walk = training_structs.Walk(
        T=2,
        N=1,
        reset="TO_VALUE",
        spiking=True,
        has_current=False,
        numbers=numbers,
        membranes=np.zeros((2, 1), np.float32),
    )
    given, arrays = structs.as_read(walk)
    number = core._core.CONSTANTS["reset"]["TO_VALUE"]
    assert given == {"T": 2, "N": 1, "reset": number, "spiking": 1, "has_current": 0}
    assert {type(value) for value in given.values()} == {int}
    assert arrays.keys() == {"numbers", "membranes"}  # None is not handed over
    assert arrays["numbers"] is numbers


def modules():
    rooms = ("mapper/kernels", "mapper/executor/native", "mapper/training/backends")
    every = [path for room in rooms for path in sorted((ROOT / room).glob("*.py"))]
    return [path for path in every if path.name != "kernels.py"]  # Triton's, with words of its own


@compiled
@pytest.mark.parametrize("path", modules(), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_module_repeats_a_number_of_c(path):
    members = {n: v for group in core._core.CONSTANTS.values() for n, v in group.items()}
    telling = {value for value in members.values() if value > 100}
    assert {65535, 126, 1022} <= telling
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, int):
            assert node.value not in telling, f"line {node.lineno} repeats {node.value}"
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            assert node.id.strip("_") not in members, f"line {node.lineno} gives {node.id} a value"


@compiled
def test_the_stub_lists_what_the_compiled_module_has():
    stub = ast.parse((KERNELS / "_core.pyi").read_text())
    functions = {node.name for node in stub.body if isinstance(node, ast.FunctionDef)}
    values = {node.target.id for node in stub.body if isinstance(node, ast.AnnAssign)}
    assert functions | values == {name for name in dir(core._core) if not name.startswith("__")}


def test_python_and_c_state_one_version_of_the_interface():
    (number,) = re.findall(r"enum { INTERFACE = (\d+) };", (KERNELS / "csrc/fields.h").read_text())
    assert int(number) == core.INTERFACE


@pytest.mark.parametrize("kernels", [SimpleNamespace(), SimpleNamespace(INTERFACE=0)])
def test_kernels_of_another_version_are_refused(kernels):
    assert core._reason(SimpleNamespace(INTERFACE=core.INTERFACE)) == ""
    assert core._reason(kernels) == "the native kernels are of another version: build them again"


@pytest.mark.campaign(0)
def test_a_run_beside_kernels_of_another_version_is_on_numpy():
    source = """
import sys, types
sys.modules["mapper.kernels._core"] = types.ModuleType("mapper.kernels._core")
from mapper.executor import engine, native
import mapper.training.backends.native
print(engine.chosen_backend(None), list(native.supported_levels()), native.unavailable())
"""
    done = subprocess.run(
        [sys.executable, "-c", source], cwd=ROOT, capture_output=True, text=True, check=True
    )
    said = "the native kernels are of another version: build them again"
    assert done.stdout == f"numpy [] {said}\n"
