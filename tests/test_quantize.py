"""Dynamic int8: integers that are the same everywhere, and answers that stay close to float."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as hnp

from edgernn.cells import Dense, Embedding, Gru, Standardize
from edgernn.errors import GraphError, UsageError
from edgernn.integer.dynamic import quantize_dynamic
from edgernn.interpreters.count import count
from edgernn.interpreters.numpy import Stepper
from edgernn.model.graph import Graph
from edgernn.model.layer import Layer
from edgernn.model.tensor import DYNAMIC, Tensor
from edgernn.passes.quantize import quantize
from edgernn.passes.rounding import rounded
from zoo import GRAPHS, frames, keyword_spotter, t

VECTORS = hnp.arrays(np.float32, st.integers(1, 40), elements=st.floats(-1e6, 1e6, width=32))


@given(x=VECTORS)
def test_a_vector_is_rounded_to_half_a_step(x):
    q, step = quantize_dynamic(x)
    assert np.abs(q).max() <= 127
    if np.abs(x).max() > 1e-30:
        assert np.abs(q).max() == 127
    assert (np.abs(q * step.astype(float) - x) <= step * 0.5001 + 1e-30).all()


def test_zeros_stay_zeros():
    q, step = quantize_dynamic(np.zeros((2, 5), np.float32))
    assert not q.any()
    assert not step.any()


@pytest.mark.parametrize("name", GRAPHS)
def test_a_quantized_graph_stays_close_to_float(name):
    graph = GRAPHS[name]
    xs = frames(graph, 64)
    expected, actual = Stepper(graph).run(xs)[0], Stepper(quantize(graph)).run(xs)[0]
    if name == "Activation log":
        expected, actual = np.exp(expected), np.exp(actual)
    assert np.sqrt(np.mean((actual - expected) ** 2)) < 0.05 * max(1.0, float(np.abs(expected).max()))


def test_only_the_matrices_of_affines_are_quantized():
    layers = (
        Layer("table", Embedding(t(9, 6))),
        Layer("gru", Gru(t(12, 6), t(12, 4), t(12), t(12))),
        Layer("kept", Dense(t(4, 4), t(4))),
        Layer("out", Dense(t(3, 4), t(3))),
    )
    graph = quantize(Graph(layers, 1), keep=("kept",))
    assert {name for name, tensor in graph.tensors.items() if tensor.scheme} == {"gru.w", "gru.u", "out.w"}
    assert graph.precision == "dynamic_wi8_afp32"
    assert quantize(graph, keep=("kept",)).layers == graph.layers


def test_a_graph_in_another_scheme_is_not_quantized_again():
    half = quantize(keyword_spotter(), "fp16")
    with pytest.raises(UsageError, match="no layer is left to quantize as dynamic_wi8_afp32: the graph is in fp16"):
        quantize(half)
    assert quantize(half, "fp16").layers == half.layers
    mixed = quantize(quantize(keyword_spotter(), "fp16", keep=("out",)))
    assert mixed.precision == "dynamic_wi8_afp32+fp16"


def test_weights_beyond_a_half_are_refused_by_layer():
    graph = Graph((Layer("d", Dense(Tensor(np.full((2, 3), 1e30, np.float32)))),), 3)
    with pytest.raises(GraphError, match=r"layer 'd': a weight of 1e\+30 arrived, and float16 ends at 65504"):
        quantize(graph, "fp16")


def test_a_feature_cell_is_left_alone():
    class Feature(Dense):
        exact = True

    cell = Standardize(t(6), Tensor(np.ones(6, np.float32)))
    assert quantize(Graph((Layer("s", cell), Layer("d", Dense(t(2, 6)))), 6)).layers[0].cell == cell
    exact = Graph((Layer("f", Feature(t(3, 6))), Layer("d", Dense(t(2, 3)))), 6)
    assert not quantize(exact).layers[0].cell.w.scheme


def test_weights_take_a_quarter():
    graph = keyword_spotter(64, 40, 12)
    assert count(graph).weight_bytes / count(quantize(graph)).weight_bytes > 3.5
    assert count(graph).parameters == count(quantize(graph)).parameters


def test_a_row_of_zeros_has_no_scale():
    weight = np.zeros((2, 3), np.float32)
    weight[1] = [1.2, -2, 0.5]
    tensor = quantize(Graph((Layer("d", Dense(Tensor(weight))),), 3)).layers[0].cell.w
    np.testing.assert_array_equal(tensor.stored, [[0, 0, 0], [76, -127, 32]])
    np.testing.assert_allclose(tensor.dense(), weight, atol=2 / 254)


def test_invalid_arguments_are_refused():
    with pytest.raises(
        UsageError,
        match="there is no scheme 'int3'; there are fp16, weight_only_wi8_afp32, weight_only_wi4_afp32, dynamic_wi8_afp32",
    ):
        quantize(keyword_spotter(), "int3")
    with pytest.raises(UsageError, match="no scheme 'weight_only_wi4'; did you mean 'weight_only_wi4_afp32'"):
        quantize(keyword_spotter(), "weight_only_wi4")
    with pytest.raises(UsageError, match=r"there is no layer 'grru' to keep; did you mean 'gru'\? there are gru, out"):
        quantize(keyword_spotter(), keep=("grru",))
    numbers = np.ones((2, 3), np.int8)
    for stored, scale, scheme in ((numbers, [1.0, 1.0], ""), (numbers, [1.0], DYNAMIC), (np.ones((2, 3)), [1.0, 1.0], DYNAMIC), (numbers, [1.0, -1.0], DYNAMIC), (numbers, [1.0, 1.0], "int3")):  # fmt: skip
        with pytest.raises(GraphError):
            Tensor(stored, scale, scheme)


@settings(max_examples=30, deadline=None)
@given(
    weight=hnp.arrays(
        np.float32, st.tuples(st.integers(1, 20), st.integers(1, 20)), elements=st.floats(-100, 100, width=32)
    )
)
def test_a_matrix_is_rounded_to_half_a_step_of_its_row(weight):
    tensor = rounded(Graph((Layer("d", Dense(Tensor(weight))),), weight.shape[1]), DYNAMIC).layers[0].cell.w
    assert (np.abs(tensor.dense() - weight) <= tensor.scale[:, None] * 0.5001 + 1e-37).all()
