"""Low rank: no product of that rank is nearer, and every interpreter sees two affines."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch.nn import functional as F

from edgernn.artifact.rnn import dumps, loads
from edgernn.cells import Dense, Embedding, Gru
from edgernn.errors import GraphError, UsageError
from edgernn.interpreters.count import count
from edgernn.interpreters.numpy import Stepper
from edgernn.model.cell import dimensions
from edgernn.model.factored import Factored
from edgernn.model.graph import Graph
from edgernn.model.layer import Layer
from edgernn.model.tensor import SCHEMES, STATIC, Tensor
from edgernn.passes.calibrate import calibrate
from edgernn.passes.factorize import factorize, ranks
from edgernn.passes.prune_units import prune_units
from edgernn.passes.quantize import quantize
from edgernn.train.network.recurrent import Recurrent
from zoo import GRAPHS, frames, keyword_spotter, one, t

KWS = keyword_spotter()
LOW = factorize(KWS, 0.6)


def of_rank_one(graph: Graph) -> Graph:
    """The same graph with matrices of rank one for all of its affines."""
    read = {op.args[0] for traced in graph.layer_traces.values() for op in traced.operations if op.name == "affine"}
    exact = tuple(f"{layer.name}." for layer in graph.layers if layer.cell.exact)
    flat = {
        name: Tensor((tensor.stored.mean(1, keepdims=True) * tensor.stored[:1]).astype(np.float32))
        for name, tensor in graph.tensors.items()
        if tensor in read and not name.startswith(exact)
    }
    return graph.with_tensors(flat)


def whole(graph: Graph, name: str) -> np.ndarray:
    return np.linalg.multi_dot([graph.tensors[f"{name}.{part}"].dense(np.float64) for part in ("left", "right")])


@given(rows=st.integers(3, 24), columns=st.integers(3, 24), energy=st.floats(0.05, 0.9), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_the_error_is_the_energy_that_is_dropped_and_no_smaller_rank_keeps_enough(rows, columns, energy, seed):
    random = np.random.default_rng(seed)
    weight = random.standard_normal((rows, columns)) * np.exp(random.uniform(-2, 2, columns))
    graph = one(Dense(Tensor(weight)), columns)
    rank = ranks(graph, energy)["layer.w"]
    # the eigenvalues of W W' are the squared singular values, by another algorithm
    squares = np.maximum(np.linalg.eigvalsh(weight @ weight.T)[::-1], 0)
    total = squares.sum()
    assert squares[: rank.rank].sum() >= (energy - 1e-9) * total
    assert squares[: rank.rank - 1].sum() < (energy + 1e-9) * total
    assert rank.pays == (rank.rank * (rows + columns) < rows * columns)
    if not rank.pays:
        with pytest.raises(GraphError, match=f"'layer.w' needs rank {rank.rank} and is smaller up to {rank.most}"):
            factorize(graph, energy)
        return
    after = factorize(graph, energy)
    lost = np.linalg.norm(weight - whole(after, "layer.w")) ** 2
    np.testing.assert_allclose(lost, squares[rank.rank :].sum(), atol=1e-9 * total)
    left, right = (after.tensors[f"layer.w.{part}"].stored for part in ("left", "right"))
    np.testing.assert_allclose(np.linalg.norm(left, axis=0), np.linalg.norm(right, axis=1), rtol=1e-6)
    assert count(after).macs == rank.rank * (rows + columns) < count(graph).macs == rows * columns
    assert count(after).parameters == count(after).macs


WITH_MATRICES = [
    name
    for name, graph in GRAPHS.items()
    if quantize(graph).layers != graph.layers and "factored" not in name and "Names" not in name
]


@pytest.mark.parametrize("name", WITH_MATRICES)
def test_all_of_the_energy_gives_the_same_answers(name):
    graph = of_rank_one(GRAPHS[name])
    after = factorize(graph, 1.0)
    assert any(key.endswith(".left") for key in after.tensors)
    assert after.states == graph.states
    assert [dimensions(layer.cell) for layer in after.layers] == [dimensions(layer.cell) for layer in graph.layers]
    xs = frames(graph, 40)
    np.testing.assert_allclose(Stepper(after).run(xs)[0], Stepper(graph).run(xs)[0], atol=1e-5)
    assert loads(dumps(after)) == after


@pytest.mark.parametrize("scheme", SCHEMES)
def test_factors_are_quantized_as_two_matrices(scheme):
    calibrated = calibrate(LOW, [frames(KWS, 64)]) if scheme in STATIC else LOW
    small = quantize(calibrated, scheme)
    assert {small.tensors[f"gru.u.{part}"].scheme for part in ("left", "right")} == {scheme}
    assert loads(dumps(small)) == small
    np.testing.assert_allclose(whole(small, "gru.u"), whole(LOW, "gru.u"), atol=0.25 if "wi4" in scheme else 0.02)


def test_units_are_removed_from_factors_as_from_the_matrix():
    scores = {"gru.h": np.arange(16.0)}
    one_way = prune_units(LOW, 0.5, importance=scores)
    np.testing.assert_allclose(
        whole(one_way, "gru.u"), whole(LOW, "gru.u").reshape(3, 16, 16)[:, 8:, 8:].reshape(24, 8), atol=1e-6
    )


def test_only_the_named_matrices_are_factored():
    some = factorize(KWS, {"gru.u": 0.5})
    assert {name.split(".")[1] for name in some.tensors if name.endswith(".left")} == {"u"}
    assert some.tensors["gru.w"] == KWS.tensors["gru.w"]
    factored = factorize(KWS, 0.5, keep=("gru",))
    assert factored.layers[0] == KWS.layers[0]
    with pytest.raises(UsageError, match="no layer is left to factor"):
        factorize(some, 0.5, keep=("gru", "out"))
    assert not ranks(some, 0.5).keys() & {"gru.u", "gru.u.left"}  # a factor is not factored again


def test_ranges_of_other_operations_are_dropped():
    assert calibrate(KWS, [frames(KWS, 64)]).ranges
    assert not factorize(calibrate(KWS, [frames(KWS, 64)]), 0.6).ranges


WRONG = {
    "energy": (lambda: factorize(KWS, 1.5), UsageError, "an energy of 1.5 arrived; expected a share above 0"),
    "nan": (lambda: factorize(KWS, float("nan")), UsageError, "an energy of nan"),
    "name": (
        lambda: factorize(KWS, {"gru.v": 0.5}),
        UsageError,
        "no matrix 'gru.v' to factor; did you mean 'gru.[uw]'",
    ),
    "keep": (lambda: factorize(KWS, 0.5, keep=("grv",)), UsageError, "did you mean 'gru'"),
    "precision": (lambda: factorize(quantize(KWS), 0.5), UsageError, "in dynamic_wi8_afp32 cannot be factored"),
    "full": (lambda: factorize(KWS, 1.0), GraphError, "no matrix has fewer weights as a product"),
    "shapes": (lambda: Factored(t(4, 2), t(3, 4)), GraphError, r"shapes \(4, 2\) and \(3, 4\) arrived"),
    "vector": (lambda: Factored(t(4), t(4, 4)), GraphError, "expected .rows, rank. and .rank, columns."),
    "array": (lambda: Factored(np.ones((4, 2)), t(2, 4)), GraphError, "a factor is not a Tensor"),
    "inputs": (lambda: one(Dense(Factored(t(4, 2), t(2, 7)))), GraphError, "layer 'layer' reads 7 values, but 6"),
    "bias": (lambda: one(Dense(t(4, 6), Factored(t(4, 1), t(1, 1)))), GraphError, r"Dense.b has shape \(4, 1\)"),
    "table": (
        lambda: Graph((Layer("e", Embedding(Factored(t(9, 2), t(2, 5)))),), 1),
        GraphError,
        r"layer 'e', operation 0 \(lookup\): a Factored weight arrives, which only affine takes",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_factored_is_refused(case):
    make, error, message = WRONG[case]
    with pytest.raises(error, match=message):
        make()


def test_factors_are_trained_by_the_formula():
    cell = replace(GRAPHS["Gru factored"].layers[0].cell, b=t(15), c=t(15))
    assert isinstance(cell, Gru)
    assert isinstance(cell.u, Factored)
    layer = Recurrent(cell)
    xs = torch.randn(2, 9, 6)
    gru = torch.nn.GRU(6, 5, batch_first=True)
    own = dict(layer.named_parameters())
    with torch.no_grad():
        gru.weight_ih_l0.copy_(own["w_left"] @ own["w_right"])
        gru.weight_hh_l0.copy_(own["u_left"] @ own["u_right"])
        gru.bias_ih_l0.copy_(own["b"])
        gru.bias_hh_l0.copy_(own["c"])
    torch.testing.assert_close(layer(xs)[0], gru(xs)[0], atol=1e-5, rtol=1e-5)
    assert layer.edgernn_cell() == cell
    F.mse_loss(layer(xs)[0], torch.zeros(2, 9, 5)).backward()
    F.mse_loss(gru(xs)[0], torch.zeros(2, 9, 5)).backward()
    torch.testing.assert_close(
        own["u_right"].grad, (own["u_left"].T @ gru.weight_hh_l0.grad).detach(), atol=1e-5, rtol=1e-4
    )
