"""What Optuna proposes for a batch. Its study is made anew for each, from the records alone."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from types import ModuleType
from typing import Any

from mapper.diagnostics import refuse
from mapper.exploration.batch import Batch, Told
from mapper.exploration.grid import Axes, Value
from mapper.exploration.sampling import NSGA2

_DIRECTIONS = {"min": "minimize", "max": "maximize"}


def optuna_version() -> str:
    """Return its version: another one may propose other points.

    Raises:
        MappingError: ``missing-extra``.
    """
    return str(_import_optuna().__version__)


def proposals(batch: Batch) -> Iterator[dict[str, Value]]:
    """Yield point after point, for ever; points may repeat.

    An axis of numbers is told as places in their order, an axis of other values as categories.
    Optuna's study has every point that is known, and those that were asked here as running.

    Raises:
        MappingError: ``missing-extra``.
    """
    optuna = _import_optuna()
    ordered = {name: _in_order(values) for name, values in batch.axes.items()}
    spread = {name: _spread(optuna, values) for name, values in ordered.items() if len(values) > 1}
    with _silent(optuna):
        study = optuna.create_study(
            directions=[_DIRECTIONS[best] for best in batch.best], sampler=_sampler(optuna, batch)
        )
        for number, told in enumerate(batch.told):
            study.add_trial(_trial(optuna, batch, number, told, ordered, spread))
        if batch.sampling.kind == NSGA2:  # one after the other, not one inside the other
            for generation in range(1, batch.number + 1):
                study.sampler.get_parent_population(study, generation)
    while True:
        with _silent(optuna):
            found = study.ask(fixed_distributions=spread).params
        yield {name: values[found.get(name, 0)] for name, values in ordered.items()}


def _in_order(values: Sequence[Value]) -> list[Value]:
    return list(values) if _is_named(values) else sorted(values, key=float)


def _is_named(values: Sequence[Value]) -> bool:
    return any(isinstance(value, str) for value in values)


def _spread(optuna: ModuleType, values: Sequence[Value]) -> Any:
    if _is_named(values):
        return optuna.distributions.CategoricalDistribution(range(len(values)))
    return optuna.distributions.IntDistribution(0, len(values) - 1)


def _sampler(optuna: ModuleType, batch: Batch) -> Any:
    text = f"{batch.sampling.seed}/{batch.number}"
    seed = int.from_bytes(blake2b(text.encode(), digest_size=4).digest())
    if batch.sampling.kind == NSGA2:
        return optuna.samplers.NSGAIISampler(population_size=batch.sampling.batch, seed=seed)
    # Axes together: by itself, each would sort all points anew, and repeat itself more often.
    return optuna.samplers.TPESampler(seed=seed, multivariate=True)


def _trial(
    optuna: ModuleType, batch: Batch, number: int, told: Told, ordered: Axes, spread: Any
) -> Any:
    generation = {}
    if batch.sampling.kind == NSGA2:
        key = optuna.samplers.NSGAIISampler._get_generation_key()
        generation = {key: number // batch.sampling.batch}
    return optuna.trial.create_trial(
        params={name: ordered[name].index(told.point[name]) for name in spread},
        distributions=spread,
        values=told.values,
        constraints={str(place): held for place, held in enumerate(told.violations)},
        system_attrs=generation,
    )


@contextmanager
def _silent(optuna: ModuleType) -> Iterator[None]:
    """Let Optuna say nothing on stderr, and speak as before afterwards."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


def _import_optuna() -> ModuleType:
    try:
        import optuna
    except ImportError as error:
        raise refuse(
            "missing-extra",
            "the samplers 'tpe' and 'nsga2' need optuna, which is not installed",
            help='pip install "spikeloom[explore]"',
        ) from error
    module: ModuleType = optuna
    return module
