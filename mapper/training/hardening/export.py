"""Write a trained model as ONNX: one time step, for ``spikeloom compile`` and ONNX Runtime."""

from pathlib import Path

from torch import Tensor, nn

from mapper.exchange.canonical import to_model, to_trained
from mapper.ir.core import FLOAT
from mapper.training.hardening.harden import HardwareModel
from mapper.training.hardening.network import network_graph
from mapper.training.nets.arguments import check_given
from mapper.training.nets.modules import traced
from mapper.training.nets.steps import as_numbers, check_fits
from mapper.writing import whole_file


def export_onnx(model: nn.Module, path: Path | str, example: Tensor) -> None:
    """Write one time step of a model, with its state as inputs and outputs.

    A float model is written in canonical form, in single precision; it is compiled for any target,
    with recordings to calibrate on. A hardened model is written in the integers that its target
    runs, with references and scales; it needs no calibration, and runs on that hardware only.

    Args:
        model: Layers and neurons, or what ``harden`` returns for them.
        path: File to write, whole or not at all.
        example: Inputs ``[T, B, ...]``; the shape counts. A twin that has seen no data yet is
            settled on it.

    Raises:
        MappingError: The model holds what the hardware has no counterpart for, does not fit the
            target, or does not feel its target's readout yet; the example is no input of it.
    """
    check_given({"model": model, "path": path})
    if isinstance(model, HardwareModel):
        written = to_trained(model.integers(example), model.target.name)
    else:
        example = as_numbers(example, model)
        network = traced(model)
        check_fits(network, example)
        written = to_model(network_graph(network, example, input=FLOAT))
    with whole_file(Path(path)) as temporary:
        temporary.write_bytes(written.SerializeToString(deterministic=True))
