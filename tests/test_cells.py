"""Each cell against an oracle that is not ours: torch's functions, scipy, or the formula by hand."""

from typing import ClassVar

import numpy as np
import pytest
import torch
from scipy.special import expit, softmax
from torch.nn import functional as F

from edgernn.cells import (
    Activation,
    Concat,
    Conv1d,
    Dense,
    Embedding,
    LayerNorm,
    Product,
    Scale,
    Slice,
    Standardize,
    Sum,
)
from edgernn.errors import GraphError
from edgernn.graph import Graph, Layer
from edgernn.readings.numpy import NumpyOps, Stepper
from edgernn.record import Ref, record
from edgernn.tensor import Tensor
from zoo import one

random = np.random.default_rng(11)
X = random.standard_normal((7, 6))
V = random.uniform(0.5, 2, 6)
W = random.standard_normal((4, 6))
B = random.standard_normal(4)


def run(graph, xs=X):
    return Stepper(graph).run(np.asarray(xs))[0]


def torched(array):
    return torch.from_numpy(np.asarray(array))


ORACLES = {
    "standardize": (one(Standardize(Tensor(X[0]), Tensor(V))), lambda: (X - X[0]) / V),
    "scale": (one(Scale(Tensor(V), Tensor(X[1]))), lambda: V * X + X[1]),
    "dense": (one(Dense(Tensor(W), Tensor(B))), lambda: F.linear(torched(X), torched(W), torched(B)).numpy()),
    "dense softmax": (one(Dense(Tensor(W), None, "softmax")), lambda: softmax(X @ W.T, axis=-1)),
    "dense sigmoid": (one(Dense(Tensor(W), Tensor(B), "sigmoid")), lambda: expit(X @ W.T + B)),
    "layer norm": (
        one(LayerNorm(Tensor(V), Tensor(X[2]), 0.3)),
        lambda: F.layer_norm(torched(X), (6,), torched(V), torched(X[2]), 0.3).numpy(),
    ),
    "slice": (one(Slice(6, 1, 4)), lambda: X[:, 1:4]),
    **{
        f"convolution {kernel} {dilation}": (
            one(Conv1d(kernel, Tensor(taps.transpose(0, 2, 1).reshape(4, -1)), Tensor(B), dilation)),
            lambda taps=taps, kernel=kernel, dilation=dilation: (
                F.conv1d(F.pad(torched(X.T[None]), ((kernel - 1) * dilation, 0)), torched(taps), torched(B), dilation=dilation)[0].T.numpy()
            ),
        )
        for kernel, dilation in ((2, 1), (3, 1), (3, 2), (4, 3), (2, 7))
        for taps in [random.standard_normal((4, 6, kernel))]
    },
}  # fmt: skip


@pytest.mark.parametrize("name", ORACLES)
def test_a_cell_is_its_formula(name):
    graph, oracle = ORACLES[name]
    np.testing.assert_allclose(run(graph), oracle(), atol=1e-12)


@pytest.mark.parametrize(
    ("join", "oracle"),
    [(Sum(), lambda a: 3 * a), (Product(), lambda a: a**3), (Concat(), lambda a: np.hstack([a] * 3))],
)
def test_a_join_reads_as_many_branches_as_there_are(join, oracle):
    graph = Graph((Layer("tanh", Activation("tanh")), Layer("join", join, ("tanh",) * 3)), 6)
    np.testing.assert_allclose(run(graph), oracle(np.tanh(X)), atol=1e-12)


def test_an_embedding_is_a_row():
    table = random.standard_normal((5, 3))
    np.testing.assert_array_equal(run(one(Embedding(Tensor(table)), 1), [[3], [0], [4]]), table[[3, 0, 4]])


def test_words_do_not_overflow():
    ops, large = NumpyOps("float32"), np.float32([-1e4, 0, 1e4])
    np.testing.assert_array_equal(ops.softmax(large), [0, 0, 1])
    np.testing.assert_array_equal(ops.sigmoid(large), [0, 0.5, 1])
    np.testing.assert_array_equal(ops.log(np.float32([0, 1])), [-np.inf, 0])
    assert np.isnan(ops.log(np.float32([-1]))[0])


class Says:
    """A cell whose step is given."""

    states: ClassVar = {}

    def __init__(self, does):
        self.does = does

    def step(self, ops, x, state):
        return self.does(ops, x), state


def t(*shape):
    return Tensor(np.ones(shape, np.float32))


MISFITS = {
    "affine": (lambda ops, x: ops.affine(t(3, 5), x), r"\(affine\): it reads 5 values, but 6 arrive from 'x'"),
    "bias": (lambda ops, x: ops.affine(t(3, 6), x, t(4)), r"\(affine\): a tensor of shape \(4,\) meets 3 values"),
    "by": (lambda ops, x: ops.scale(x, t(5)), r"\(scale\): a tensor of shape \(5,\) meets 6 values"),
    "plus": (lambda ops, x: ops.scale(x, 1.0, t(5)), r"\(scale\): a tensor of shape \(5,\) meets 6 values"),
    "gain": (lambda ops, x: ops.normalize(x, t(5), None, 1e-5), r"\(normalize\): a tensor of shape \(5,\)"),
    "shift": (lambda ops, x: ops.normalize(x, None, t(5), 1e-5), r"\(normalize\): a tensor of shape \(5,\)"),
    "uneven": (lambda ops, x: ops.split(x, 4)[0], r"\(split\): 6 values arrive from 'x' and cannot be cut into 4"),
    "too few": (lambda ops, x: ops.split(x, (2, 2))[0], r"cannot be cut into \(2, 2\)"),
    "empty part": (lambda ops, x: ops.split(x, (6, 0))[0], r"cannot be cut into \(6, 0\)"),
    "index": (lambda ops, x: ops.lookup(t(3, 2), x), r"\(lookup\): it reads 1 values, but 6"),
}


@pytest.mark.parametrize("name", MISFITS)
def test_a_word_that_does_not_fit_is_refused_by_layer_and_place(name):
    does, words = MISFITS[name]
    with pytest.raises(GraphError, match=rf"layer 'l', word 0 {words}" if words.startswith(r"\(") else words):
        record("l", Says(does), [Ref("x", 6)])
