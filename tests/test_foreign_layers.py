"""Leaves of foreign modules: their states may be zeros, constants, or passed in and returned by the caller."""

import numpy as np
import pytest
import torch
from torch import nn

from edgernn.cells import FastGrnn, GruResetBefore, GruResetBeforeStep, LstmPeephole, LstmPeepholeStep
from edgernn.errors import UnsupportedError
from edgernn.interpreters.numpy import Stepper
from edgernn.model.tensor import Tensor
from edgernn_export import from_torch
from edgernn_export.sources.foreign.layers import CellLayer

INPUTS, HIDDEN = 3, 5
SHAPES = {
    GruResetBefore: {"w": (15, 3), "u": (10, 5), "v": (5, 5), "b": (15,)},
    LstmPeephole: {"w": (20, 3), "u": (20, 5), "i": (5,), "f": (5,), "o": (5,), "b": (20,)},
}
STEPS = {GruResetBefore: GruResetBeforeStep, LstmPeephole: LstmPeepholeStep}
WIDTHS = {GruResetBefore: (5,), LstmPeephole: (5, 5)}

every_cell = pytest.mark.parametrize("cell", SHAPES)


def layer(cell):
    return CellLayer(cell, **{name: torch.randn(shape) for name, shape in SHAPES[cell].items()}).eval()


def states_of(cell, *lead):
    return tuple(torch.randn(*lead, width) for width in WIDTHS[cell])


class Net(nn.Module):
    """A layer with a head; how it gets its states is told by `use`."""

    def __init__(self, cell, use):
        super().__init__()
        self.layer, self.out, self.use = layer(cell), nn.Linear(HIDDEN, 2), use

    def forward(self, *args):
        return self.use(self, *args)


def passed(m, x, *states):
    y, after = m.layer(x, states)
    return m.out(y), *after


def scaled(m, x, *states):
    """A state that another operation reads and computes: no layer has it whole."""
    y, after = m.layer(x, tuple(state * 0.5 for state in states))
    return m.out(y) + states[0][:, None, :2], *(each.tanh() for each in after)


def streamed(graph, xs):
    return Stepper(graph.astype("float64")).run(xs.numpy().astype(np.float64))[0]


def whole(net, xs, states):
    """The answer of the module, called frame by frame."""
    answers = []
    with torch.no_grad():
        for x in xs:
            y, *states = net(x[None, None], *states)
            answers.append(y.reshape(-1))
    return torch.stack(answers).numpy()


@every_cell
@pytest.mark.parametrize(
    ("use", "own", "steps"),
    [(passed, True, 1), (passed, True, 12), (scaled, False, 1)],
    ids=["one", "many", "computed"],
)
def test_states_of_the_caller(cell, steps, use, own):
    net = Net(cell, use).eval()
    zeros = tuple(torch.zeros(1, width) for width in WIDTHS[cell])
    graph = from_torch(net, (torch.randn(1, steps, INPUTS), *zeros))
    kinds = [type(each.cell) for each in graph.layers]
    assert (cell if own else STEPS[cell]) in kinds
    xs = torch.randn(9, INPUTS)
    np.testing.assert_allclose(streamed(graph, xs), whole(net, xs, zeros), atol=2e-6)


@every_cell
def test_a_constant_initial_state_and_a_last_step(cell):
    net = Net(cell, lambda m, x: m.out(m.layer(x, m.first)[1][0])).eval()
    net.first = states_of(cell, 1)
    graph = from_torch(net, torch.randn(1, 12, INPUTS))
    assert len(graph.initial_state) == len(WIDTHS[cell])
    xs = torch.randn(9, INPUTS)
    with torch.no_grad():
        expected = net(xs[None]).numpy()[0]
    np.testing.assert_allclose(streamed(graph, xs)[-1], expected, atol=2e-6)


class Fast(nn.Module):
    def edgernn_cell(self):
        random = np.random.default_rng(0)
        shapes = ((5, 3), (5, 5), (5,), (5,), (5,), (5,))
        return FastGrnn(*(Tensor(random.standard_normal(shape).astype(np.float32)) for shape in shapes))

    def forward(self, x, states):
        return x.tanh().repeat(1, 1, 2)[..., :5] + states[0][:, None], states


def test_a_leaf_without_a_step_of_its_own_is_refused():
    net = Net(GruResetBefore, scaled).eval()
    net.layer = Fast()
    with pytest.raises(UnsupportedError, match=r"FastGrnn is not one of the cells whose states can be: Rnn, Gru"):
        from_torch(net, (torch.randn(1, 1, INPUTS), torch.zeros(1, HIDDEN)))
