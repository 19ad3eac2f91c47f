"""Write ops: values under unique names, constants, and forms turned into scales, sums, gates."""

from collections.abc import Iterable, Mapping

import numpy as np

from mapper.diagnostics import refuse
from mapper.frontend.algebra import forms
from mapper.frontend.algebra.coefficients import compress, view
from mapper.frontend.algebra.forms import ONE, Atom, Clamp, Form, Monomial, Opaque, Shape
from mapper.frontend.algebra.logic import Gate, Logic, age, count_of, gates_of
from mapper.ir.builder import GraphBuilder
from mapper.ir.core import FLOAT, INT64, SPIKE, Array, Const, Op, Scalar, Type, Value
from mapper.ir.infer import settled
from mapper.ir.network import Add, Merge, Reshape, Scale
from mapper.ir.products import Multiply

LARGEST = 1e30
"""Magnitude of a parameter: sums beyond overflow, and a reset makes NaN of infinity or not."""


class OpWriter(GraphBuilder):
    """A graph of forms under construction: its numbers are finite and of single precision."""

    def __init__(self, name: str, reserved: set[str]) -> None:
        super().__init__(name, reserved)
        self.values: dict[Atom, Value] = {}
        self._forms: dict[object, Value] = {}

    def add(self, op: Op) -> Value:
        """Add an op with the types that its form has."""
        self.ops.append(op)
        return op.results[0]

    def constant(self, name: str, array: Array) -> Const:
        """Store an array as ``GraphBuilder`` does.

        Raises:
            MappingError: ``nan-weights`` for numbers that are none, or too great to add.
        """
        if array.dtype.kind == "f":
            array = array.astype(np.float32, copy=False)
            _check_numbers(name, array)
        return super().constant(name, array)

    def parameter(self, name: str, array: Array) -> Scalar:
        """Return one number as itself, several as a constant."""
        array = compress(np.asarray(array, dtype=np.float32))
        if array.size == 1:
            _check_numbers(name, array)
            return float(array.reshape(()))
        return self.constant(name, array)

    # --- forms -----------------------------------------------------------------------------

    def value_of(self, form: Form, shape: Shape, name: str, loc: str) -> Value:
        """Return a value that holds a form under ``shape``, writing the ops it takes."""
        key = (forms.key_of(form), shape)
        if key not in self._forms:
            self._forms[key] = self._computed(form, shape, name, loc)
        return self._forms[key]

    def _computed(self, form: Form, shape: Shape, name: str, loc: str) -> Value:
        if form.is_constant:
            raise refuse("unsupported-op", "this does not depend on the network's input", loc=loc)
        refuse_nameless(form.atoms())
        native = {self.values[atom].shape for atom in form.atoms()}
        work = native.pop() if len(native) == 1 else shape
        inner = name if work == shape or form.alias else f"{name}.unshaped"
        return self.shaped(self._combined(form, work, inner, loc), shape, name, loc)

    def _combined(self, form: Form, work: Shape, name: str, loc: str) -> Value:
        if (atom := form.alias) is not None:
            return self.shaped(self.values[atom], work, name, loc)
        if (logic := gates_of(form)) is not None:
            return self._gates(logic, work, name, loc)
        if (count := count_of(form, self._type)) is not None:
            if len(count) == 1:
                return self._product(count[0], work, name, loc)
            terms = tuple(self._product(m, work, f"{name}.term", loc) for m in count)
            total = self.fresh(name, INT64, work)
            return self.add(settled(Add(loc=loc, terms=terms, result=total), {}))
        return self._sum(form, work, name, loc)

    def shaped(self, value: Value, shape: Shape, name: str, loc: str) -> Value:
        if value.shape == shape:
            return value
        result = self.fresh(name, value.type, shape)
        self.add(Reshape(loc=loc, x=value, result=result))
        return result

    def port_of(self, form: Form, shape: Shape, name: str, loc: str) -> Value:
        """Return a value that holds a form under exactly this reserved name."""
        self.release(name)
        value = self.value_of(form, shape, name, loc)
        if value.name == name:
            return value
        result = Value(name, value.type, value.shape)
        self.reserve(name)
        self.add(Reshape(loc=loc, x=value, result=result))
        return result

    def _gates(self, logic: Logic, work: Shape, name: str, loc: str) -> Value:
        if not isinstance(logic, Gate):
            return self.shaped(self.values[logic], work, name, loc)
        a = self._gates(logic.a, work, f"{name}.a", loc)
        b = self._gates(logic.b, work, f"{name}.b", loc)
        result = self.fresh(name, SPIKE, work)
        self.add(Merge(loc=loc, kind=logic.kind, a=a, b=b, result=result))
        return result

    def _sum(self, form: Form, work: Shape, name: str, loc: str) -> Value:
        """Write ``sum(coefficient * term) + offset`` in single precision."""
        offset = _in(form, ONE, work)
        ordered = sorted((m for m in form.terms if m != ONE), key=age)
        scaled = []
        for position, monomial in enumerate(ordered):
            factor = _in(form, monomial, work)
            here = offset if position == 0 else np.zeros(())
            own = name if len(ordered) == 1 else f"{name}.term"
            term = self._product(monomial, work, own, loc)
            scaled.append(self._scaled(term, factor, here, own, loc))
        if len(scaled) == 1:
            return scaled[0]
        total = self.fresh(name, FLOAT, work)
        self.add(Add(loc=loc, terms=tuple(scaled), result=total))
        return total

    def _scaled(self, term: Value, factor: Array, offset: Array, name: str, loc: str) -> Value:
        if np.all(factor == 1) and np.all(offset == 0):
            return term
        result = self.fresh(name, FLOAT, term.shape)
        self.add(
            Scale(
                loc=loc,
                x=term,
                factor=self.parameter(f"{result.name}.factor", factor),
                offset=self.parameter(f"{result.name}.offset", offset),
                result=result,
            )
        )
        return result

    def _product(self, monomial: Monomial, work: Shape, name: str, loc: str) -> Value:
        """Return the value of one product: spikes that must all be there, times numbers."""
        atoms = sorted(monomial, key=lambda atom: (not self._is_spike(atom), atom.order))
        value = self.shaped(self.values[atoms[0]], work, name, loc)
        for atom in atoms[1:]:
            other = self.shaped(self.values[atom], work, name, loc)
            value = self._times(value, other, work, name, loc)
        return value

    def _is_spike(self, atom: Atom) -> bool:
        return self._type(atom) == SPIKE

    def _type(self, atom: Atom) -> Type:
        return self.values[atom].type

    def _times(self, a: Value, b: Value, work: Shape, name: str, loc: str) -> Value:
        if a.type == b.type == SPIKE:
            both = self.fresh(f"{name}.and", SPIKE, work)
            return self.add(Merge(loc=loc, kind="and", a=a, b=b, result=both))
        product = self.fresh(f"{name}.product", FLOAT, work)
        return self.add(settled(Multiply(loc=loc, a=a, b=b, result=product), {}))


def _check_numbers(name: str, array: Array) -> None:
    if np.isnan(array).any():
        raise refuse("nan-weights", f"{name!r} holds values that are no numbers", loc=name)
    greatest = max(array.max(initial=0), array.min(initial=0), key=abs)
    if abs(greatest) > LARGEST:
        raise refuse(
            "nan-weights",
            f"{name!r} holds {greatest:g}, magnitudes of at most {LARGEST:g} are read",
            loc=name,
            help="sums of such numbers overflow; the network was not trained to work with them",
        )


def refuse_nameless(atoms: Iterable[Atom]) -> None:
    """Refuse what no op computes, at the node it comes from."""
    for atom in atoms:
        if isinstance(atom, Opaque):
            raise refuse("unsupported-op", atom.reason, loc=atom.loc, help=atom.help)
        if isinstance(atom, Clamp):
            raise refuse(
                "unsupported-op",
                "an analogue value is bounded (Relu or Clip); only membranes can be",
                loc=atom.loc,
                help="end the exported network at its last neuron, and decode outside",
            )


def _in(form: Form, monomial: Monomial, work: Shape) -> Array:
    """Return a coefficient under the shape the ops are written in."""
    held: Mapping[Monomial, Array] = form.terms
    return view(held.get(monomial, np.zeros(())), form.shape, work)
