"""Loops in C: what a sweep or the frames of a step repeat is written once, and answers as the definition does."""

import re

import numpy as np
import pytest
from hypothesis import given, strategies as st

import edgernn
from edgernn.cells import Concat, Gru, Lstm
from edgernn.interpreters.integer import IntegerStepper
from edgernn.interpreters.numpy import NumpyOps, Stepper
from edgernn.model.graph import Graph
from edgernn.model.layer import Layer
from edgernn.model.tensor import DYNAMIC, STATIC
from edgernn.passes.calibrate import calibrate
from edgernn.passes.quantize import quantize
from edgernn_export import export
from edgernn_export.targets.c.rolling import SAVED, TURNS, rolled, unrolled
from edgernn_export.targets.c.target import generate
from ways import COMPILERS, SANITIZED, Way, included, needs
from zoo import GRAPHS, frames, t

SCHEMES = ("fp32", DYNAMIC, *STATIC)
PLAIN = [name for name, graph in GRAPHS.items() if not any(each.repeats for each in graph.layer_traces.values())]


def gru():
    return Gru(t(15, 3), t(15, 5), t(15), t(15))


def lstm():
    return Lstm(t(20, 3), t(20, 5), t(20))


def both(parts):
    layers = (
        Layer("up", gru(), ("x",), positions=parts, sweep="forward"),
        Layer("down", gru(), ("x",), positions=parts, sweep="backward"),
        Layer("both", Concat(), ("up", "down")),
    )
    return Graph(layers, 3 * parts)


def swept(parts):
    return Graph((Layer("sweep", lstm(), positions=parts, sweep="backward"),), 3 * parts)


def of_frames(parts, cell=gru, **options):
    width = 3 * parts * options.get("positions", 1)
    return Graph((Layer("rnn", cell(), frames=parts, **options),), width, frames_per_step=parts)


KINDS = {
    "both ways": both,
    "Lstm sweep": swept,
    "sweep of two frames": lambda n: Graph(
        (Layer("sweep", gru(), positions=n, frames=2, sweep="forward"),), 6 * n, frames_per_step=2
    ),
    "frames": of_frames,
    "Lstm of frames": lambda n: of_frames(n, lstm),
    "bands of frames, later": lambda n: of_frames(n, positions=3, begins=1),
}
"""What repeats -> the graph of so many turns."""


def quantized(graph, scheme):
    if scheme == "fp32":
        return graph
    if scheme in STATIC:
        data = frames(graph, 40).reshape(-1, graph.inputs // graph.frames_per_step)
        graph = calibrate(graph, [data], growing="accept")
    return quantize(graph, scheme)


def step_of(text):
    """The text up to the functions around the step, whose self test has frames."""
    return text.partition("size_t model_size")[0]


def rendered(graph):
    return step_of(generate(graph, "model").source)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("kind", KINDS)
def test_loops_compute_what_the_definition_does(kind, scheme, tmp_path):
    graph = quantized(KINDS[kind](8), scheme)
    xs = frames(graph, 20)
    assert "turn < " in rendered(graph)
    export(graph, tmp_path / "model.so")
    actual = edgernn.open(tmp_path / "model.so").stream().run(xs.reshape(20 * graph.frames_per_step, -1))
    if scheme in STATIC:
        np.testing.assert_array_equal(actual.reshape(20, -1), IntegerStepper(graph).run(xs)[0])
    else:
        expected = Stepper(graph, NumpyOps(np.float32)).run(xs)[0]
        np.testing.assert_allclose(actual.reshape(20, -1), expected, rtol=0, atol=2e-5)


@needs("gcc")
def test_loops_compile_without_a_warning_and_stay_inside_their_arrays(tmp_path):
    """Every kind in two schemes, in one program: most of a compiler's work is the same for all of them."""
    cases = [(kind, scheme) for kind in KINDS for scheme in (DYNAMIC, "static_wi8_ai8")]
    for i, (kind, scheme) in enumerate(cases):
        code = generate(quantized(KINDS[kind](8), scheme), f"m{i}")
        (tmp_path / f"m{i}.c").write_text(code.source)
        (tmp_path / f"m{i}.h").write_text(code.header)
    parts = [included(i, (tmp_path / f"m{i}.c").read_text()) for i in range(len(cases))]
    tests = ", ".join(f"m{i}_self_test()" for i in range(len(cases)))
    main = f"int main(void) {{\n    const int failed[] = {{{tests}}};\n    for (int i = 0; i < {len(cases)}; ++i)\n"
    (tmp_path / "main.c").write_text(
        "\n".join([*parts, main + "        if (failed[i]) return i + 1;\n    return 0;\n}\n"])
    )
    for way in (Way(COMPILERS["gcc"], optimize="-O1"), Way(SANITIZED, optimize="-O0")):
        done = way.run(way.build(tmp_path, "main.c"))
        assert done.returncode == 0, (cases[done.returncode - 1 : done.returncode], done.stderr[:2000])


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("kind", KINDS)
def test_the_text_and_the_calls_do_not_grow_with_the_turns(kind, scheme):
    few, many = (generate(quantized(KINDS[kind](parts), scheme), "model") for parts in (8, 24))
    assert len(step_of(many.source)) < 2 * len(step_of(few.source))
    assert sum(many.sizes.calls.values()) < 2 * sum(few.sizes.calls.values())


def test_a_matrix_that_all_turns_share_is_stored_once():
    graph = both(64)
    arrays = re.findall(r"static const float (\w+)\[", rendered(graph))
    assert sorted(arrays) == sorted(name.replace(".", "_") for name in graph.tensors)


@pytest.mark.parametrize("name", PLAIN)
def test_a_step_without_repeats_has_no_loop_over_turns(name):
    assert "turn" not in rendered(GRAPHS[name]).replace("return", "").partition("model_compute")[2]


ITEMS = st.lists(st.tuples(st.sampled_from("abc"), st.tuples(st.integers(0, 4), st.integers(0, 40))), max_size=6)
DISTANCES = st.tuples(st.integers(-3, 3), st.integers(-3, 3))


@st.composite
def sequences(draw):
    """Items, some of which recur at equal distances."""
    items = []
    for _ in range(draw(st.integers(1, 4))):
        body, turns = draw(ITEMS), draw(st.integers(1, 7))
        steps = [draw(DISTANCES) for _ in body]
        for turn in range(turns):
            items += [(kind, (a + turn * s, b + turn * d)) for (kind, (a, b)), (s, d) in zip(body, steps, strict=True)]
    return items


@given(sequences(), st.integers(1, 12))
def test_unrolling_gives_the_sequence_back(items, saved):
    pieces = rolled(items, saved)
    assert unrolled(pieces) == items
    for piece in pieces:
        assert piece.turns == 1 or (piece.turns >= TURNS and (piece.turns - 1) * len(piece.items) >= saved)


@given(ITEMS.filter(bool), st.integers(2, 6))
def test_a_body_that_recurs_becomes_one_loop(body, turns):
    turns += -(-SAVED // len(body))
    items = [(kind, (a + 5 * turn, b)) for turn in range(turns) for kind, (a, b) in body]
    first = rolled(items)[0]
    assert len(first.items) <= len(body)
    assert first.stop > len(items) - len(body)
