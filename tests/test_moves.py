"""The moves of a gather: loops over copies give the elements of its index; the oracle is the index itself."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import edgernn
from edgernn.cells import Gather
from edgernn_export import export
from edgernn_export.targets.c.moves import moves, runs
from zoo import one

SIDE = st.integers(1, 4)


def moved(copies, size):
    """The elements that the moves copy, as the loops run; -1 where none arrives."""
    elements = np.full(size, -1)
    for move in copies:
        places = [(move.to, move.source)]
        for loop in move.loops:
            places = [(a + k * loop.to, b + k * loop.source) for a, b in places for k in range(loop.turns)]
        for to, source in places:
            assert (elements[to : to + move.elements] == -1).all()
            elements[to : to + move.elements] = np.arange(source, source + move.elements)
    return elements


def elements_of(index, width):
    return np.concatenate([np.full(width, -1) if row < 0 else width * row + np.arange(width) for row in index])


def window_index(positions, channels, frames, taps, stride, dilation, padding):
    """The index of a convolution's windows, position by position."""
    size = (positions - 1) * stride + (taps - 1) * dilation + 1 - 2 * padding
    places = np.arange(positions)[:, None] * stride + np.arange(taps) * dilation - padding
    inside = (places >= 0) & (places < size)
    rows = (np.arange(frames) * channels + np.arange(channels)[:, None]) * size
    index = rows[None, :, :, None] + np.where(inside, places, 0)[:, None, None, :]
    return np.where(inside[:, None, None, :], index, -1).ravel().tolist()


@settings(max_examples=300, deadline=None)
@given(st.integers(3, 9), SIDE, SIDE, SIDE, st.integers(1, 3), st.integers(1, 2), st.integers(0, 1))
def test_windows_are_moved_by_a_loop_for_each_kind_of_position(
    positions, channels, frames, taps, stride, dilation, padding
):
    index = window_index(positions, channels, frames, taps, stride, dilation, padding)
    rows = runs(index, 1)
    found = moves(rows)
    if found is None:
        assert len(rows) <= 8 * (2 * padding + 1) * taps
        return
    np.testing.assert_array_equal(moved(found, len(index)), index)
    assert len(found) <= (2 * padding + 1) * max(1, taps)


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.lists(st.integers(-1, 20), min_size=1, max_size=60),
        st.tuples(SIDE, SIDE, SIDE).map(lambda n: np.arange(np.prod(n)).reshape(n).transpose(2, 0, 1).ravel().tolist()),
    ),
    st.integers(1, 3),
)
def test_any_index_is_moved_or_stays_a_table(index, width):
    rows = runs(index, width)
    found = moves(rows)
    if found is None:
        assert len([first for first, _ in rows if first >= 0]) > 1  # one run is one copy
    else:
        np.testing.assert_array_equal(moved(found, width * len(index)), elements_of(index, width))


@pytest.mark.parametrize(
    ("index", "loops"),
    [
        (np.random.default_rng(1).permutation(64).tolist(), False),
        ([*np.random.default_rng(1).permutation(63).tolist(), -1], False),
        (np.arange(64).reshape(8, 8).T.ravel().tolist(), True),
        (np.where(np.arange(64) % 3, np.arange(64), -1).tolist(), True),
    ],
)
def test_loops_and_tables_give_what_numpy_gives(index, loops, tmp_path):
    graph = one(Gather(64, tuple(index)), 64)
    xs = np.random.default_rng(0).standard_normal((5, 64)).astype(np.float32)
    for name in ("m.c", "m.so"):
        export(graph, tmp_path / name)
    assert ("gather_f32(" in (tmp_path / "m.c").read_text().split("_compute(")[1]) is not loops
    expected = np.where(np.array(index) < 0, 0, xs[:, index])
    np.testing.assert_array_equal(edgernn.open(tmp_path / "m.so").stream().run(xs), expected)
