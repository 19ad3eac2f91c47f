"""Ops between layers in torch: equal to the definition, element by element."""

import numpy as np
import pytest
import torch

from mapper.ir.core import FLOAT, Graph, IntType, Value
from mapper.ir.evaluate import evaluate
from mapper.ir.network import Scale
from mapper.ir.windows import Window
from mapper.training.hardening.integer import IntegerNetwork
from tests.builders import Builder

HALF = Window(kernel=(2, 2), stride=(2, 1), padding=(1, 0, 0, 1))
BETWEEN = {
    "transposed": lambda net, x: net.transpose(x, (2, 0, 1)),
    "in another order": lambda net, x: net.take(x, (2, 0, 0), axis=2),
    "reshaped": lambda net, x: net.reshape(x, (6, 4)),
    "side by side": lambda net, x: net.concat(x, net.take(x, (1, 0))),
    "the greatest": lambda net, x: net.max_pool2d(x, HALF),
    "summed in windows": lambda net, x: net.sum_pool2d(x, HALF),
    "added": lambda net, x: net.sum(x, net.take(x, (1, 0))),
    "added to scale": lambda net, x: net.scaled_add([x, net.take(x, (1, 0))], [3, -2], shift=1),
}


def one_step(build) -> Graph:
    net = Builder()
    net.output(build(net, net.input("x", (2, 3, 4), IntType(4, signed=True))))
    return net.graph()


@pytest.mark.parametrize("build", BETWEEN.values(), ids=BETWEEN)
def test_torch_computes_what_the_definition_says(build):
    graph = one_step(build)
    codes = np.random.default_rng(0).integers(-8, 8, (2, 3, 2, 3, 4))
    found = IntegerNetwork(graph, torch.device("cpu")).run(torch.from_numpy(codes)).numpy()
    assert (found == evaluate(graph, {"x": codes})[graph.outputs[0].name]).all()


def test_an_op_of_real_numbers_is_no_part_of_it():
    x, y = Value("x", FLOAT, (2,)), Value("y", FLOAT, (2,))
    graph = Graph(name="g", inputs=(x,), outputs=(y,), ops=(Scale(x=x, factor=2.0, result=y),))
    with pytest.raises(TypeError, match=r"net\.scale is not part of trained networks"):
        IntegerNetwork(graph, torch.device("cpu")).run(torch.zeros(1, 1, 2))
