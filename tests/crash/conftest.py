"""Commands in children, and what they are given."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mapper.exchange.canonical import to_model
from mapper.ir.builder import GraphBuilder
from mapper.ir.core import FLOAT
from mapper.recordings import read_arrays
from tests.crash.children import Children
from tests.files import DEMO_MODEL, DEMO_RECORDING
from tests.fuzz.onnx_seeds import modern


@pytest.fixture(scope="module")
def children(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Children]:
    served = Children(tmp_path_factory.mktemp("crash") / "work")
    served.below.mkdir()
    yield served
    served.close()


@pytest.fixture(scope="module")
def fixed(children: Children) -> dict[str, str]:
    """Recordings, a build and other models that no scene changes."""
    place = children.below.parent
    arrays = read_arrays(DEMO_RECORDING)
    made = {"build": f"{place}/build", "other": f"{place}/other.onnx"}
    for name, sample in (("one", 0), ("two", 1)):
        made[name] = f"{place}/{name}.npz"
        x, labels = arrays["x"][:3, sample : sample + 1], arrays["labels"][sample : sample + 1]
        np.savez(made[name], x=x, labels=labels)
    small_network(Path(made["other"]))
    args = ("--target", "ideal-128", "-o", made["build"])
    assert children.run("compile", DEMO_MODEL, *args).code == 0
    with_a_head(children, place, made)
    made["die"] = f"{place}/die"
    stuck = ("--device", "ideal", "--set", "cell.stuck_on=0.1", "--seed", "4")
    assert children.run("die", made["build"], *stuck, "-o", made["die"]).code == 0
    return made


def with_a_head(children: Children, place: Path, made: dict[str, str]) -> None:
    """Add a model whose outputs the host computes, a build of it, and recordings."""
    made |= {"modern": f"{place}/modern.onnx", "heads": f"{place}/heads"}
    Path(made["modern"]).write_bytes(modern().SerializeToString())
    rng = np.random.default_rng(0)
    for name in ("modern_one", "modern_two"):
        made[name] = f"{place}/{name}.npz"
        np.savez(made[name], x=(rng.random((3, 1, 4, 2, 2)) < 0.5).astype(np.uint8))
    args = ("--target", "adcless-64", "-o", made["heads"])
    assert children.run("compile", made["modern"], *args).code == 0


def small_network(path: Path) -> None:
    """Write a network that NIR can say, and that is not the demo's."""
    net = GraphBuilder("small")
    spikes = net.neurons(net.linear(net.input("x", (3,), FLOAT), np.eye(3, dtype=np.float32)))
    path.write_bytes(to_model(net.graph(spikes)).SerializeToString(deterministic=True))
