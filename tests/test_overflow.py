"""The limit of a model: magnitudes that no frame within it exceeds, and a contract that states it."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as hnp

from edgernn.artifact.manifest import graph_manifest, window_manifest
from edgernn.cells import Dense, Gru, Product, Slice
from edgernn.integer import overflow
from edgernn.integer.overflow import FINITE, LEAST, MOST, limit
from edgernn.interpreters.numpy import Stepper
from edgernn.model.graph import Graph
from edgernn.model.layer import Layer
from edgernn.model.tensor import Tensor
from edgernn.model.window import Stage, Window
from edgernn.passes.calibrate import calibrate
from edgernn.passes.quantize import quantize
from zoo import GRAPHS, frames, keyword_spotter, one, t

NUMBERS = sorted(name for name, graph in GRAPHS.items() if not graph.vocabulary_size)


@pytest.mark.parametrize("name", NUMBERS)
def test_no_value_of_a_step_exceeds_what_the_limit_promises(name):
    """In float64, which does not overflow, with frames and states of random signs at the limit."""
    graph = GRAPHS[name]
    most = limit(graph)
    if most == FINITE:
        assert "affine" not in {op.name for layer in graph.layer_traces.values() for op in layer.operations}
        return
    random, stepper = np.random.default_rng(0), Stepper(graph)
    states = {name: most * random.choice([-1.0, 1.0], (8, width)) for name, width in graph.states.items()}
    with np.errstate(divide="ignore", invalid="ignore"):
        values = stepper.values(most * random.choice([-1.0, 1.0], (8, graph.inputs)), states)
    assert max(np.nan_to_num(np.abs(value), posinf=0).max() for value in values.values()) <= MOST


@settings(max_examples=50, deadline=None)
@given(
    weight=hnp.arrays(
        np.float32,
        st.tuples(st.integers(1, 6), st.integers(1, 6)),
        elements=st.floats(-1000, 1000, width=32, allow_subnormal=False),
    ),
    bias=st.floats(-1e6, 1e6, width=32),
)
def test_the_limit_of_an_affine_is_the_largest_power_of_two_that_its_rows_bear(weight, bias):
    graph = one(Dense(Tensor(weight), Tensor(np.full(len(weight), bias, np.float32))), weight.shape[1])
    rows = np.abs(weight.astype(float)).sum(axis=1)
    most = limit(graph)
    assert (rows * most + abs(bias) <= MOST).all() or most == LEAST
    assert most == FINITE or (rows * 2 * most + abs(bias) > MOST).any()


def test_a_square_halves_the_digits_of_the_limit():
    squared = Graph((Layer("d", Dense(t(3, 3))), Layer("p", Product(), ("d", "d"))), 3)
    assert limit(one(Dense(t(3, 3)), 3)) > limit(squared) ** 1.9


def test_what_only_moves_numbers_has_no_limit_but_that_of_float32():
    assert limit(one(Slice(6, 2, 5))) == FINITE == np.finfo(np.float32).max


def test_a_long_chain_is_not_given_a_limit_that_real_frames_exceed():
    chain = Graph(tuple(Layer(f"d{i}", Dense(t(64, 64), None, "relu")) for i in range(40)), 64)
    assert limit(chain) == LEAST
    assert np.isfinite(Stepper(chain, "float32").run(np.full((1, 64), LEAST, np.float32))[0]).all()


def test_integers_that_saturate_have_no_limit():
    graph = quantize(calibrate(keyword_spotter(), [frames(keyword_spotter(), 64)]), "static_wi8_ai8")
    assert limit(graph) == FINITE


@pytest.mark.parametrize("merge", ["concat", "mean"])
def test_a_window_has_the_limit_of_what_reads_it(merge):
    squares = Graph((Layer("d", Dense(t(3, 6))), Layer("p", Product(), ("d", "d"))), 6)
    window = Window((Stage(squares, squares, merge), Stage(one(Dense(t(2, 6 if merge == "concat" else 3)), 6 if merge == "concat" else 3))))  # fmt: skip
    assert LEAST < limit(window) <= limit(squares)
    assert window_manifest(window).limit == limit(window)


def test_a_contract_states_the_limit():
    graph = keyword_spotter()
    assert graph_manifest(graph).limit == limit(graph)


def test_weights_bring_the_limit_down_with_them():
    w, u = t(12, 6), t(12, 4)
    larger = one(Gru(Tensor(w.stored * np.float32(2**10)), u))
    assert limit(larger) == pytest.approx(limit(one(Gru(w, u))) / 2**10, rel=1)


def test_every_operation_has_a_magnitude():
    from edgernn.model.ops import OPERATIONS

    assert set(OPERATIONS) <= set(dir(overflow.IntervalOps))
