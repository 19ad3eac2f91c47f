"""One time step in which slots of a count lie where samples are: the same step without slots.

A count is compared with several numbers along an axis that it lacks, layers read that axis as
samples, and it is added up again. Laid out, each slot is a tensor of its own.
"""

from pathlib import Path

from onnx import ModelProto

from mapper.diagnostics import MappingError
from mapper.frontend.onnx.operators import operator_of
from mapper.frontend.time.flatten import Clock, lay_out
from mapper.frontend.time.step import Writer
from mapper.frontend.time.tensors import Shape, Slot, TimeFormError


def without_slots(model: ModelProto, path: Path) -> ModelProto | None:
    """Return a model of one time step without slots; None where it has none, or keeps them."""
    if any(operator_of(node).kind == "loop" for node in model.graph.node):  # many time steps
        return None
    known = {tensor.name for tensor in model.graph.initializer}
    ports = [port for port in model.graph.input if port.name not in known]
    shapes: dict[str, Shape] = {
        port.name: tuple(int(dim.dim_value) or 1 for dim in port.type.tensor_type.shape.dim)
        for port in ports
    }
    try:
        laid = lay_out(model, path, shapes, Clock(axes={}, length=0))
    except (TimeFormError, MappingError):  # what was told of the model before says more
        return None
    outputs = {name: one for name, one in laid.outputs.items() if isinstance(one, Slot)}
    if not laid.tape.compared or len(outputs) < len(laid.outputs):
        return None
    writer = Writer(laid.tape, list(outputs))
    for slot, name in laid.tape.given.items():
        writer.read(slot, name, slot.shape)
    writer.compute(list(outputs.values()))
    for name, slot in outputs.items():
        writer.write(slot, name, slot.shape)
    return writer.model()
