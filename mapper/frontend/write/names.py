"""What layers are called: by their module, where the exporter says which it is.

The newer exporter of torch names nodes by a running number (``node_Conv_1527``) and keeps the
module and the function that it called in a node's metadata: ``['', 'layer1', 'layer1.0',
'layer1.0.conv1', 'conv2d']``. Where tools have lost that, the names of parameters tell most of it.
Other files name their nodes themselves.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path

from onnx import ModelProto, NodeProto

from mapper.diagnostics import MappingError
from mapper.frontend.neurons.fit import Fitted
from mapper.frontend.onnx.layers import Layer, SynapseLayer
from mapper.frontend.onnx.load import nodes_of
from mapper.frontend.onnx.operators import operator_of
from mapper.frontend.onnx.shaping import Turned
from mapper.frontend.onnx.trace import Trace

Unit = Layer | Fitted

_SCOPES = "pkg.torch.onnx.name_scopes"
_LONGEST = 4096
"""Characters of that metadata that are looked at; deeper modules are named as their node is."""
_SCOPE = re.compile(r"'([^'\\]*)'")
_COUNT = re.compile(r"_\d+$")
_WEIGHT = ".weight"
_PARAMETERS = ("weight", "bias", "running_mean", "running_var")
_NUMBERED = "node_"
"""How the newer exporter's names of nodes begin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where in a torch model a node comes from."""

    module: str
    """Its path, ``layer1.0.conv1``; empty for the model itself."""
    call: str
    """What is called there: ``conv2d``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """What a layer or a neuron is called."""

    text: str
    of_module: bool
    """It is a module's; else the file's own, which has names of its own for tensors as well."""

    def of_value(self, role: str, tensor: str) -> str:
        """Return what a value is called, that is ``tensor`` in the file; its result has no role."""
        if not self.of_module:
            return tensor
        return f"{self.text}.{role}" if role else self.text


def origin_of(node: NodeProto) -> Origin | None:
    """Return where a node comes from, or None where the file does not say it.

    Example:
        >>> from onnx import helper
        >>> node = helper.make_node("Conv", ["x", "w"], ["y"])
        >>> node.metadata_props.add(key=_SCOPES, value="['', 'net', 'net.0', 'conv2d_3']").key[-6:]
        'scopes'
        >>> origin_of(node)
        Origin(module='net.0', call='conv2d')
    """
    held = next((p.value for p in node.metadata_props if p.key == _SCOPES), "")
    scopes = _SCOPE.findall(held) if len(held) <= _LONGEST else []
    if len(scopes) < 2 or not all(scope.isprintable() for scope in scopes[-2:]):
        return None
    return Origin(module=scopes[-2], call=_COUNT.sub("", scopes[-1]))


def unit_names(units: Sequence[Unit], trace: Trace) -> dict[Unit, Name]:
    """Return a name for each layer and neuron; no two are alike.

    A module with one of them gives it its name. Several in one module, or one beside modules of
    its own, are called by module and function, and numbered where that is not enough.
    """
    origins = _origins(units, trace)
    claims = Counter(
        origin.module for unit, origin in origins.items() if origin and not isinstance(unit, Turned)
    )
    around = {
        ".".join(parts[:depth])
        for parts in (module.split(".") for module in claims)
        for depth in range(len(parts))
    }
    alone = {module for module, times in claims.items() if times == 1 and module not in around}
    wanted = {unit: _wanted(unit, origins[unit], alone, trace) for unit in units}
    times = Counter(wanted.values())
    for unit in units:
        if isinstance(unit, Turned) and times[wanted[unit]] > 1:
            wanted[unit] = f"{wanted[unit]}.transpose"
    return {
        unit: Name(text=text, of_module=origins[unit] is not None)
        for unit, text in _numbered(wanted).items()
    }


def with_weights_named(layer: Layer, name: Name) -> Layer:
    """Name weights after their layer where the exporter computed them and gave them a number."""
    if not isinstance(layer, SynapseLayer) or not name.of_module or "." in layer.weights.name:
        return layer
    return replace(layer, weights=replace(layer.weights, name=f"{name.text}{_WEIGHT}"))


def _numbered(wanted: Mapping[Unit, str]) -> dict[Unit, str]:
    """Number what several want to be called: ``lif1``, ``lif2``; others keep their name."""
    times, taken = Counter(wanted.values()), set(wanted.values())
    names = {unit: name for unit, name in wanted.items() if times[name] == 1}
    numbers = Counter[str]()
    for unit, name in wanted.items():
        if times[name] > 1:
            names[unit] = unused(name, taken, numbers)
    return names


def unused(name: str, taken: set[str], numbers: Counter[str]) -> str:
    """Take the first of ``name1``, ``name2``, ... that is not taken; after a digit ``name_1``.

    Args:
        name: What several want to be called.
        taken: All names so far; the one that is returned is added.
        numbers: How far each name has been counted.
    """
    joint = "_" if name[-1:].isdigit() else ""
    while True:
        numbers[name] += 1
        tried = f"{name}{joint}{numbers[name]}"
        if tried not in taken:
            taken.add(tried)
            return tried


def _wanted(unit: Unit, origin: Origin | None, alone: set[str], trace: Trace) -> str:
    if origin is None:
        return unit.loc.removeprefix(f"{trace.path.name}:")
    if origin.module in alone:
        return origin.module
    return f"{origin.module}.{origin.call}" if origin.module else origin.call


def _origins(units: Sequence[Unit], trace: Trace) -> dict[Unit, Origin | None]:
    found: dict[Unit, Origin | None] = {}
    for unit in units:
        if isinstance(unit, Fitted):
            found[unit] = _neuron_origin(unit, trace) or _driven_by(unit, found)
        else:
            found[unit] = _layer_origin(unit, trace)
    return found


def _layer_origin(layer: Layer, trace: Trace) -> Origin | None:
    origin = _tensor_origin(layer.name, trace)
    if origin is None:
        return _owner(layer, trace)
    if not isinstance(layer, SynapseLayer) or "batch_norm" not in origin.call:
        return origin
    # A batch norm was folded into the layer, and gave it its own name. The weights have the
    # layer's; of another layer's weights, which the exporter found equal, they are not beside it.
    module = layer.weights.name.removesuffix(_WEIGHT)
    beside = module.rpartition(".")[0] == origin.module.rpartition(".")[0]
    if module == layer.weights.name or not beside:
        return origin
    return Origin(module=module, call=layer.kind.mnemonic.rpartition(".")[2])


def _owner(layer: Layer, trace: Trace) -> Origin | None:
    """Return the module whose parameters a layer has, where the metadata was lost on the way."""
    node = trace.makers.get(layer.name)
    if node is None or not node.name.startswith(_NUMBERED):
        return None
    stored = (layer.weights.name, layer.bias_name) if isinstance(layer, SynapseLayer) else ()
    for name in (*stored, *node.input):
        module, _, parameter = name.rpartition(".")
        if module and module.isprintable() and parameter in _PARAMETERS:
            return Origin(module=module, call=node.op_type.lower())
    return None


def _driven_by(neuron: Fitted, known: Mapping[Unit, Origin | None]) -> Origin | None:
    """Place a neuron that no module tells of beside the layer that drives it."""
    waiting, seen = list(neuron.drive.atoms()) if _NUMBERED in neuron.loc else [], set[Layer]()
    while waiting:
        atom = waiting.pop(0)
        if not isinstance(atom, Layer) or atom in seen:
            continue
        seen.add(atom)
        if (origin := known.get(atom)) is not None:
            return Origin(module=origin.module.rpartition(".")[0], call="neuron")
        waiting += [inner for operand in atom.operands for inner in operand.form.atoms()]
    return None


def _neuron_origin(neuron: Fitted, trace: Trace) -> Origin | None:
    """Return the module that has both the membrane and what compares it."""
    tensors = [pair.output for pair in neuron.pairs]
    if neuron.firing is not None:
        tensors.append(neuron.firing.event.tensor)
    found = [_tensor_origin(tensor, trace) for tensor in tensors]
    paths = [origin.module.split(".") for origin in found if origin is not None]
    if not paths:
        return None
    shared = takewhile(lambda parts: len(set(parts)) == 1, zip(*paths, strict=False))
    return Origin(module=".".join(parts[0] for parts in shared), call="neuron")


def _tensor_origin(tensor: str, trace: Trace) -> Origin | None:
    """Return where a tensor is computed, before nodes that only hand it on."""
    while (node := trace.makers.get(tensor)) is not None:
        origin = origin_of(node)
        hands_on = node.op_type == "Identity" or operator_of(node).kind == "reshape"
        if origin is not None or not hands_on:
            return origin
        tensor = node.input[0]
    return None


def with_modules(error: MappingError, model: ModelProto, path: Path) -> MappingError:
    """Say of nodes that an exporter numbered in which module they are: ``node_ge_46 (lif2)``."""
    found = ((f"{path.name}:{node.name}", origin_of(node)) for node in nodes_of(model))
    modules = {place: origin.module for place, origin in found if origin and origin.module}
    return MappingError(
        replace(d, loc=f"{d.loc} ({modules[d.loc]})") if d.loc in modules else d
        for d in error.diagnostics
    )
