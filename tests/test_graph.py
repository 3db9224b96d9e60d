"""A graph is valid by construction, and its errors name layers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import pytest

from edgernn.cells import (
    Activation,
    Conv1d,
    Delay,
    Dense,
    Embedding,
    Gru,
    LayerNorm,
    Lstm,
    Rnn,
    Slice,
    Standardize,
    Sum,
)
from edgernn.errors import GraphError
from edgernn.model.cell import CELLS, cell
from edgernn.model.graph import Graph
from edgernn.model.layer import Layer
from edgernn.model.layer_trace import trace_layer
from edgernn.model.operation import Ref
from edgernn.model.tensor import Tensor
from zoo import GRAPHS, one, t

GRU = Gru(t(12, 6), t(12, 4))
OUT = Dense(t(3, 4))


@cell
@dataclass(frozen=True)
class Hasty:
    """Declares to delay, and does not."""

    inputs: int
    delays: ClassVar = True
    states: ClassVar = {}

    def step(self, ops, x, state):
        return ops.tanh(x), state


@cell
@dataclass(frozen=True)
class Endless:
    """Delays values of any width."""

    delays: ClassVar = True
    states: ClassVar = {"past": 6}

    def step(self, ops, x, state):
        return state[0], (x,)


WRONG_GRAPHS = {
    "order of layers": (lambda: Graph((Layer("out", OUT), Layer("gru", GRU)), 6), r"layer 'out' reads 4 values, but 6 arrive from 'x'"),
    "width": (lambda: Graph((Layer("gru", GRU), Layer("out", Dense(t(3, 9)))), 6), r"layer 'out' reads 9 values, but 4 arrive from 'gru'"),
    "unknown read": (lambda: Graph((Layer("gru", GRU, ("nobody",)),), 6), r"reads 'nobody', which is not an earlier layer; there are x"),
    "later read": (lambda: Graph((Layer("gru", GRU, ("out",)), Layer("out", OUT)), 6), r"which is not an earlier layer"),
    "later read that only a delay may": (
        lambda: Graph((Layer("gru", GRU, ("out",)), Layer("out", OUT)), 6),
        r"'gru' reads 'out', .* there are x, and only a Delay reads a later one",
    ),
    "delay of nothing": (lambda: Graph((Layer("d", Delay(6), ("nobody",)),), 6), r"layer 'd' reads 'nobody'"),
    "width of a delay": (
        lambda: Graph((Layer("d", Delay(3), ("gru",)), Layer("gru", Gru(t(12, 3), t(12, 4)))), 6),
        r"layer 'd' reads 3 values, but 4 arrive from 'gru'",
    ),
    "delay that does not": (
        lambda: Graph((Layer("d", Hasty(6), ("out",)), Layer("out", Dense(t(6, 6)))), 6),
        r"'d': the cell Hasty declares that it delays, and its output depends on its input",
    ),
    "delay without a width": (
        lambda: Graph((Layer("d", Endless(), ("out",)), Layer("out", Dense(t(6, 6)))), 6),
        r"'d': the cell Endless declares that it delays, and no dimension 'inputs'",
    ),
    "twice": (lambda: Graph((Layer("a", GRU), Layer("a", OUT)), 6), r"two layers are called 'a'"),
    "reserved name": (lambda: Graph((Layer("y", GRU),), 6), r"cannot be called 'y'"),
    "odd name": (lambda: Graph((Layer("a/b", GRU),), 6), r"cannot be called 'a/b'"),
    "empty": (lambda: Graph((), 6), r"a graph of 0 layers"),
    "no inputs": (lambda: one(Activation("relu"), 0), r"0 inputs"),
    "join of one": (lambda: Graph((Layer("sum", Sum()),), 6), r"a Sum and reads 1 values; a join reads at least two"),
    "two for a cell": (lambda: Graph((Layer("a", GRU), Layer("b", OUT, ("a", "a"))), 6), r"reads 2 values"),
    "join of widths": (lambda: Graph((Layer("a", GRU), Layer("s", Sum(), ("a", "x"))), 6), r"layer 's', operation 0 \(add\): 'a' has 4 values and 'x' has 6"),
    "pairs": (lambda: Graph((("gru", GRU),), 6), r"arrived among the layers; expected Layer\(name, cell\)"),
    "class": (lambda: one(Gru), r"expected Layer\(name, cell\), the cell an instance"),
    "none": (lambda: one(None), r"expected Layer"),
    "number name": (lambda: Graph((Layer(3, GRU),), 6), r"a name that is not a string"),
    "string read": (lambda: Graph((Layer("a", GRU, "x"),), 6), r"expected inputs="),
    "number labels": (lambda: one(GRU, labels=(0, 1, 2, 3)), r"expected a number and strings"),
    "float inputs": (lambda: one(GRU, 6.0), r"inputs=6.0"),
    "text period": (lambda: one(GRU, period_ms="10"), r"period_ms='10'"),
    "array rest": (lambda: one(GRU, initial_state={"layer.h": np.zeros(4)}), r"an initial state is not a Tensor"),
    "labels": (lambda: one(GRU, labels=("a",)), r"1 labels for 4 outputs"),
    "period": (lambda: one(GRU, period_ms=0.0), r"a period of 0.0 ms"),
    "rest name": (lambda: one(GRU, initial_state={"layer.c": t(4)}), r"initial state 'layer.c'.*there are \{'layer.h': 4\}"),
    "rest width": (lambda: one(GRU, initial_state={"layer.h": t(5)}), r"has shape \(5,\)"),
    "late embedding": (lambda: Graph((Layer("gru", GRU), Layer("e", Embedding(t(3, 2)))), 6), r"operation 0 \(lookup\): it reads 1 values, but 4"),
    "embedding of a value": (lambda: Graph((Layer("d", Dense(t(1, 6))), Layer("e", Embedding(t(3, 2)))), 6), r"must read the graph's input 'x'"),
    "embedding beside": (lambda: Graph((Layer("e", Embedding(t(3, 1))), Layer("d", Activation("relu"), ("x",)), Layer("s", Sum(), ("e", "d"))), 1), r"only tables"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG_GRAPHS)
def test_layers_that_do_not_fit_are_refused(name):
    make, words = WRONG_GRAPHS[name]
    with pytest.raises(GraphError, match=words):
        make()


WRONG_CELLS = {
    "gates": (lambda: Gru(t(10, 6), t(12, 4)), r"Gru.w has shape \(10, 6\); expected \(3 \* hidden, inputs\)"),
    "recurrent": (
        lambda: Gru(t(12, 6), t(12, 5)),
        r"Gru.u has shape \(12, 5\); expected .* with hidden = 4, inputs = 6",
    ),
    "multiple": (lambda: Gru(t(12, 6), t(12, 8)), r"Gru.u has shape \(12, 8\)"),
    "dilation": (lambda: Conv1d(2, t(4, 6), None, 0), r"dilation 0"),
    "before the start": (lambda: Slice(4, -1, 2), r"takes -1:2 of 4"),
    "past the end": (lambda: Slice(4, 1, 5), r"takes 1:5 of 4"),
    "negative deviation": (lambda: Standardize(t(2), Tensor([1.0, -1.0])), r"not above 0"),
    "bias": (lambda: Gru(t(12, 6), t(12, 4), t(4)), r"Gru.b has shape \(4,\)"),
    "axes": (lambda: Dense(t(4)), r"Dense.w has shape \(4,\)"),
    "array": (lambda: Dense(np.zeros((3, 4), np.float32)), r"is a ndarray; expected a Tensor.*wrap the array"),
    "missing": (lambda: Dense(None), r"Dense.w is a NoneType"),
    "activation": (lambda: Dense(t(3, 4), None, "swish"), r"no activation 'swish'; there are linear, relu"),
    "rnn activation": (lambda: Rnn(t(4, 4), t(4, 4), None, "sigmoid"), r"no activation 'sigmoid'"),
    "kind": (lambda: Activation("swish"), r"no function 'swish'"),
    "projection": (lambda: Lstm(t(16, 6), t(16, 3), None, t(4, 3)), r"Lstm.p has shape \(4, 3\)"),
    "kernel": (lambda: Conv1d(1, t(4, 6)), r"two frames in all"),
    "taps": (lambda: Conv1d(4, t(4, 6)), r"Conv1d.w has shape \(4, 6\)"),
    "eps": (lambda: LayerNorm(eps=0.0), r"eps 0.0"),
    "slice": (lambda: Slice(4, 3, 3), r"takes 3:3 of 4 values"),
    "deviation": (lambda: Standardize(t(3), Tensor([1.0, 0.0, 1.0])), r"not above 0; drop the constant column"),
    "three axes": (lambda: Tensor(np.zeros((2, 2, 2), np.float32)), r"expected one or two axes"),
    "dtype": (lambda: Tensor(np.zeros(3, complex)), r"dtype complex128 arrived; expected float32 or float64"),
    "not finite": (lambda: Tensor([1.0, np.nan]), r"not finite; look for a training run that diverged"),
}


@pytest.mark.parametrize("name", WRONG_CELLS)
def test_weights_of_the_wrong_shape_are_refused(name):
    make, words = WRONG_CELLS[name]
    with pytest.raises(GraphError, match=words):
        make()


def test_a_name_can_be_taken_once():
    with pytest.raises(GraphError, match=r"a cell named 'Gru' exists already, in edgernn.cells.gru"):

        @cell
        @dataclass(frozen=True)
        class Gru:
            w: Annotated[Tensor, "hidden", "inputs"]

    assert CELLS["Gru"] is type(GRU)


def test_a_step_must_return_the_states_that_the_cell_declares():
    class Loses:
        states: Mapping[str, int] = {"h": 4}

        def step(self, ops, x, state):
            (h,) = state
            return x, (ops.concat(h, x),)

    with pytest.raises(GraphError, match=r"layer 'l': step returns states of widths \(10,\)"):
        trace_layer(Layer("l", Loses()), [Ref("x", 6)])


def test_numbers_meet_values_in_scale():
    class Adds:
        states: Mapping[str, int] = {}

        def step(self, ops, x, state):
            return x + 1, state

    with pytest.raises(GraphError, match=r"'x' meets a int; use ops.scale"):
        trace_layer(Layer("l", Adds()), [Ref("x", 6)])


@pytest.mark.parametrize("name", GRAPHS)
def test_widths_are_known_before_anything_runs(name):
    graph = GRAPHS[name]
    assert graph.outputs > 0
    assert graph.precision == "fp32"
    assert graph.astype("float64").precision == ("fp64" if graph.tensors else "fp32")


def test_tensors_are_equal_by_what_they_hold():
    assert Tensor([1, 2]) == Tensor(np.array([1, 2], np.float32))
    assert hash(Tensor([1, 2])) == hash(Tensor(np.float32([1, 2])))
    assert Tensor([1, 2]) != Tensor([[1, 2]])
    assert Tensor(np.float32([1])) != Tensor(np.float64([1]))
    with pytest.raises(ValueError, match="read-only"):
        Tensor([1, 2]).stored[0] = 3


def test_numbers_of_numpy_are_numbers():
    graph = one(GRU, np.int64(6), period_ms=np.float32(10))
    assert (type(graph.inputs), type(graph.period_ms)) == (int, float)


def test_the_smallest_table_bounds_the_symbols():
    layers = (Layer("a", Embedding(t(9, 2))), Layer("b", Embedding(t(5, 2)), ("x",)), Layer("sum", Sum(), ("a", "b")))
    assert Graph(layers, 1).vocabulary_size == 5


def test_weights_of_two_precisions_have_no_name():
    mixed = one(Gru(t(12, 6), Tensor(np.zeros((12, 4)))))
    with pytest.raises(GraphError, match="weights of dtypes float32, float64 arrived"):
        _ = mixed.precision


def test_a_period_that_is_not_finite_is_refused():
    with pytest.raises(GraphError, match="a period of nan ms"):
        one(GRU, period_ms=float("nan"))


def test_a_tensor_keeps_its_own_copy():
    array = np.ones(3, np.float32)
    tensor = Tensor(array)
    array[0] = 7
    assert tensor.stored[0] == 1
