"""Fixtures and options that all tests share."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import settings
from threadpoolctl import threadpool_limits

from tests import campaigns

TESTS = Path(__file__).parent
SHARED = TESTS.parent.parent / "shared"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite golden files")
    parser.addoption("--all-cases", action="store_true", help="run long campaigns whole")


def pytest_configure(config: pytest.Config) -> None:
    campaigns.whole = config.getoption("--all-cases")
    settings.register_profile("usual", max_examples=campaigns.examples(100))
    settings.load_profile("usual")  # of properties that do not say how many


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out cases of tests marked ``campaign``: the same ones in each process."""
    if not campaigns.whole:
        left_out = campaigns.left_out(items)
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture(autouse=True, scope="session")
def one_blas_thread() -> Iterator[None]:
    """Two workers with two spinning threads each would wait for each other most of the time."""
    with threadpool_limits(limits=1, user_api="blas"):
        yield


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Compare text with ``tests/golden/<module>/<test>.txt``."""
    path = TESTS / "golden" / request.module.__name__.split(".")[-1] / f"{request.node.name}.txt"

    def check(text: str) -> None:
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.is_file(), f"{path} is missing; run pytest --update-golden and review it"
        assert text == path.read_text(encoding="utf-8")

    return check


@pytest.fixture
def campaign(request: pytest.FixtureRequest) -> Callable[[Sequence[object], int], list[object]]:
    """Choose which cases of a long campaign to run: some, the same each time, or all.

    ``campaign(cases, 20)`` gives 20 of the cases in their order; with ``--all-cases``, which
    ``make test-all`` sets, every one of them.
    """

    def choose(cases: Sequence[object], count: int) -> list[object]:
        return campaigns.chosen(cases, count, request.node.nodeid)

    return choose


@pytest.fixture
def shared() -> Path:
    """The folder of real models and recordings; tests that need it skip without it."""
    if not SHARED.is_dir():
        pytest.skip("needs the models and recordings in ../shared, which are not here")
    return SHARED
