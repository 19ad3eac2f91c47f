"""Which macro a layer of weights runs on, and how wide its weights are: one answer for all."""

from collections.abc import Iterable, Iterator, Sequence

from mapper.diagnostics import Diagnostic, MappingError, many, nearest
from mapper.ir.assignment import DIGITAL, Assignment, layer_name
from targets.schema import Macro, Target


def choose_macro(
    target: Target, assignment: Assignment, location: str, input_bits: int
) -> Macro | None:
    """Return the macro kind that a layer runs on, or None for the digital unit.

    It is the one that is assigned, else the first that takes the layer's inputs.

    Args:
        target: The chip.
        assignment: What is decided for the network's layers.
        location: Where the layer comes from, ``model.onnx:/fc1/Gemm``, or its name alone.
        input_bits: Width of the codes on its wordlines; 1 for spikes.

    Raises:
        MappingError: ``unknown-macro`` where the target has none of the assigned name,
            ``macro-inputs`` where it does not take such inputs.
    """
    wanted = assignment.of(location).macro
    if wanted == DIGITAL:
        return None
    taking = [macro for macro in target.macros if macro.takes(input_bits)]
    if not wanted:
        return taking[0] if taking else None
    if problem := _macro_problem(target, location, wanted):
        raise MappingError([problem])
    macro = target.macro(wanted)
    if macro not in taking:
        raise MappingError([_refused_inputs(target, macro, location, input_bits)])
    return macro


def weight_bits(target: Target, assignment: Assignment, location: str) -> int:
    """Return the width of a layer's weights: as assigned, else as its macro has it, 1..8.

    That is the assigned macro, or the target's first.
    """
    wanted = assignment.of(location).macro
    own = next((macro for macro in target.macros if macro.name == wanted), target.macros[0])
    return assignment.bits_of(location) or own.weight_bits


def assignment_problems(
    target: Target, assignment: Assignment, layers: Iterable[str]
) -> Iterator[Diagnostic]:
    """Yield what no network with these layers can follow: names that are not there, widths.

    Args:
        target: The chip.
        assignment: What is decided.
        layers: Where the network's layers of weights come from.
    """
    known = list(dict.fromkeys(map(layer_name, layers)))
    if assignment.weight_bits is not None:
        yield from _width_problems(assignment.weight_bits, target.macros, "--weight-bits")
    for name, choice in assignment.layers.items():
        if name not in known:
            yield Diagnostic(
                code="unknown-layer",
                message=f"no layer of weights is named '{name}'{nearest(name, known)}",
                loc=name,
                help=f"one of {', '.join(known)}",
            )
        if problem := _macro_problem(target, name, choice.macro):
            yield problem
        if choice.weight_bits is not None:
            there = [macro for macro in target.macros if choice.macro in ("", macro.name)]
            yield from _width_problems(choice.weight_bits, there, name)
        if choice.copies is not None and choice.copies < 1:
            message = f"{many(choice.copies, 'copy', 'copies')}, but a layer has 1 or more"
            yield Diagnostic(code="copies", message=message, loc=name)


def _width_problems(bits: int, macros: Sequence[Macro], where: str) -> Iterator[Diagnostic]:
    """Yield why none of the macros, if there are any, has weights of so many bits."""
    if not 1 <= bits <= 8:
        message = f"weights of {many(bits, 'bit')}, but 1..8 are possible"
        yield Diagnostic(code="weight-bits", message=message, loc=where)
        return
    wrong = [list(macro.written(bits).form_problems()) for macro in macros]
    if wrong and all(wrong):
        message = f"macro '{macros[0].name}': {wrong[0][0]}"
        yield Diagnostic(code="weight-bits", message=message, loc=where)


def _macro_problem(target: Target, location: str, wanted: str) -> Diagnostic | None:
    known = [*(macro.name for macro in target.macros), DIGITAL]
    if not wanted or wanted in known:
        return None
    return Diagnostic(
        code="unknown-macro",
        message=f"'{target.name}' has no macro '{wanted}'{nearest(wanted, known)}",
        loc=location,
        help=f"one of {', '.join(known)}",
    )


def _refused_inputs(target: Target, macro: Macro, location: str, input_bits: int) -> Diagnostic:
    others = [other.name for other in target.macros if other.takes(input_bits)]
    return Diagnostic(
        code="macro-inputs",
        message=f"layer '{layer_name(location)}' has inputs of {many(input_bits, 'bit')}, "
        f"macro '{macro.name}' of '{target.name}' takes {macro.taken}",
        loc=location,
        help=f"assign it to one of {', '.join([*others, DIGITAL])}",
    )
