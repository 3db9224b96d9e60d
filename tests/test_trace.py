"""The trace has each operation once, and none without effect."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from hypothesis import given, settings, strategies as st

from edgernn.cells import Activation, Dense
from edgernn.interpreters.count import count
from edgernn.interpreters.numpy import NumpyOps, Stepper
from edgernn.model.graph import Graph
from edgernn.model.layer import Layer
from edgernn.model.operation import Ref
from zoo import GRAPHS, frames, keyword_spotter, one, t


@dataclass(frozen=True)
class Formula:
    """A cell with this function as its step."""

    does: object
    states: ClassVar = {}
    exact, delays, GATES = False, False, ()

    def step(self, ops, x, state):
        return self.does(ops, x), state


def operations(does, inputs=6):
    return [op.name for op in Graph((Layer("l", Formula(does)),), inputs).trace.operations]


def test_equal_operations_merge():
    assert operations(lambda ops, x: ops.tanh(x) + ops.tanh(x)) == ["tanh", "add"]
    shared = Dense(t(4, 6))
    graph = Graph((Layer("a", shared), Layer("b", shared, ("x",)), Layer("c", Activation("relu"), ("b",))), 6)
    assert [op.name for op in graph.trace.operations] == ["affine", "relu"]


def test_parts_of_a_concatenation_are_taken_from_where_they_came():
    assert operations(lambda ops, x: ops.split(ops.concat(ops.tanh(x), ops.relu(x)), 2)[1]) == ["relu"]
    assert operations(lambda ops, x: ops.concat(*ops.split(x, 3))) == []
    assert "split" in operations(lambda ops, x: ops.split(ops.concat(ops.tanh(x), x), (4, 8))[0])


def test_operations_that_change_nothing_are_dropped():
    assert operations(lambda ops, x: ops.scale(ops.concat(x), 1.0, 0.0)) == []
    assert operations(lambda ops, x: ops.split(x, 1)[0]) == []


def test_what_nobody_reads_is_dropped():
    def does(ops, x):
        ops.sigmoid(x)
        return ops.relu(x)

    assert operations(does) == ["relu"]


def test_names_are_those_of_layer_and_place():
    steps = keyword_spotter().trace
    assert steps.y == Ref("out/0", 4)
    assert [(s.name, s.before.name, s.after.name) for s in steps.states] == [("gru.h", "gru.h.in", "gru/17")]
    assert str(steps.operations[-1]).startswith("out/0 = affine(Tensor(float32[4, 16]), gru/17, Tensor")


def test_a_value_is_last_used_where_its_buffer_can_go():
    steps = keyword_spotter().trace
    for i, op in enumerate(steps.operations):
        assert all(steps.last_use[ref.name] >= i for ref in op.inputs)
    assert steps.last_use["gru/17"] == len(steps.operations)
    assert steps.last_use["x"] == 0


UNARY = ("sigmoid", "tanh", "relu", "softmax")
PROGRAMS = st.lists(
    st.tuples(st.sampled_from([*UNARY, "add", "subtract", "multiply", "scale", "halves", "join", "part"]), st.integers(0, 99), st.integers(0, 99)),
    min_size=1,
    max_size=14,
)  # fmt: skip


def interpret(program, ops, x):
    """A random program over values of width 4, for any interpreter."""
    values = [x]
    for name, i, j in program:
        a, b = values[i % len(values)], values[j % len(values)]
        if name in UNARY:
            values.append(getattr(ops, name)(a))
        elif name in {"add", "subtract", "multiply"}:
            values.append({"add": a.__add__, "subtract": a.__sub__, "multiply": a.__mul__}[name](b))
        elif name == "scale":
            values.append(ops.scale(a, (i % 3) - 1.0, j % 2))
        elif name == "halves":
            values.append(ops.concat(*ops.split(a, 2)[::-1]))
        elif name == "join":
            values.extend(ops.split(ops.concat(a, b), 2))
        else:
            values.append(ops.split(ops.concat(a, b), (2, 4, 2))[1])
    return values[-1]


@settings(max_examples=200, deadline=None)
@given(program=PROGRAMS)
def test_any_program_replays_as_it_was_recorded(program):
    graph = Graph((Layer("l", Formula(lambda ops, x: interpret(program, ops, x))),), 4)
    x = frames(graph, 1)[0].astype(np.float64)
    assert len(graph.trace.operations) <= len(graph.layer_traces["l"].operations)
    np.testing.assert_allclose(Stepper(graph).step(x, {})[0], interpret(program, NumpyOps(), x), atol=1e-12)


def test_a_gru_costs_what_the_textbook_says():
    inputs, hidden, outputs = 10, 16, 4
    cost = count(keyword_spotter(hidden, inputs, outputs))
    weights = 3 * hidden * (inputs + hidden + 2) + outputs * (hidden + 1)
    assert cost.macs == 3 * hidden * (inputs + hidden) + outputs * hidden
    assert cost.parameters == weights
    assert cost.weight_bytes == 4 * weights
    assert cost.state_bytes == 4 * hidden
    assert cost.elements == 10 * hidden


def test_scratch_is_the_most_alive_at_once():
    # x -> tanh (6) -> relu (6, result): only the tanh is inside the step
    assert count(one(Formula(lambda ops, x: ops.relu(ops.tanh(x))))).scratch_bytes == 4 * 6
    # two live until they meet
    assert count(one(Formula(lambda ops, x: ops.relu(ops.tanh(x) + ops.sigmoid(x))))).scratch_bytes == 4 * 18


def test_equal_graphs_have_equal_traces():
    for graph in GRAPHS.values():
        assert graph.trace == Graph(graph.layers, graph.inputs, graph.initial_state).trace
