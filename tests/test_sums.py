"""Words of float rewritten for ONNX: the same numbers out of fewer nodes."""

from collections import Counter

import numpy as np
import onnx
import pytest

from edgernn.cells import Gru
from edgernn.interpreters.numpy import Stepper
from edgernn.model.graph import Graph
from edgernn.model.layer import Layer
from edgernn.model.tensor import DYNAMIC, FOUR_BITS
from edgernn.passes.quantize import quantize
from edgernn_export import translate
from edgernn_export.targets.naming import named_trace
from edgernn_export.targets.onnx.sums import late, summed
from zoo import GRAPHS, frames, keyword_spotter, t

KWS = keyword_spotter()
NO_BIAS = Graph((Layer("gru", Gru(t(12, 6), t(12, 4))),), 6)
ONE_BIAS = {
    "of what is read": Graph((Layer("gru", Gru(t(12, 6), t(12, 4), t(12))),), 6),
    "of what is carried": Graph((Layer("gru", Gru(t(12, 6), t(12, 4), None, t(12))),), 6),
}
EVERY = {**GRAPHS, "kws": KWS, "no bias": NO_BIAS, **ONE_BIAS}


@pytest.mark.parametrize("scheme", ["", "fp16", FOUR_BITS, DYNAMIC])
@pytest.mark.parametrize("name", EVERY)
def test_rewritten_words_compute_the_same(name, scheme):
    """Only two biases may have been added in float32 before and not after."""
    graph = quantize(EVERY[name], scheme) if scheme else EVERY[name]
    xs, plain, fewer = frames(graph, 8), Stepper(graph.astype("float32"), "float64"), Stepper(graph, "float64")
    fewer.trace = summed(named_trace(graph).trace)
    (expected, states), (actual, others) = plain.run(xs), fewer.run(xs)
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)
    for state, array in states.items():
        np.testing.assert_allclose(others[state], array, rtol=1e-5, atol=1e-6)


WAIT = [("kws", 2), ("of what is read", 2), ("of what is carried", 3), ("no bias", 3)]
"""The GRU -> how many of its gates are one sum: the new gate too, where its product with x has no bias."""


@pytest.mark.parametrize(("name", "gates"), WAIT)
def test_the_parts_of_a_gru_wait_for_their_sums(name, gates):
    steps = summed(named_trace(EVERY[name]).trace)
    sums = [op for op in steps.operations if op.name == "add" and {ref.name for ref in op.inputs} & late(steps)]
    assert len(sums) == len(late(steps)) == gates
    assert not [op for op in steps.operations if op.name == "split"]


def test_a_gru_is_seven_products_and_no_split():
    """Each gate has a product with x and one with h, which adds the first to itself; the last layer has one."""
    kinds = Counter(
        node.op_type for node in onnx.load_from_string(translate.render(KWS, "m.onnx")["m.onnx"]).graph.node
    )
    assert (kinds["Gemm"], kinds["Split"], kinds["Add"]) == (7, 0, 2)


def test_what_is_quantized_at_every_step_stays_whole():
    """To cut it would round its input as often as there are parts."""
    operations = named_trace(quantize(KWS)).trace
    assert summed(operations) == operations
    assert not late(operations)
