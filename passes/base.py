"""What a pass is: a frozen dataclass that turns one valid graph into another."""

from collections.abc import Iterable
from dataclasses import dataclass
from inspect import getdoc
from typing import ClassVar

from mapper.diagnostics import Diagnostic, MappingError
from mapper.ir.core import Graph, Op
from passes.facts import Fact
from targets import Target


class RefusedGraphError(MappingError):
    """What a pass refuses of a graph, and that graph with stand-ins for what it refuses.

    It is not the network's: it is for later passes that may refuse something too, so that a user
    reads every reason at once.
    """

    def __init__(self, diagnostics: Iterable[Diagnostic], graph: Graph) -> None:
        super().__init__(diagnostics)
        self.graph = graph


@dataclass(frozen=True, kw_only=True)
class Pass:
    """One step of lowering. Fields are its options; it has no state and does no I/O.

    The graph is valid before and after. ``exact`` says that every output bit stays the same
    for every input; a pass that changes numbers says ``exact = False`` and its docstring says
    what changes. The runner checks that the facts in ``needs`` are true before it runs, and that
    no op of the classes in ``gone`` is left after it.
    """

    name: ClassVar[str]
    exact: ClassVar[bool]
    needs: ClassVar[tuple[Fact, ...]] = ()
    gone: ClassVar[tuple[type[Op], ...]] = ()
    refuses: ClassVar[bool] = False
    """Some graphs do not fit the target, and it says which; others refuse nothing."""

    def run(self, graph: Graph, target: Target) -> Graph:
        """Return the new graph; raise ``MappingError`` for what the user can mend."""
        raise NotImplementedError  # every pass does something

    def warnings(self, graph: Graph, target: Target) -> tuple[str, ...]:
        """Return what a user should know of what it does to a graph that it does not refuse."""
        return ()

    @classmethod
    def summary(cls) -> str:
        """Return the first line of the docstring."""
        return (cls.__doc__ or "").strip().splitlines()[0]

    @classmethod
    def text(cls) -> str:
        """Return the whole docstring."""
        return getdoc(cls) or ""
