"""Run a tuple of passes, checking every step."""

from collections.abc import Callable, Mapping, Sequence

from mapper.diagnostics import Diagnostic, MappingError
from mapper.ir.core import Array, Graph
from mapper.ir.verify import InvalidIR, check_graph
from passes import PIPELINE, EncodeInputs, InputCode, LowerReadout, Pass, RefusedGraphError
from passes.options import given_options, with_options
from passes.ran import NONE, PassOptions, PassRun
from targets import Target

After = Callable[[Pass, Graph], None]


def make_passes(
    *,
    codes: Mapping[str, InputCode] | None = None,
    samples: Mapping[str, Array] | None = None,
    options: PassOptions = NONE,
) -> tuple[Pass, ...]:
    """Return ``PIPELINE`` with its options, and what was measured on recordings, filled in.

    Args:
        codes: How analogue inputs are coded, by name; those not listed hold spikes.
        samples: Input codes ``[T, B, *shape]`` by name, to set readouts from.
        options: What ``passes.options`` read or checked; the others have their defaults.
    """
    measured: dict[type[Pass], Pass] = {
        EncodeInputs: EncodeInputs(codes=codes or {}),
        LowerReadout: LowerReadout(samples=samples or {}),
    }
    return tuple(with_options(measured.get(kind) or kind(), options) for kind in PIPELINE)


def run_passes(
    graph: Graph,
    target: Target,
    passes: Sequence[Pass],
    *,
    after: After | None = None,
    stop_after: str | None = None,
) -> tuple[Graph, tuple[PassRun, ...]]:
    """Run passes in order; the graph is checked after each.

    ``after`` is called with each pass and its result. A pass that is not given what it ``needs``,
    or that breaks the graph, raises ``InvalidIR`` with its name and a note of the passes before it.

    Raises:
        MappingError: The target cannot have the graph, with every reason that passes find.
    """
    runs: list[PassRun] = []
    for index, step in enumerate(passes):
        try:
            midway = step.name != stop_after and step is not passes[-1]
            given = graph
            graph = _checked(step, graph, target, midway)
        except RefusedGraphError as error:
            raise MappingError(_reasons(error, target, passes[index + 1 :])) from None
        except MappingError:
            raise
        except Exception as error:  # a bug of ours: say where it happened, then let it go on
            before = ", ".join(run.name for run in runs) or "none"
            error.add_note(f"in pass '{step.name}' for target '{target.name}'; after: {before}")
            raise
        runs.append(
            PassRun(
                name=step.name,
                exact=step.exact,
                ops=len(graph.ops),
                options=given_options(step),
                warnings=step.warnings(given, target),
            )
        )
        if after is not None:
            after(step, graph)
        if step.name == stop_after:
            break
    return graph, tuple(runs)


def _reasons(
    refused: RefusedGraphError, target: Target, later: Sequence[Pass]
) -> tuple[Diagnostic, ...]:
    """Return why a pass refuses a graph, and why later ones would."""
    graph = refused.graph
    last = max((place for place, step in enumerate(later, 1) if step.refuses), default=0)
    for step in later[:last]:
        try:
            graph = step.run(graph, target)
        except MappingError as error:
            return (*refused.diagnostics, *error.diagnostics)
    return refused.diagnostics


def _checked(step: Pass, graph: Graph, target: Target, midway: bool) -> Graph:
    for fact in step.needs:
        if problem := next(fact.broken(graph, target), ""):
            raise InvalidIR(
                f"pass '{step.name}' needs that {fact.text}, but {problem}: "
                f"run '{fact.by}' before it"
            )
    graph = step.run(graph, target)
    check_graph(graph, made_by=f"pass '{step.name}'", midway=midway)
    left = [op.mnemonic for op in graph.ops if type(op) in step.gone]
    if left:
        raise InvalidIR(f"pass '{step.name}' promised no {left[0]}, but {len(left)} are left")
    return graph
