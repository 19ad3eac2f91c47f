"""Forms: sums of products of atoms, and functions of spikes as polynomials and gates."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapper.frontend.algebra import forms
from mapper.frontend.algebra.coefficients import compress
from mapper.frontend.algebra.forms import Atom, NotAffineError, of_array, of_atom
from mapper.frontend.algebra.logic import Gate, gates_of, type_of
from mapper.ir.core import FLOAT, SPIKE, IntType

SHAPE = (1, 3)
A, B, C = (Atom(name=name, shape=(3,), type=SPIKE) for name in "abc")
X = Atom(name="x", shape=(3,))
a, b, c, x = (of_atom(atom, SHAPE) for atom in (A, B, C, X))


def test_spikes_squared_are_spikes():
    assert forms.multiply(a, a).alias is A


def test_an_analogue_value_is_not_squared():
    with pytest.raises(NotAffineError, match="squares"):
        forms.multiply(x, x)


def test_what_cancels_but_for_rounding_is_gone():
    third = forms.scale(x, 1 / 3)
    total = forms.subtract(forms.add(forms.add(third, third), third), x)
    assert not total.terms


def test_constants_along_an_axis_become_one_wide():
    full = np.repeat(np.arange(3.0)[None, :, None], 4, axis=2)
    assert compress(full).shape == (1, 3, 1)
    assert compress(np.ones((2, 2))).shape == ()


def test_a_reshaped_coefficient_keeps_its_elements():
    per_row = forms.multiply(of_atom(X, (2, 3)), of_array(np.array([[1.0], [2.0]])))
    flat = forms.reshape(per_row, (6,))
    assert flat.coefficient(X).tolist() == [1, 1, 1, 2, 2, 2]


def test_a_computed_tensor_is_not_repeated():
    with pytest.raises(NotAffineError, match="repeats"):
        forms.add(of_atom(X, (3, 1)), of_array(np.zeros((3, 4))))


@given(st.lists(st.integers(-3, 3), min_size=8, max_size=8))
def test_a_polynomial_has_the_values_it_was_made_from(values):
    made = forms.of_table(SHAPE, [A, B, C], [np.asarray(float(v)) for v in values])
    assert [float(v) for v in forms.table(made, [A, B, C])] == values


@given(st.lists(st.booleans(), min_size=8, max_size=8))
def test_gates_compute_the_function_they_were_found_in(bits):
    values = [np.asarray(float(bit)) for bit in bits]
    logic = gates_of(forms.of_table(SHAPE, [A, B, C], values))
    if logic is None:
        return
    for row, outcome in enumerate(product((0, 1), repeat=3)):
        spikes = dict(zip((C, B, A), outcome, strict=True))
        assert computed(logic, spikes) == bits[row]


def computed(logic, spikes):
    if not isinstance(logic, Gate):
        return spikes[logic]
    left, right = computed(logic.a, spikes), computed(logic.b, spikes)
    return {
        "and": left & right,
        "or": left | right,
        "xor": left ^ right,
        "iand": (1 - left) & right,
    }[logic.kind]


def test_three_spikes_make_a_tree_of_gates():
    either = forms.subtract(forms.add(a, b), forms.multiply(a, b))
    logic = gates_of(forms.multiply(either, forms.subtract(of_array(np.ones(())), c)))
    assert isinstance(logic, Gate)
    assert logic.kind == "iand"


def test_the_majority_of_three_is_no_single_gate():
    def majority(*spikes):
        return (sum(spikes) >= 2).astype(float)

    assert gates_of(forms.of_function(majority, [a, b, c])) is None


@pytest.mark.parametrize(
    ("form", "type"),
    [
        (a, SPIKE),
        (forms.multiply(a, b), SPIKE),
        (forms.add(a, b), IntType(2, signed=False)),
        (forms.add(forms.add(a, b), c), IntType(2, signed=False)),
        (forms.scale(a, 2.0), FLOAT),
        (forms.subtract(of_array(np.ones(())), a), FLOAT),
        (forms.add(x, a), FLOAT),
    ],
)
def test_a_form_has_the_narrowest_type_that_holds_it(form, type):
    assert type_of(form) == type


def test_replacing_an_atom_keeps_the_shape():
    replaced = forms.substitute(forms.multiply(a, x), {A: forms.scale(b, 0.5)})
    assert replaced.shape == SHAPE
    assert replaced.coefficient(B, X) == 0.5
