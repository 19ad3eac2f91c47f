"""Run a generated executor in this process."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, overload

from mapper.diagnostics import refuse
from mapper.ir.core import Array
from mapper.ir.weights import keyed

Arrays = dict[str, Array]
Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Executor:
    """A generated program with its weights."""

    module: Mapping[str, Any]
    """Namespace of the program."""
    network: Any

    @overload
    def run(
        self,
        inputs: Mapping[str, Array],
        initial: Mapping[str, Array] | None = None,
        progress: Progress | None = None,
        trace: Literal[False] = False,
    ) -> Arrays: ...

    @overload
    def run(
        self,
        inputs: Mapping[str, Array],
        initial: Mapping[str, Array] | None = None,
        progress: Progress | None = None,
        *,
        trace: Literal[True],
    ) -> tuple[Arrays, Arrays]: ...

    def run(
        self,
        inputs: Mapping[str, Array],
        initial: Mapping[str, Array] | None = None,
        progress: Progress | None = None,
        trace: bool = False,
    ) -> Arrays | tuple[Arrays, Arrays]:
        """Run ``T`` time steps over ``B`` samples.

        Args:
            inputs: Input codes ``[T, B, *shape]`` or, for one sample, ``[T, *shape]``.
            initial: Start values ``[B, *shape]`` or ``[*shape]`` by the name of the state's
                ``read`` value, where they differ from the graph's own.
            progress: Called with the number of finished steps.
            trace: Return what was active, too.

        Returns:
            What ``mapper.ir.evaluate.evaluate`` returns. With ``trace`` a pair of that and a
            dictionary with, by value name, spikes ``[T, B]`` of inputs and neurons and driven
            wordlines ``[T, B]`` of crossbars (under the partial sum's name); and, under that
            name with ``.wordlines``, ``[groups, K]`` summed over steps and samples, and with
            ``.reads``, ``[groups, row blocks]``, the reads in which any was driven.

        Raises:
            MappingError: The inputs do not fit the network.
        """
        try:
            result: Arrays | tuple[Arrays, Arrays] = self.module["run"](
                inputs, initial, trace, progress, self.network
            )
        except self.module["Refusal"] as refusal:
            raise refuse(refusal.code, refusal.message) from refusal
        return result


def load_executor(source: str, weights: Mapping[str, Array]) -> Executor:
    """Compile a program that ``generate_executor`` made in this process.

    Never pass the text of a file from a folder: it would be executed.

    Args:
        source: The program.
        weights: The graph's constants, by name.

    Raises:
        MappingError: ``bad-weights`` where these are not the constants it was generated for.
    """
    module: dict[str, Any] = {"__name__": "executor"}
    exec(compile(source, "<generated executor>", "exec"), module)
    stored = keyed(weights)
    used = {key: stored[key] for key in module["WEIGHTS"] if key in stored}
    try:
        module["check_weights"](used)
    except module["Refusal"] as refusal:
        raise refuse(refusal.code, refusal.message) from refusal
    return Executor(module=module, network=module["Network"](used))
