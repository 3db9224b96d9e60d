"""Static precisions in a file, whatever its format: what a runtime makes of the whole is the integer definition."""

from functools import cache

import numpy as np
import pytest
import test_static
from test_float_io import HALF
from test_precisions import altered, rows, scaled
from test_static import STATICS, every_scheme

import edgernn
from edgernn.cells import Conv1d, Standardize
from edgernn.errors import ParityError
from edgernn.interpreters.integer import IntegerStepper
from edgernn.model.graph import Graph
from edgernn.model.layer import Layer
from edgernn.model.tensor import STATIC, Tensor
from edgernn.runtime.float_io import integers, numbers
from edgernn.runtime.parts import flat_answer
from edgernn_export import export
from edgernn_export.proof.floats import prove
from edgernn_export.proof.integers import frames_in_range
from zoo import GRAPHS, apart, frames, keyword_spotter, t

KWS = keyword_spotter()
FLOAT_STATE = Graph(
    (Layer("features", Standardize(t(6), Tensor(np.full(6, 2.0, np.float32)))), Layer("conv", Conv1d(2, t(4, 12)))), 6
)
EVERY = (
    {name: GRAPHS[name] for name in STATICS} | HALF | {"kws": KWS, "a state that a float operation makes": FLOAT_STATE}
)

every_file = pytest.mark.parametrize("suffix", [".onnx", ".tflite"])


@cache
def quantized(name, scheme):
    return test_static.quantized(EVERY[name], scheme)


def exported(graph, path):
    export(graph, path)
    return edgernn.open(path)


@every_file
@pytest.mark.parametrize("name", EVERY)
@every_scheme
def test_a_step_is_the_definition_within_its_slack(name, scheme, suffix, tmp_path):
    """What `export` proves before it keeps a file; and then a stream that runs freely does not drift."""
    graph = quantized(name, scheme)
    program = exported(graph, tmp_path / f"m{suffix}")
    assert program.manifest.precision == scheme
    xs = frames_in_range(graph, 24)
    expected, states = IntegerStepper(graph).run(xs)
    stream = program.stream()
    actual = flat_answer(stream.run(xs))
    size = max(1.0, float(np.abs(expected).max()))
    assert apart(name, actual, expected) < {8: 0.01, 16: 0.0005}[STATIC[scheme]] * size
    assert {state: array.dtype for state, array in stream.state.items()} == dict.fromkeys(states, np.float32)


@every_file
def test_integers_stand_at_the_door(suffix, tmp_path):
    """A raw stream takes, carries and gives the file's own integers; the usual one says the same in float."""
    program = exported(quantized("Lstm", "static_wi8_ai8"), tmp_path / f"m{suffix}")
    raw, usual, manifest = program.stream(raw=True), program.stream(), program.manifest
    for x in frames(GRAPHS["Lstm"], 8):
        q, y = raw.step(integers(manifest, "x", x)), usual.step(x)
        assert q.dtype == np.int8
        np.testing.assert_array_equal(numbers(manifest, "y", q), y)
    assert {state: array.dtype.name for state, array in raw.state.items()} == {"layer.h": "int8", "layer.c": "int16"}


_H = 16
_UPDATE_FIRST = np.r_[_H : 2 * _H, :_H, 2 * _H : 3 * _H]
MUTANTS = {
    "gates of u swapped": lambda graph: altered(graph, gru=lambda c: {"u": rows(c.u, _UPDATE_FIRST)}),
    "a scale of another row": lambda graph: altered(
        graph, out=lambda c: {"w": Tensor(c.w.stored, np.roll(c.w.scale, 1), c.w.scheme)}
    ),
    "a scale off by an eighth": lambda graph: altered(
        graph, out=lambda c: {"w": scaled(c.w, np.abs(c.w.dense()).sum(1).argmax(), 9 / 8)}
    ),
    "a bias of the gates forgotten": lambda graph: altered(graph, gru=lambda c: {"b": None}),
    "the biases of the gates exchanged": lambda graph: altered(graph, gru=lambda c: {"b": c.c, "c": c.b}),
}


@every_file
@every_scheme
@pytest.mark.parametrize("name", MUTANTS)
def test_the_proof_catches_a_mutant(name, scheme, suffix, tmp_path):
    graph = quantized("kws", scheme)
    program = exported(graph, tmp_path / f"m{suffix}")
    with pytest.raises(ParityError, match=r"differs from numpy at step \d+ in '(y|gru\.h)' by .*; expected at most"):
        prove(MUTANTS[name](graph), program)
