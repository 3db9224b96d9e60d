"""Scales and biases beside integers: numbers of 11 bits, which a file keeps in two bytes and gives back exactly."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import arrays
from hypothesis.strategies import floats, integers
from safetensors.numpy import load

from edgernn.artifact.rnn import dumps, loads
from edgernn.cells import Gru
from edgernn.model import float16
from edgernn.model.tensor import DYNAMIC, INTEGERS, SCHEMES, STATIC
from edgernn.passes.quantize import quantize
from zoo import one, t

ANY = arrays(np.float32, integers(1, 20), elements=floats(-(2.0**20), 2.0**20, width=32))
GRAPH = one(Gru(t(192, 6), t(192, 64), t(192), t(192)))
POSITIVE = arrays(np.float32, integers(1, 20), elements=floats(0, 2.0**20, width=32))


@given(ANY)
def test_the_nearest_is_close_and_held_or_nothing_is_changed(x):
    near = float16.nearest(x)
    assert near.dtype == x.dtype
    if near is not x:
        assert float16.held(near)
        assert (np.abs(near.astype(np.float64) - x) <= np.abs(x).max(initial=0) * 2.0**-11).all()


@given(POSITIVE)
def test_what_is_above_is_not_below(x):
    up = float16.above(x)
    assert (up >= x).all()
    assert (up <= x * (1 + 2.0**-10)).all()
    assert up is x or float16.held(up)


@pytest.mark.parametrize("x", [[1e-6, 1.0], [1.0, 7e4], [65503.9, 1.0]])
def test_what_half_precision_has_fewer_bits_for_stays(x):
    x = np.array(x, np.float32)
    assert float16.above(x) is x or float16.held(float16.above(x))
    assert (float16.above(x) >= x).all()
    assert np.isfinite(float16.above(x)).all()


def test_numbers_beyond_half_precision_are_not_held():
    assert not float16.held(np.array([1e6], np.float32))
    assert not float16.held(np.array([1 / 3], np.float32))
    assert float16.held(np.zeros(3, np.float32))


@pytest.mark.parametrize("scheme", [each for each in SCHEMES if SCHEMES[each] in INTEGERS and each not in STATIC])
def test_a_file_keeps_them_in_two_bytes_and_gives_them_back(scheme):
    smaller = quantize(GRAPH, scheme)
    data = dumps(smaller)
    assert loads(data).tensors == smaller.tensors
    arrays = load(data)
    scales = [name for name in arrays if name.endswith(".scale") and arrays[name].size >= 64]
    assert scales
    assert all(arrays[name].dtype == np.float16 for name in scales)


def test_plain_floats_are_kept_as_they_are():
    data = dumps(one(Gru(t(192, 6), t(192, 64))))
    assert {array.dtype.name for array in load(data).values()} == {"float32"}


def test_a_bias_beside_integers_has_11_bits_and_beside_floats_all():
    biases = [name for name, tensor in GRAPH.tensors.items() if tensor.stored.ndim == 1]
    assert biases
    smaller = quantize(GRAPH, DYNAMIC)
    for name in biases:
        assert not float16.held(GRAPH.tensors[name].stored)
        assert float16.held(smaller.tensors[name].stored)
        np.testing.assert_allclose(
            smaller.tensors[name].stored, GRAPH.tensors[name].stored, rtol=2.0**-11, atol=2.0**-25
        )
    assert quantize(GRAPH, "fp16").tensors[biases[0]] == GRAPH.tensors[biases[0]]
