"""Mixed precision: the loss of each layer alone, and the smallest model that is still good enough."""

from itertools import chain, combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from edgernn.cells import Dense, Standardize
from edgernn.errors import UsageError
from edgernn.interpreters.count import count
from edgernn.interpreters.numpy import Stepper
from edgernn.model.graph import Graph
from edgernn.model.layer import Layer
from edgernn.model.tensor import FOUR_BITS, Tensor
from edgernn.passes.quantize import quantize
from edgernn.passes.sensitivity import choose, sensitivity
from edgernn_export.targets.naming import WEIGHTS
from zoo import frames, keyword_spotter, t

WIDTHS = (6, 20, 9, 20, 3)
CHAIN = Graph(tuple(Layer(f"d{i}", Dense(t(b, a))) for i, (a, b) in enumerate(pairwise(WIDTHS))), 6)
LAYERS = tuple(layer.name for layer in CHAIN.layers)
KWS = keyword_spotter()


def subsets(names):
    return chain.from_iterable(combinations(names, size) for size in range(len(names) + 1))


def in_float(graph):
    return tuple(layer.name for layer in graph.layers if not layer.cell.w.scheme)


def size(graph, scheme, keep):
    return count(quantize(graph, scheme, keep=keep)).weight_bytes


def fidelity(graph):
    """Minus the mean squared error of the answers to some frames, against those of the float model."""
    xs = frames(KWS, 32)
    return -float(np.mean(np.square(Stepper(graph).run(xs)[0] - Stepper(KWS).run(xs)[0])))


@settings(max_examples=60, deadline=None)
@given(
    scores=st.lists(st.integers(0, 9), min_size=16, max_size=16),
    scheme=st.sampled_from([*WEIGHTS]),
    bound=st.integers(0, 9),
)
def test_no_smaller_model_is_good_enough(scores, scheme, bound):
    """Against every model there is, whatever each may score: layers that help each other or stand in their way."""
    known = dict(zip(subsets(LAYERS), scores, strict=True)) | {LAYERS: 9}
    choice = choose(CHAIN, scheme, lambda graph: known[in_float(graph)], bound)
    enough = [keep for keep, score in known.items() if score >= bound]
    assert size(CHAIN, scheme, choice.keep) == min(size(CHAIN, scheme, keep) for keep in enough)
    assert known[choice.keep] >= bound
    first, *others = choice.trials
    assert (first.keep, first.weight_bytes, first.score) == (LAYERS, count(CHAIN).weight_bytes, 9)
    assert all(trial.weight_bytes == size(CHAIN, scheme, trial.keep) for trial in others)
    assert all(trial.score == known[trial.keep] < bound for trial in others if trial.keep != choice.keep)
    sizes = [trial.weight_bytes for trial in others]
    assert sizes == sorted(sizes)
    assert len({trial.keep for trial in choice.trials}) == len(choice.trials)


def test_the_same_arguments_give_the_same_choice():
    """`d1` and `d2` take as many bytes; the one that stands first is kept."""
    even = Graph((Layer("d1", Dense(t(8, 8))), Layer("d2", Dense(t(8, 8)))), 8)
    choices = [choose(even, FOUR_BITS, lambda graph: len(in_float(graph)), 1) for _ in range(3)]
    assert choices[0] == choices[1] == choices[2]
    assert choices[0].keep == ("d1",)


def test_a_loss_is_that_of_one_layer_alone():
    rows = sensitivity(KWS, FOUR_BITS, fidelity)
    assert [row.layer for row in rows] == ["gru", "out"]
    for row, other in zip(rows, ("out", "gru"), strict=True):
        alone = quantize(KWS, FOUR_BITS, keep=(other,))
        assert {name.split(".")[0] for name, tensor in alone.tensors.items() if tensor.scheme} == {row.layer}
        assert row.score == fidelity(alone) == -row.loss
        assert row.loss > 0
        assert row.saved_bytes == count(KWS).weight_bytes - count(alone).weight_bytes > 0


@pytest.mark.parametrize("scheme", WEIGHTS)
def test_a_real_score_is_kept(scheme):
    everything = fidelity(quantize(KWS, scheme))
    assert choose(KWS, scheme, fidelity, everything).keep == ()
    (alone,) = (row.score for row in sensitivity(KWS, scheme, fidelity) if row.layer == "out")
    choice = choose(KWS, scheme, fidelity, max(alone, everything * (1 - 1e-9)))
    assert fidelity(quantize(KWS, scheme, keep=choice.keep)) >= alone
    assert choose(KWS, scheme, fidelity, 0.0).keep == ("gru", "out")  # only float answers as float does


def test_a_layer_that_becomes_no_smaller_is_kept():
    """Eight rows of one input: a byte and a scale take more than the four bytes of a float."""
    narrow = Graph((Layer("narrow", Dense(t(8, 1))), Layer("wide", Dense(t(4, 8)))), 1)
    losses = {row.layer: row.saved_bytes for row in sensitivity(narrow, FOUR_BITS, lambda _: 0.0)}
    assert losses == {"narrow": -8, "wide": 4 * 32 - 4 * (4 + 4)}
    assert choose(narrow, FOUR_BITS, lambda _: 0.0, 0.0).keep == ("narrow",)


def test_layers_without_matrices_are_no_choice():
    ones = Tensor(np.ones(6, np.float32))
    graph = Graph((Layer("standard", Standardize(t(6), ones)), *CHAIN.layers), 6)
    assert [row.layer for row in sensitivity(graph, FOUR_BITS, lambda _: 1.0)] == list(LAYERS)
    half = quantize(CHAIN, "fp16", keep=("d1", "d3"))
    assert [row.layer for row in sensitivity(half, FOUR_BITS, lambda _: 1.0)] == ["d1", "d3"]


@pytest.mark.parametrize(
    ("graph", "scheme", "score", "options", "words"),
    [
        (KWS, FOUR_BITS, 0.9, {"bound": 0.95}, "the model scores 0.9 before anything is quantized, and the bound is 0.95"),
        (KWS, FOUR_BITS, 0.9, {"bound": float("nan")}, "bound=nan and tries=256 arrived; expected a number"),
        (KWS, FOUR_BITS, 0.9, {"bound": 0.5, "tries": 0}, "bound=0.5 and tries=0 arrived"),
        (KWS, FOUR_BITS, float("nan"), {"bound": 0.5}, "the score of a model in fp32 is nan; expected a number"),
        (KWS, "int4", 0.9, {"bound": 0.5}, "there is no scheme 'int4'"),
        (quantize(KWS, FOUR_BITS), FOUR_BITS, 0.9, {"bound": 0.5}, "no layer is left to quantize as weight_only_wi4_afp32"),
        (quantize(KWS, "fp16"), FOUR_BITS, 0.9, {"bound": 0.5}, "the graph is in fp16 already"),
    ],
)  # fmt: skip
def test_an_impossible_choice_is_reported(graph, scheme, score, options, words):
    with pytest.raises(UsageError, match=words):
        choose(graph, scheme, lambda _: score, **options)


def test_too_few_tries_are_reported():
    scores = {(): 1, ("d3",): 3}
    with pytest.raises(UsageError, match=r"none of the 3 smallest models scores 8; the best keeps d3 and scores 3"):
        choose(
            CHAIN,
            FOUR_BITS,
            lambda graph: 9 if in_float(graph) == LAYERS else scores.get(in_float(graph), 2),
            8,
            tries=3,
        )
