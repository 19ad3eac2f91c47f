"""A network of a file as a module of torch that trains."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import reduce
from pathlib import Path

from torch import fx, nn

from mapper.arguments import PATH, TEXT, Takes, check_arguments
from mapper.diagnostics import Diagnostic, MappingError
from mapper.epilogue.model import Epilogue, host_of
from mapper.frontend import NirOptions, import_model
from mapper.ir.assignment import layer_name
from mapper.ir.core import FLOAT, Array, Graph, Op, State, Value, param
from mapper.ir.neurons import Neuron
from mapper.ir.synapses import Synapse
from mapper.training.importing.names import module_paths
from mapper.training.importing.neurons import Wishes
from mapper.training.importing.operators import Function, counterpart
from mapper.training.importing.scales import with_near_factors
from mapper.training.nets.refused import TrainingError, refused

_TAKES = {
    "path": PATH,
    "options": Takes(words="mapper.NirOptions", types=(NirOptions,)),
    "output": TEXT,
    "learn": Takes(
        words='names of numbers, as ("leak", "threshold")',
        types=(tuple, list),
        each=Takes(words="leak, threshold or current_leak", types=(str,)),
    ),
    "sharpness": Takes(words="a number", types=(int, float)),
}
_LEARNABLE = ("leak", "threshold", "current_leak")


def from_onnx(
    path: Path | str,
    options: NirOptions | None = None,
    *,
    output: str | None = None,
    learn: Sequence[str] = (),
    sharpness: float = 1.0,
) -> fx.GraphModule:
    """Return a network of an ONNX or NIR file as a module that trains.

    ``over_time(module, x)`` takes ``x[T, B, ...]``, shaped like the input of the graph that
    ``import_model`` returns, and gives what the file does in single precision: spikes are the same
    but where a membrane is within rounding of its threshold. It is of one time step: what a file
    of many makes of its outputs over time (their sum, the last one) is left to the loss, and so is
    what a host computes of them (``Imported.epilogue``: a softmax, a class).

    Layers and neurons are called as ``spikeloom inspect`` has them, dots are modules within
    modules. Weights and biases learn, as do factors and offsets of batch norms (their moments are
    folded into these when a file is exported). ``harden``, ``Run`` and ``export_onnx`` take it
    like any other model.

    Args:
        path: What ``spikeloom inspect`` reads: an ONNX model, or a NIR file.
        options: What a NIR file leaves open.
        output: The one to train, where the file has several: of the network, not of the host.
        learn: Which of ``leak``, ``threshold`` and ``current_leak`` of neurons learn, too.
        sharpness: Of the surrogate gradient of neurons, as for ``LIF``.

    Raises:
        MappingError: The file cannot be read (``docs/frontend.md``); ``not-trainable``, everything
            in it that no module computes, by layer; ``bad-argument``.
    """
    check_arguments(
        _TAKES,
        {"path": path, "learn": learn, "sharpness": sharpness},
        {"options": options, "output": output},
    )
    _check_options(learn, sharpness)
    imported = import_model(path, options)
    if imported.trained_for:
        raise refused(
            "not-trainable",
            f"the file holds the integers of a network for {imported.trained_for!r}, and no "
            "longer its weights",
            loc=Path(path).name,
            help="export the float model, or keep the state dict of its run",
        )
    graph = with_near_factors(imported.graph)
    problems = list(_port_problems(graph, output, Path(path).name, imported.epilogue))
    if problems:
        raise TrainingError(problems)
    wishes = Wishes(learn=tuple(learn), sharpness=float(sharpness))
    name = output or graph.outputs[0].name
    return _Builder(_needed(graph, name), name, wishes).run()


def _check_options(learn: Sequence[str], sharpness: float) -> None:
    if unknown := sorted(set(learn) - set(_LEARNABLE)):
        raise refused("bad-argument", f"learn names {unknown}, neurons have {list(_LEARNABLE)}")
    if not 0 < sharpness < float("inf"):
        raise refused("bad-argument", f"sharpness is above 0, got {sharpness}")


def _port_problems(
    graph: Graph, output: str | None, file: str, epilogue: Epilogue | None
) -> Iterator[Diagnostic]:
    """Yield what is wrong with the number of inputs and outputs: a module has one of each."""
    inputs, outputs = ([v.name for v in ports] for ports in (graph.inputs, graph.outputs))
    if len(inputs) != 1:
        message = f"a network that is trained has one input, the file has {len(inputs)}: {inputs}"
        yield Diagnostic(code="not-trainable", message=message, loc=file)
    hosted = () if epilogue is None else host_of(epilogue).outputs
    if output in hosted and output not in outputs:
        assert epilogue is not None
        yield Diagnostic(
            code="not-trainable",
            message=f"the output {output!r} is computed on the host ({host_of(epilogue).value}), "
            f"of {outputs}",
            loc=file,
            help=f"train what it is computed of: output={outputs[0]!r}",
        )
    elif output is not None and output not in outputs:
        message = f"the file has no output {output!r}, it has {outputs}"
        yield Diagnostic(code="bad-argument", message=message, loc="output")
    if output is None and len(outputs) != 1:
        yield Diagnostic(
            code="not-trainable",
            message=f"a network that is trained has one output, the file has {len(outputs)}: "
            f"{outputs}",
            loc=file,
            help=f"choose one: output={outputs[0]!r}" if outputs else "",
        )


def _needed(graph: Graph, output: str) -> Graph:
    """Return what an output depends on, now or in later steps."""
    makers = {value.name: op for op in graph.ops for value in op.results}
    follows = {state.read.name: state.next for state in graph.states}
    wanted, seen = [output], set[str]()
    while wanted:
        name = wanted.pop()
        if name in seen:
            continue
        seen.add(name)
        if name in makers:
            wanted += [value.name for value in makers[name].operands]
            wanted += [value.name for value in makers[name].results]
        if name in follows:
            wanted.append(follows[name])
    ops = tuple(op for op in graph.ops if op.results[0].name in seen)
    states = tuple(state for state in graph.states if state.read.name in seen)
    return replace(graph, ops=ops, states=states)


class _Builder:
    """The walk over one graph: a node of torch's graph for each value that modules make."""

    def __init__(self, graph: Graph, output: str, wishes: Wishes) -> None:
        self.graph, self.output, self.wishes = graph, output, wishes
        self.states = {state.read.name: state for state in graph.states}
        self.makers = {value.name: op for op in graph.ops for value in op.results}
        self.paths = _paths(graph)
        self.root, self.fx = nn.Module(), fx.Graph()
        self.nodes: dict[str, fx.Node | None] = {}
        """By name of the value; None where what makes it is refused."""
        self.problems: list[Diagnostic] = []

    def run(self) -> fx.GraphModule:
        self.nodes[self.graph.inputs[0].name] = self.fx.placeholder("x")
        for op in self.graph.ops:
            self._op(op)
        result = self._read(self.output, "the output", "")
        if self.problems:
            raise TrainingError(dict.fromkeys(self.problems))
        self.fx.output(result)
        return fx.GraphModule(self.root, self.fx, class_name="ImportedNetwork")

    def _op(self, op: Op) -> None:
        read: tuple[Value, ...]
        if isinstance(op, Neuron):
            read, made = (op.x,), op.spike or op.membrane_next
            self._check_states(op)
        else:
            read, (made,) = op.operands, op.results
        where = _name(op)
        nodes = [self._read(value.name, repr(where), op.loc) for value in read]
        self.nodes[made.name] = None
        try:
            found = counterpart(op, self.graph.constants, self.wishes)
        except MappingError as error:
            self.problems += [
                replace(d, message=f"{d.message}, at {where!r}", loc=op.loc or where)
                for d in error.diagnostics
            ]
            return
        known = [node for node in nodes if node is not None]
        if len(known) == len(nodes):
            self.nodes[made.name] = self._call(found, known, op)

    def _call(self, found: nn.Module | Function, nodes: list[fx.Node], op: Op) -> fx.Node:
        if isinstance(found, nn.Module):
            path = self.paths[op.results[0].name]
            _put(self.root, path, found)
            return self.fx.call_module(path, tuple(nodes))
        if found.together:
            return self.fx.call_function(found.function, (nodes, found.dim))
        return reduce(lambda a, b: self.fx.call_function(found.function, (a, b)), nodes)

    def _read(self, name: str, reader: str, loc: str) -> fx.Node | None:
        """Return the node of a value, or say why modules do not give it."""
        if name in self.nodes:
            return self.nodes[name]
        if name in self.states:
            message = f"{reader} reads {name!r} of the step before: no module feeds back"
        else:
            maker = _name(self.makers[name])
            message = f"{reader} reads {name!r}: of the neurons {maker!r} spikes alone go on"
        self.problems.append(
            Diagnostic(code="not-trainable", message=message, loc=loc or self.graph.name)
        )
        return None

    def _check_states(self, op: Neuron) -> None:
        """Refuse neurons that do not start from zero, or whose state something else writes."""
        pairs = [(op.membrane, op.membrane_next), (op.current, op.current_next)]
        for before, after in pairs:
            if before is None or after is None:
                continue
            state = self.states.get(before.name)
            if state is None or state.next != after.name:
                self._refuse(op, f"something else writes the state {before.name!r}")
            elif (start := _start(state, self.graph)).any():
                low, high = float(start.min()), float(start.max())
                said = f"{low:g}" if low == high else f"{low:g}..{high:g}"
                why = f"the state {before.name!r} starts at {said}, in training at zero"
                self._refuse(op, why)

    def _refuse(self, op: Op, why: str) -> None:
        message = f"{why}, at {_name(op)!r}"
        self.problems.append(Diagnostic(code="not-trainable", message=message, loc=op.loc))


def _start(state: State, graph: Graph) -> Array:
    return param(graph.constants, state.initial, FLOAT)


def _name(op: Op) -> str:
    return layer_name(op.loc, op.results[0].name)


def _paths(graph: Graph) -> dict[str, str]:
    """Return where each op's module goes, by its first result; layers of weights choose first."""
    ranked = sorted(graph.ops, key=lambda op: not isinstance(op, Synapse))
    return module_paths({op.results[0].name: _name(op) for op in ranked})


def _put(root: nn.Module, path: str, module: nn.Module) -> None:
    """Add a module at a path, with plain modules around it."""
    *around, last = path.split(".")
    for part in around:
        if part not in root._modules:  # named_children() walks all of them
            root.add_module(part, nn.Module())
        root = root.get_submodule(part)
    root.add_module(last, module)
