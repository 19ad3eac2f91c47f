"""What elementwise nodes compute, as polynomials.

A ``Form`` stands for one tensor of the model. It is a sum of terms; a term is a coefficient
(a number, or an array that broadcasts) times a product of ``Atom``s. Atoms are what a form
cannot look into: a graph input, the result of a layer, whether a neuron fires. Spikes are 0
or 1, so ``s * s = s`` and any function of a few spikes is a polynomial too. Elementwise code
of every library thus ends in the same few terms, whatever order and operators it was
written in: a leaky neuron that resets is ``leak*v + x - threshold*s``.

Shapes are those of the model, batch axis included. Reordering elements is a layer;
reshaping is only another ``shape`` on the same terms.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from math import prod

import numpy as np

from mapper.frontend.algebra.coefficients import compress, view
from mapper.ir.core import FLOAT, SPIKE, Array, IntType, Type

Shape = tuple[int, ...]

MAX_TERMS = 128
"""More than any neuron needs; hostile files could otherwise grow products without end."""
MAX_SPIKES = 6
"""Spikes in one logic function; its table has ``2**MAX_SPIKES`` rows."""

_order = count()


def next_order() -> int:
    """Return a number that no atom has yet; older atoms have smaller ones."""
    return next(_order)


class NotAffineError(Exception):
    """An elementwise node computes what no polynomial says; the text is the reason."""

    def __init__(self, reason: str, help: str = "") -> None:
        super().__init__(reason)
        self.help = help


@dataclass(frozen=True, eq=False, repr=False, slots=True, kw_only=True)
class Atom:
    """A tensor that forms are written in. ``shape`` has no batch axis; identity is equality."""

    name: str
    shape: Shape
    type: Type = FLOAT
    loc: str = ""
    nonnegative: bool = False
    order: int = field(default_factory=next_order)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name})"

    @property
    def is_spike(self) -> bool:
        return self.type == SPIKE

    @property
    def is_at_least_zero(self) -> bool:
        return self.nonnegative or (isinstance(self.type, IntType) and not self.type.signed)


@dataclass(frozen=True, eq=False, repr=False, slots=True, kw_only=True)
class Input(Atom):
    """A graph input: data, or what the network remembers."""


@dataclass(frozen=True, eq=False, repr=False, slots=True, kw_only=True)
class Fires(Atom):
    """1 where ``level`` is above zero (or reaches it, where not ``strict``)."""

    level: "Form"
    strict: bool
    tensor: str
    """The model's tensor that holds the outcome."""


@dataclass(frozen=True, eq=False, repr=False, slots=True, kw_only=True)
class Counts(Fires):
    """``level`` rounded toward zero, or to the ``nearest`` (ties to even), in ``low .. high``.

    Where it is ``strict``, which none below 0 is, whole numbers of it are passed and not reached.
    """

    low: int
    high: int
    wanted: tuple[float, float]
    """The ends that the model gives: infinite where it has no limit, and beyond what is held."""
    nearest: bool
    above: Fires | None = None
    """The same from 0 on, where numbers below it are counted."""
    operands: tuple["Form", ...] = ()
    """The level, where it is a share of one state alone: of a leak that is rounded."""


@dataclass(frozen=True, eq=False, repr=False, slots=True, kw_only=True)
class Clamp(Atom):
    """``max(inside, bound)``."""

    inside: "Form"
    bound: Array


@dataclass(frozen=True, eq=False, repr=False, slots=True, kw_only=True)
class Opaque(Atom):
    """What no layer or neuron of the hardware computes: refused only if something needs it."""

    operands: tuple["Form", ...]
    reason: str
    help: str = ""
    in_neuron: str = ""
    """The reason in the words of the field, where it keeps a neuron from being read."""
    instead: str = ""
    """What to do about that."""
    telling: bool = False
    """Such a reason says more than others."""


@dataclass(frozen=True, eq=False, repr=False, slots=True, kw_only=True)
class Magnitude(Opaque):
    """How far its one operand is from 0: rounded down it is a count, compared two comparisons."""


Monomial = frozenset[Atom]
ONE: Monomial = frozenset()


@dataclass(frozen=True, slots=True)
class Form:
    """``sum(coefficient * product(atoms))``, seen under ``shape``."""

    shape: Shape
    terms: Mapping[Monomial, Array]

    @property
    def alias(self) -> Atom | None:
        """The one atom that the form equals, or None."""
        if len(self.terms) != 1:
            return None
        ((monomial, coefficient),) = self.terms.items()
        if len(monomial) != 1 or not np.all(coefficient == 1):
            return None
        return next(iter(monomial))

    @property
    def constant(self) -> Array:
        """The term without atoms."""
        return self.terms.get(ONE, np.zeros(()))

    @property
    def is_constant(self) -> bool:
        return all(monomial == ONE for monomial in self.terms)

    def coefficient(self, *atoms: Atom) -> Array:
        return self.terms.get(frozenset(atoms), np.zeros(()))

    def atoms(self) -> list[Atom]:
        """Every atom, oldest first."""
        return sorted(set().union(*self.terms), key=lambda atom: atom.order)


def of_atom(atom: Atom, shape: Shape) -> Form:
    return Form(shape, {frozenset([atom]): np.ones(())})


def of_array(array: Array) -> Form:
    wide = np.asarray(array, dtype=np.float64)
    return _form(wide.shape, {ONE: wide})


def _form(shape: Shape, terms: Mapping[Monomial, Array]) -> Form:
    kept = {monomial: compress(c) for monomial, c in terms.items() if np.any(c != 0)}
    if len(kept) > MAX_TERMS:
        raise NotAffineError(f"a product of more than {MAX_TERMS} terms")
    return Form(shape, kept)


def reshape(form: Form, shape: Shape) -> Form:
    """Return the same elements in the same order under another shape."""
    return Form(shape, {m: view(c, form.shape, shape) for m, c in form.terms.items()})


def joint_shape(*forms: Form) -> Shape:
    """Return the shape that forms broadcast to; only constants may really grow."""
    try:
        shape = np.broadcast_shapes(*(form.shape for form in forms))
    except ValueError as error:
        raise NotAffineError(f"shapes {[form.shape for form in forms]} do not fit") from error
    for form in forms:
        if not form.is_constant and prod(form.shape) != prod(shape):
            raise NotAffineError(
                f"repeats a computed tensor from {form.shape} to {shape}",
                help="add or multiply it in a node of its own, which may broadcast",
            )
    return shape


def add(a: Form, b: Form) -> Form:
    shape = joint_shape(a, b)
    terms = dict(a.terms)
    for monomial, coefficient in b.terms.items():
        old = terms.get(monomial)
        terms[monomial] = coefficient if old is None else _sum(old, coefficient)
    return _form(shape, terms)


def _sum(a: Array, b: Array) -> Array:
    """Add coefficients; what cancels but for rounding is zero."""
    total = a + b
    tiny = np.abs(total) <= 1e-12 * np.maximum(np.abs(a), np.abs(b))
    return np.where(tiny, 0.0, total)


def negate(a: Form) -> Form:
    return Form(a.shape, {m: -c for m, c in a.terms.items()})


def subtract(a: Form, b: Form) -> Form:
    return add(a, negate(b))


def scale(a: Form, factor: Array | float) -> Form:
    return multiply(a, of_array(np.asarray(factor)))


def multiply(a: Form, b: Form) -> Form:
    shape = joint_shape(a, b)
    terms: dict[Monomial, Array] = {}
    for left, x in a.terms.items():
        for right, y in b.terms.items():
            if any(not atom.is_spike for atom in left & right):
                raise NotAffineError("squares an analogue value")
            product = _without_implied(left | right)
            old = terms.get(product)
            terms[product] = x * y if old is None else _sum(old, x * y)
        if len(terms) > 4 * MAX_TERMS:
            break  # refused below, before it grows further
    return _form(shape, terms)


def _without_implied(product: Monomial) -> Monomial:
    """Drop "reaches" beside "passes": what is above zero is not below it."""
    fires = [atom for atom in product if isinstance(atom, Fires)]
    if len(fires) < 2:
        return product
    for counted in (atom for atom in fires if isinstance(atom, Counts)):
        told = {atom for atom in fires if atom.is_spike and _tells_sign(atom, counted)}
        kept = counted if counted.low == 0 else counted.above
        if told and kept is not None:
            return _without_implied(product - told - {counted} | {kept})
    passed = {key_of(atom.level) for atom in fires if atom.strict}
    implied = [a for a in fires if not a.strict and key_of(a.level) in passed]
    return product.difference(implied)


def _tells_sign(event: Fires, count: Counts) -> bool:
    """Say whether an event is on where a count is above 0, and off where it is below."""
    pivot = next((m for m in count.level.terms if m != ONE), ONE)
    if pivot not in event.level.terms or event.level.shape != count.level.shape:
        return False
    factor = event.level.terms[pivot] / count.level.terms[pivot]
    rest = subtract(event.level, scale(count.level, factor))
    return bool(np.all(factor > 0)) and rest.is_constant and not np.any(rest.constant)


def choose(condition: Form, yes: Form, no: Form) -> Form:
    """``where(condition, yes, no)`` for a condition that is 0 or 1."""
    return add(multiply(condition, subtract(yes, no)), no)


def of_spikes(form: Form) -> bool:
    """Say whether a form depends on nothing but a few spikes."""
    atoms = form.atoms()
    return len(atoms) <= MAX_SPIKES and all(atom.is_spike for atom in atoms)


def is_binary(form: Form) -> bool:
    """Say whether a form is 0 or 1 everywhere."""
    if not of_spikes(form):
        return False
    return all(bool(np.all((v == 0) | (v == 1))) for v in table(form, form.atoms()))


def is_whole(form: Form) -> bool:
    """Say whether every element is an integer."""
    return all(bool(np.all(c == np.rint(c))) for c in form.terms.values()) and all(
        isinstance(atom.type, IntType) for atom in form.atoms()
    )


def is_at_least_zero(form: Form) -> bool:
    """Say whether no element can be negative, as far as is known without computing."""
    return all(bool(np.all(c >= 0)) for c in form.terms.values()) and all(
        atom.is_at_least_zero for atom in form.atoms()
    )


def table(form: Form, atoms: Sequence[Atom]) -> list[Array]:
    """Return the value for every outcome of ``atoms``; atom ``k`` is bit ``k`` of the row."""
    return [_row(form, atoms, row) for row in range(1 << len(atoms))]


def _row(form: Form, atoms: Sequence[Atom], row: int) -> Array:
    on = {atom for k, atom in enumerate(atoms) if row >> k & 1}
    parts = [c for monomial, c in form.terms.items() if monomial <= on]
    return np.asarray(sum(parts, np.zeros(())))


def of_table(shape: Shape, atoms: Sequence[Atom], values: Sequence[Array]) -> Form:
    """Return the polynomial with these values (the inverse of ``table``)."""
    coefficients = [np.asarray(value, dtype=np.float64) for value in values]
    for k in range(len(atoms)):
        for row in range(len(coefficients)):
            if row >> k & 1:
                coefficients[row] = coefficients[row] - coefficients[row ^ (1 << k)]
    terms: dict[Monomial, Array] = {}
    for row, coefficient in enumerate(coefficients):
        on = frozenset(atom for k, atom in enumerate(atoms) if row >> k & 1)
        monomial = _without_implied(on)
        old = terms.get(monomial)
        terms[monomial] = coefficient if old is None else _sum(old, coefficient)
    return _form(shape, terms)


def of_function(function: Callable[..., Array], forms: Sequence[Form]) -> Form:
    """Apply any elementwise function to forms of spikes, by tabulating it."""
    shape = joint_shape(*forms)
    atoms = sorted({a for form in forms for a in form.atoms()}, key=lambda atom: atom.order)
    if len(atoms) > MAX_SPIKES or not all(atom.is_spike for atom in atoms):
        raise NotAffineError("computes more than sums and products with constants")
    rows = zip(*(table(form, atoms) for form in forms), strict=True)
    return of_table(shape, atoms, [function(*row) for row in rows])


def substitute(form: Form, replacements: Mapping[Atom, Form]) -> Form:
    """Replace atoms by forms; raise ``NotAffineError`` where a square would arise."""
    if not any(atom in replacements for atom in form.atoms()):
        return form
    total = of_array(np.zeros(()))
    for monomial, coefficient in form.terms.items():
        term = Form(form.shape, {ONE: coefficient})
        for atom in sorted(monomial, key=lambda atom: atom.order):
            factor = replacements.get(atom, of_atom(atom, form.shape))
            term = multiply(term, reshape(factor, form.shape))
        total = add(total, term)
    return Form(form.shape, total.terms)


def evaluate(form: Form, values: Mapping[Atom, Array]) -> Array:
    """Compute a form in double precision from an array for each atom, of any shape."""
    total = np.zeros(form.shape)
    for monomial, coefficient in form.terms.items():
        term = np.broadcast_to(coefficient, form.shape)
        for atom in monomial:
            term = term * values[atom].reshape(form.shape)
        total = total + term
    return total


def depends_on(form: Form) -> Iterator[Atom]:
    """Yield atoms of a form and of what clamps and opaque nodes inside it read."""
    waiting = form.atoms()
    seen = set(waiting)
    while waiting:
        atom = waiting.pop()
        yield atom
        inner: tuple[Form, ...] = ()
        if isinstance(atom, Clamp):
            inner = (atom.inside,)
        elif isinstance(atom, Opaque | Counts):
            inner = atom.operands
        fresh = [a for form in inner for a in form.atoms() if a not in seen]
        seen.update(fresh)
        waiting.extend(fresh)


def key_of(form: Form) -> tuple[object, ...]:
    """Return something hashable that equal forms share."""
    return form.shape, tuple(
        sorted(
            (tuple(sorted(atom.order for atom in monomial)), c.shape, c.tobytes())
            for monomial, c in form.terms.items()
        )
    )
