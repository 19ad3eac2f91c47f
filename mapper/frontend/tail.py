"""Cut off what only outputs depend on and no op of ours computes: it becomes the epilogue.

The cut of a time step is found in its trace. An output whose form has an ``Opaque`` or a bound in
it is of the host, back to the tensors that the network can return. The search stops at neurons:
what drives one is no host's, whatever it is.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import onnx
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper

from mapper.diagnostics import MappingError, refuse
from mapper.epilogue.file import EpilogueError, written
from mapper.epilogue.model import Answer, Epilogue
from mapper.epilogue.operators import is_decoded, node_problem
from mapper.exchange.canonical.bare import without_large
from mapper.frontend.algebra.forms import Atom, Clamp, Fires, Form, Input, Opaque, Shape
from mapper.frontend.onnx.constants import Constant
from mapper.frontend.onnx.layers import Layer
from mapper.frontend.onnx.operators import operator_of
from mapper.frontend.onnx.trace import Trace
from mapper.ir.core import Array


@dataclass(frozen=True, kw_only=True)
class Tail:
    """The nodes of one time step that only outputs depend on."""

    nodes: tuple[NodeProto, ...]
    stored: Mapping[str, Array]
    """Constants that they read, by name."""
    cut: tuple[str, ...]
    """Tensors that they read, and the network returns."""
    kinds: Mapping[str, int]
    """ONNX element types of these, where they are not single precision."""
    outputs: tuple[str, ...]
    """Outputs of the model that they give."""
    aliases: Mapping[str, str]
    """What the network returns instead of a tensor that is an input or a state, by that tensor."""
    opset: int

    def returned(self, name: str) -> str:
        """Return under which name the network returns a tensor."""
        return self.aliases.get(name, name)


def cut_off(walked: Trace, model: ModelProto) -> Iterator[Callable[[], Tail | None]]:
    """Yield ways to leave something to the host, the least first; nothing where nothing can be.

    Each returns what is cut off, or None where a host does not run that, or raises
    ``unsupported-op`` where the rest of the network would be the host's.

    Args:
        walked: A walk in which inputs that are spikes are known.
        model: What was walked.
    """
    seen: set[tuple[str, ...]] = set()
    for through in (False, True):
        reach = _Reach(through)
        outputs = _hosted(walked, reach)
        if outputs and outputs not in seen:
            seen.add(outputs)
            yield _Cutter(walked, model, reach, outputs).tail


@contextmanager
def ending_at(model: ModelProto, tail: Tail, outputs: Sequence[str]) -> Iterator[ModelProto]:
    """Let a model return what a tail reads in place of what it gives, for as long as it is open.

    Args:
        model: The model; its weights may be large, so it is changed, and changed back.
        tail: What is cut off.
        outputs: All outputs of the model.
    """
    graph, before = model.graph, [*model.graph.output]
    kept = [name for name in outputs if name not in tail.outputs]
    names = dict.fromkeys((*kept, *(tail.returned(name) for name in tail.cut)))
    try:
        del graph.output[:]
        graph.output.extend(ValueInfoProto(name=name) for name in names)
        for name, alias in tail.aliases.items():
            graph.node.append(helper.make_node("Identity", [name], [alias], name=alias))
        yield model
    finally:
        del graph.output[:]
        graph.output.extend(before)
        del graph.node[len(graph.node) - len(tail.aliases) :]


# --- which outputs ---------------------------------------------------------------------------


class _Reach:
    """What forms are made of, looked into behind layers and bounds, and no further than neurons.

    Args:
        through: Look behind comparisons, too: one that is no neuron's may be the host's.
    """

    def __init__(self, through: bool) -> None:
        self.through = through
        self._hosted: dict[Atom, bool] = {}
        self._inputs: dict[Atom, frozenset[Input]] = {}

    def hosts(self, form: Form) -> bool:
        """Say whether no op computes a form."""
        return any(self._look(atom)[0] for atom in form.atoms())

    def inputs(self, form: Form) -> frozenset[Input]:
        """Return the inputs that a form depends on without a neuron in between."""
        return frozenset().union(*(self._look(atom)[1] for atom in form.atoms()))

    def _look(self, root: Atom) -> tuple[bool, frozenset[Input]]:
        waiting = [root]
        while waiting:
            atom = waiting[-1]
            inner = [a for form in self._inner(atom) for a in form.atoms()]
            if fresh := [a for a in inner if a not in self._hosted]:
                waiting += fresh
                continue
            waiting.pop()
            own = isinstance(atom, Opaque | Clamp)
            self._hosted[atom] = own or any(self._hosted[a] for a in inner)
            mine = frozenset([atom]) if isinstance(atom, Input) else frozenset[Input]()
            inputs = () if isinstance(atom, Fires) else (self._inputs[a] for a in inner)
            self._inputs[atom] = mine.union(*inputs)
        return self._hosted[root], self._inputs[root]

    def _inner(self, atom: Atom) -> Sequence[Form]:
        match atom:
            case Layer():
                return [operand.form for operand in atom.operands]
            case Opaque():
                return atom.operands
            case Clamp():
                return [atom.inside]
            case Fires() if self.through:
                return [atom.level]
            case _:
                return ()


def _hosted(walked: Trace, reach: _Reach) -> tuple[str, ...]:
    """Return the outputs that no op computes, without those that are the next value of a state."""
    places = {name: k for k, name in enumerate(walked.tensors)}
    outputs = [name for name in walked.outputs if name not in walked.fed_back]
    found = [name for name in outputs if reach.hosts(walked.form(name))]
    claimed = set(_claims(walked, reach, [n for n in walked.outputs if n not in found]).values())
    hosted = []
    for name in sorted(found, key=lambda name: places[name]):
        own = _like(walked, reach, name) - claimed
        if own:
            claimed |= own
        else:
            hosted.append(name)
    return tuple(name for name in walked.outputs if name in hosted)


def _claims(walked: Trace, reach: _Reach, outputs: Sequence[str]) -> dict[str, Input]:
    """Map outputs that are, or look like, the next value of a state to that state."""
    found = {name: walked.inputs[read] for name, read in walked.fed_back.items()}
    for name in outputs:
        for state in sorted(_like(walked, reach, name), key=lambda atom: atom.order):
            if state not in found.values():
                found.setdefault(name, state)
    return found


def _like(walked: Trace, reach: _Reach, name: str) -> set[Input]:
    """Return the inputs of an output's shape that it depends on without a neuron in between."""
    form = walked.form(name)
    shape = walked.inner(form.shape)
    return {atom for atom in reach.inputs(form) if atom.shape == shape}


# --- what is cut off -------------------------------------------------------------------------


class _Cutter:
    def __init__(
        self, walked: Trace, model: ModelProto, reach: _Reach, outputs: tuple[str, ...]
    ) -> None:
        self.walked, self.reach, self.outputs = walked, reach, outputs
        self.model = model
        plain = [name for name in walked.outputs if name not in outputs]
        self.claims = _claims(walked, reach, plain)
        self.states = set(self.claims.values())
        self.nodes: dict[int, NodeProto] = {}
        """By the place of their first result among the tensors."""
        self.cut: dict[str, None] = {}
        self.stored: dict[str, Array] = {}

    def tail(self) -> Tail | None:
        self._walk()
        nodes = [self.nodes[place] for place in sorted(self.nodes)]
        if not all(map(self._is_run, nodes)):
            return None
        odd = [name for name in self.cut if name in self.walked.inputs or name in self.claims]
        return Tail(
            nodes=tuple(nodes),
            stored=self.stored,
            cut=tuple(self.cut),
            kinds=_kinds(self.model, self.cut),
            outputs=self.outputs,
            aliases={name: self._fresh(f"{name}.read") for name in odd},
            opset=self.walked.folder.opset,
        )

    def _walk(self) -> None:
        places = {name: k for k, name in enumerate(self.walked.tensors)}
        waiting, seen = list(self.outputs), set(self.outputs)
        while waiting:
            node = self.walked.makers[waiting.pop()]
            self.nodes[min(places[name] for name in node.output if name)] = node
            for name in filter(None, node.input):
                tensor = self.walked.tensors[name]
                if isinstance(tensor, Constant):
                    self.stored[name] = tensor.array
                elif not (self.reach.hosts(tensor) or self._moves(name) or self._compares(tensor)):
                    self.cut[name] = None
                elif name not in seen:
                    seen.add(name)
                    waiting.append(name)

    def _compares(self, form: Form) -> bool:
        """Say whether a tensor is of a comparison that is no neuron's: nothing in it is a state."""
        events = [atom for atom in form.atoms() if isinstance(atom, Fires)]
        return any(self.states.isdisjoint(self.reach.inputs(event.level)) for event in events)

    def _moves(self, name: str) -> bool:
        """Say whether a tensor is another one in another order, that only the host needs."""
        node = self.walked.makers.get(name)
        alone = name not in self.walked.outputs
        return node is not None and alone and operator_of(node).codes is not None

    def _is_run(self, node: NodeProto) -> bool:
        """Say whether a host runs a node: a layer of weights only behind what no op computes.

        Raises:
            MappingError: ``unsupported-op``, of one that was trained.
        """
        weights = [self.stored[name] for name in node.input if name in self.stored]
        trained = not is_decoded(weights)
        layer, problem = operator_of(node).has_weights, node_problem(node)
        read = [t for name in node.input if isinstance(t := self.walked.tensors.get(name), Form)]
        behind = [form for form in read if self.reach.hosts(form)]
        if layer and behind and trained:
            raise _unfit(behind[0], node)
        return not problem and (not layer or bool(behind))

    def _fresh(self, name: str) -> str:
        while name in self.walked.tensors:
            name += "_"
        return name


def _unfit(form: Form, node: NodeProto) -> MappingError:
    """Name the operator that no op computes, before a layer that needs it."""
    waiting, seen = list(form.atoms()), set[Atom]()
    found: list[Opaque | Clamp] = []
    while waiting:
        atom = waiting.pop()
        if atom in seen:
            continue
        seen.add(atom)
        if isinstance(atom, Opaque | Clamp):
            found.append(atom)
        inner = _Reach(through=True)._inner(atom)
        waiting += [a for one in inner for a in one.atoms()]
    first = min(found, key=lambda atom: atom.order)
    reader = f"{node.op_type} ({node.name or node.output[0]})"
    reason = first.reason if isinstance(first, Opaque) else "an analogue value is bounded"
    return refuse(
        "unsupported-op",
        f"{reason}; {reader} reads it, so it is no function of outputs alone",
        loc=first.loc,
        help=first.help if isinstance(first, Opaque) else "put a neuron between the layers",
    )


def _kinds(model: ModelProto, names: Mapping[str, None]) -> dict[str, int]:
    """Return the element types of tensors that are not of single precision."""
    known = onnx.shape_inference.infer_shapes(without_large(model))
    ports = (*known.graph.value_info, *known.graph.output, *known.graph.input)
    kinds = {port.name: port.type.tensor_type.elem_type for port in ports}
    found = {name: kinds.get(name, TensorProto.FLOAT) for name in names}
    return {name: kind for name, kind in found.items() if kind not in (0, TensorProto.FLOAT)}


# --- the epilogue ----------------------------------------------------------------------------


def epilogue_of(
    tail: Tail,
    model_outputs: Sequence[str],
    returned: Mapping[str, Shape],
    *,
    batched: bool,
    loc: str,
) -> Epilogue:
    """Return the epilogue of a step model: all its outputs but states.

    Args:
        tail: What was cut off.
        model_outputs: All outputs of the model, in order.
        returned: The model's own shapes of what the network returns, by name, in its order.
        batched: The first axis of outputs is the batch.
        loc: The model's file.

    Raises:
        MappingError: ``unsupported-op``, where a host does not run it.
    """
    nodes, reads = [], []
    names = {tail.returned(name): name for name in tail.cut}
    taken = {name for node in tail.nodes for name in (*node.input, *node.output)} | {*returned}
    for output, shape in returned.items():
        name = names.get(output, output)
        port = f"{output}.real"
        while port in taken:
            port += "_"
        taken.add(port)
        reads.append((port, shape))
        if (kind := tail.kinds.get(name)) is None:
            nodes.append(helper.make_node("Identity", [port], [name]))
        else:
            nodes.append(helper.make_node("Cast", [port], [name], to=kind))
    gives = [name for name in model_outputs if name in tail.outputs or name in returned]
    try:
        content = written([*nodes, *tail.nodes], reads, gives, tail.stored.items(), tail.opset)
        found = Epilogue(
            content=content,
            whole=False,
            reads=tuple(returned),
            answers=tuple(Answer(name=n, time_axis=None, batch_axis=None) for n in gives),
        )
        shapes = {name: found.model_shape(name) for name in gives}
    except EpilogueError as error:
        raise refuse(
            "unsupported-op", f"its outputs cannot be left to the host: {error}", loc=loc
        ) from error
    answers = (
        Answer(name=n, time_axis=None, batch_axis=0 if batched and s[:1] == (1,) else None)
        for n, s in shapes.items()
    )
    return Epilogue(content=content, whole=False, reads=found.reads, answers=tuple(answers))
