"""What each kind of module and function makes of spikes, codes and reals, or why it cannot.

A rule takes what is called, the node that calls it and the types of its operands, and returns the
type of the result, or raises ``TrainingError`` where the hardware has no counterpart. A type is
None where an operand has been refused already. The table of rules is in ``network``.
"""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

from torch import fx, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mapper.ir.core import FLOAT, SPIKE, IntType, Type
from mapper.ir.products import product_range
from mapper.training.nets.geometry import Geometry, Weighted, pair
from mapper.training.nets.layers import Hardened
from mapper.training.nets.modules import Gate
from mapper.training.nets.neurons import LIF, ends
from mapper.training.nets.refused import refused

Carried = Type | None
"""What a value carries; None where that is not known, as something before it was refused."""

Rule = Callable[[Any, fx.Node, Sequence[Carried]], Carried]

_OP = "unsupported-op"


def weights(module: Weighted, node: fx.Node, operands: Sequence[Carried]) -> Carried:
    """Compute a layer in real numbers."""
    Geometry.of(module)
    return FLOAT


def crossbars(module: Hardened, node: fx.Node, operands: Sequence[Carried]) -> Carried:
    """Drive wordlines with spikes or codes of the layer's width."""
    (x,) = operands
    top = (1 << module.input_bits) - 1
    driven = f"{'spikes' if top == 1 else 'codes'}, 0 to {top}"
    if x is None or (isinstance(x, IntType) and x.min >= 0 and x.max <= top):
        return FLOAT
    got = f"numbers of {x.min} to {x.max}" if isinstance(x, IntType) else "analogue values"
    raise refused(
        _OP,
        f"{module.geometry.kind} layer takes {driven}, and is given {got}",
        help="put neurons (LIF) before it: they, max-pools of spikes and the input drive wordlines",
    )


def neurons(module: LIF, node: fx.Node, operands: Sequence[Carried]) -> Carried:
    """Fire, with the leaks that the digital unit has."""
    for name, leak in (("leak", module.leak), ("current_leak", module.current_leak)):
        value = 1.0 if leak is None else ends(leak)[0]
        leaks = () if module.unit is None else module.unit.leaks
        several = leak is not None and leak.ndim > 0 and (value < 1 or leak.requires_grad)
        if leaks and several and "multiply" not in leaks:
            raise refused(
                "unsupported-leak",
                f"{name} is one for each of several neurons, which needs a multiplier, the "
                f"digital unit has leaks {', '.join(leaks)} alone",
                help="choose a target whose digital unit multiplies, or one leak for all neurons",
            )
        needs = ("multiply",) if value <= 0 else ("shift", "multiply")
        if leaks and value < 1 and not set(needs) & set(leaks):
            raise refused(
                "unsupported-leak",
                f"{name} is {value:g}, the digital unit has leaks {', '.join(leaks)} alone",
                help="choose a target whose digital unit has it, or neurons without a leak",
            )
    return SPIKE if module.spiking else FLOAT


def norm(module: _BatchNorm, node: fx.Node, operands: Sequence[Carried]) -> Carried:
    """Scale and shift channels by moments that are known."""
    if module.running_mean is None or module.running_var is None:
        raise refused(_OP, "a batch norm without running statistics")
    return FLOAT


def max_pool(module: nn.MaxPool2d, node: fx.Node, operands: Sequence[Carried]) -> Carried:
    """Take the greatest, which is what it was: the union of spikes."""
    _check_window(module)
    if module.return_indices:
        raise refused(_OP, "a max-pool that returns indices")
    return operands[0]


def avg_pool(module: nn.AvgPool2d, node: fx.Node, operands: Sequence[Carried]) -> Carried:
    """Give reals, which no wordline takes; sums of a window, where they are divided by 1."""
    _check_window(module)
    area = prod(pair(module.kernel_size))
    if module.divisor_override not in (None, 1, area):
        raise refused(_OP, f"an average that is divided by {module.divisor_override}")
    if not sums_windows(module) and not module.count_include_pad and any(pair(module.padding)):
        raise refused(_OP, "an average that leaves its padding out (count_include_pad=False)")
    (x,) = operands
    if not sums_windows(module) or not isinstance(x, IntType):
        return FLOAT
    return IntType.spanning(min(0, area * x.min), area * x.max)


def sums_windows(module: nn.Module) -> bool:
    """Say whether an average is none, and divided by 1."""
    return isinstance(module, nn.AvgPool2d) and module.divisor_override == 1


def _check_window(module: nn.MaxPool2d | nn.AvgPool2d) -> None:
    if module.ceil_mode or pair(getattr(module, "dilation", 1)) != (1, 1):
        raise refused(_OP, "pooling with ceil_mode or dilation")


def same(module: Any, node: fx.Node, operands: Sequence[Carried]) -> Carried:
    """Pass on what is given: nothing happens outside training, or to the shape alone."""
    return operands[0]


def flatten(called: Any, node: fx.Node, operands: Sequence[Carried]) -> Carried:
    """Reshape each sample; the batch keeps its axis."""
    given = node.kwargs.get("start_dim", node.args[1] if len(node.args) > 1 else 0)
    if (called.start_dim if isinstance(called, nn.Flatten) else given) != 0:
        return operands[0]
    raise refused(
        _OP,
        "flatten from axis 0 joins the samples of a batch",
        help="flatten from axis 1: nn.Flatten() or torch.flatten(x, 1)",
    )


def gate(module: Gate, node: fx.Node, operands: Sequence[Carried]) -> Carried:
    """Join spikes."""
    for x in operands:
        if x is not None and x != SPIKE:
            raise refused(_OP, f"{type(module).__name__} joins spikes, not {_named(x)}")
    return SPIKE


def add(called: Any, node: fx.Node, operands: Sequence[Carried]) -> Carried:
    """Sum of two: a count of spikes, or reals."""
    if len(operands) != 2 or node.kwargs.get("alpha", 1) != 1:
        raise refused(_OP, "only layers and spikes are added, two different ones")
    a, b = operands
    if a is None or b is None:
        return None
    if isinstance(a, IntType) and isinstance(b, IntType):
        return IntType.spanning(a.min + b.min, a.max + b.max)
    return FLOAT


def multiply(called: Any, node: fx.Node, operands: Sequence[Carried]) -> Carried:
    """Product of two, element by element: spikes that mask counts, or reals."""
    if len(operands) != 2:
        raise refused(_OP, "only two different tensors are multiplied; a number goes into weights")
    a, b = operands
    if a is None or b is None:
        return None
    if isinstance(a, IntType) and isinstance(b, IntType):
        return IntType.spanning(*product_range(a, b))
    return FLOAT


def matmul(called: Any, node: fx.Node, operands: Sequence[Carried]) -> Carried:
    """Products of matrices of each sample; how many are added up is not known here."""
    if len(operands) != 2:
        raise refused(_OP, "only two different tensors are multiplied")
    return FLOAT


def concat(called: Any, node: fx.Node, operands: Sequence[Carried]) -> Carried:
    """Channels side by side."""
    dim = node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else 0)
    if dim != 1:
        raise refused(_OP, f"only channels (dim=1) are concatenated, got dim={dim}")
    known = [x for x in operands if x is not None]
    if len(known) < len(operands):
        return None
    whole = [x for x in known if isinstance(x, IntType)]
    if len(whole) < len(known):
        return FLOAT
    return IntType.spanning(min(x.min for x in whole), max(x.max for x in whole))


def _named(x: Type) -> str:
    if isinstance(x, IntType):
        return f"numbers of {x.min} to {x.max}"
    return "analogue values"
