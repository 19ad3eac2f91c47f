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


@pytest.fixture(scope="module")
def children(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Children]:
    served = Children(tmp_path_factory.mktemp("crash") / "work")
    served.below.mkdir()
    yield served
    served.close()


@pytest.fixture(scope="module")
def fixed(children: Children) -> dict[str, str]:
    """Recordings, a build and a second model that no scene changes."""
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
    made["die"] = f"{place}/die"
    stuck = ("--device", "ideal", "--set", "cell.stuck_on=0.1", "--seed", "4")
    assert children.run("die", made["build"], *stuck, "-o", made["die"]).code == 0
    return made


def small_network(path: Path) -> None:
    """Write a network that NIR can say, and that is not the demo's."""
    net = GraphBuilder("small")
    spikes = net.neurons(net.linear(net.input("x", (3,), FLOAT), np.eye(3, dtype=np.float32)))
    path.write_bytes(to_model(net.graph(spikes)).SerializeToString(deterministic=True))
