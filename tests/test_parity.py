"""Every cell in every target on every backend computes the same as the numpy interpreter."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import pytest

import edgernn
from edgernn.cells import Dense, Scale
from edgernn.device.runtimes import suffixes
from edgernn.errors import ParityError
from edgernn.interpreters.numpy import NumpyOps, Stepper, random_frames
from edgernn.model.cell import CELLS, cell
from edgernn.model.factored import Factored
from edgernn.model.graph import Graph
from edgernn.model.layer import Layer
from edgernn.model.layer_trace import COUNT
from edgernn.model.ops import OPERATIONS
from edgernn.model.tensor import Tensor
from edgernn.runtime.parts import flat_answer
from edgernn_export import export
from edgernn_export.proof.floats import prove
from edgernn_export.targets import TARGETS
from primed import check_prime
from zoo import GRAPHS, frames, keyword_spotter, t

STEPS = 64
FREE_RUNNING = 2e-5  # float32 against float64 after STEPS steps, values near 1
SUFFIXES = suffixes()


def written(graph: Graph, path, runtime: str | None = None) -> edgernn.Program:
    if path.suffix == ".rnn":
        edgernn.save(graph, path)
    else:
        export(graph, path, runtime=runtime)
    return edgernn.open(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", GRAPHS)
def test_target_replays_the_reference(name, suffix, tmp_path):
    graph = GRAPHS[name]
    program = written(graph, tmp_path / f"m{suffix}")
    xs = frames(graph, STEPS)
    expected, states = Stepper(graph).run(xs)
    stream = program.stream()
    np.testing.assert_allclose(flat_answer(stream.run(xs)), expected, atol=FREE_RUNNING, rtol=FREE_RUNNING)
    assert list(stream.state) == list(states)
    for key, state in stream.state.items():
        np.testing.assert_allclose(state, states[key], atol=FREE_RUNNING, rtol=FREE_RUNNING)
    check_prime(program, xs[:4])


def test_every_cell_is_in_the_matrix():
    shipped = {name for name, cls in CELLS.items() if cls.__module__.startswith("edgernn.")}
    assert {name.split()[0] for name in GRAPHS} >= shipped


def test_every_operation_is_in_the_matrix():
    assert {op.name for graph in GRAPHS.values() for op in graph.trace.operations} == set(OPERATIONS)


def test_every_target_has_a_backend():
    assert {target.proved_by or suffix for suffix, target in TARGETS.items()} == set(suffixes()) - {".rnn"}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_cell_made_in_a_test_needs_no_other_line(suffix, tmp_path):
    @cell
    @dataclass(frozen=True)
    class LeakyIntegrator:
        """A cell that uses every operation; nothing outside this function knows it."""

        w: Annotated[Tensor, "2 * hidden", "inputs"]
        u: Annotated[Tensor, "hidden", "hidden"]
        gain: Annotated[Tensor, "hidden"]

        @property
        def states(self) -> Mapping[str, int]:
            return {"h": self.u.shape[0], "m": 2 * self.u.shape[0]}

        def step(self, ops, x, state):
            h, m = state
            a, b = ops.split(ops.affine(self.w, x), 2)
            h = ops.scale(h, 0.9) + ops.relu(a) * ops.sigmoid(ops.affine(self.u, h))
            m = ops.concat(ops.tanh(b - h), ops.softmax(h)) + ops.scale(m, 0.5, 0.01)
            first, second = ops.split(m, 2)
            quiet = ops.log(ops.scale(second * second, 1.0, 0.5))
            return ops.normalize(first + quiet, self.gain, None, 1e-3), (h, m)

    random = np.random.default_rng(1)
    weights = [Tensor(random.standard_normal(shape).astype("f") / 4) for shape in ((10, 6), (5, 5), (5,))]
    graph = Graph((Layer("leaky", LeakyIntegrator(*weights)), Layer("out", Dense(t(3, 5)))), 6)
    try:
        program = written(graph, tmp_path / f"m{suffix}")
        xs = frames(graph, STEPS)
        np.testing.assert_allclose(program.stream().run(xs), Stepper(graph).run(xs)[0], atol=1e-4, rtol=1e-4)
    finally:
        del CELLS["LeakyIntegrator"]


class WithFactors(NumpyOps):
    """The definition on cells themselves, whose factored weights only recording takes apart."""

    def affine(self, weight, x, bias=None):
        if isinstance(weight, Factored):
            return super().affine(weight.left, super().affine(weight.right, x), bias)
        return super().affine(weight, x, bias)


def _stepped(ops, layer, x, states, passed):
    """One step of a layer, in loops over its frames and over the parts of each."""
    ys = []
    for i, frame in enumerate(np.split(x, layer.frames)):
        parts, order = np.split(frame, layer.positions), range(layer.positions)
        own = [
            dict(zip(states, each, strict=True))
            for each in zip(*(np.split(s, layer.positions) for s in states.values()), strict=True)
        ]
        own = own or [{}] * layer.positions
        swept = {name: np.zeros(width) for name, width in layer.cell.states.items()} if layer.sweep else {}
        answers = {}
        for part in reversed(order) if layer.sweep == "backward" else order:
            before = swept if layer.sweep else own[part]
            answers[part], after = layer.cell.step(ops, parts[part], tuple(before.values()))
            after = dict(zip(before, after, strict=True))
            if layer.sweep:
                swept = after
            elif passed + i >= layer.begins:
                own[part] = after
        ys += [answers[part] for part in order]
        states = {name: np.concatenate([each[name] for each in own]) for name in states}
    return np.concatenate(ys), states


@pytest.mark.parametrize("name", GRAPHS)
def test_replaying_the_trace_is_running_the_cells(name):
    """The trace drops operations and merges others; running each cell's step on arrays does not."""
    graph = GRAPHS[name]
    ops, values = WithFactors("float64"), {}
    states = Stepper(graph).initial_state()
    for passed, x in enumerate(frames(graph, 5)):
        values["x"] = x if graph.vocabulary_size else x.astype(np.float64)
        before = dict(states)
        for layer in graph.layers:
            if layer.cell.delays:  # it may read what is computed later
                values[layer.name] = states[f"{layer.name}.past"]
                continue
            inputs = [values[read] for read in layer.inputs]
            if hasattr(layer.cell, "join"):
                parts = zip(*(np.split(each, layer.frames * layer.positions) for each in inputs), strict=True)
                values[layer.name] = np.concatenate([layer.cell.join(ops, *each) for each in parts])
                continue
            carried = {name: states[f"{layer.name}.{name}"] for name in layer.cell.states if not layer.sweep}
            values[layer.name], after = _stepped(ops, layer, inputs[0], carried, passed * layer.frames)
            states |= {f"{layer.name}.{name}": state for name, state in after.items()}
        for layer in graph.layers:
            if layer.cell.delays:
                states[f"{layer.name}.past"] = values[layer.inputs[0]]
        y, replayed = Stepper(graph).step(x, before)
        np.testing.assert_allclose(y, values[graph.layers[-1].name], rtol=1e-12, atol=1e-12)
        for key in (key for key in replayed if key.rpartition(".")[2] != COUNT):
            np.testing.assert_allclose(replayed[key], states[key], rtol=1e-12, atol=1e-12)
        states = {key: states[key] if key.rpartition(".")[2] != COUNT else state for key, state in replayed.items()}


def test_batches_come_free():
    graph = GRAPHS["stack"]
    xs = np.stack([frames(graph, 9, seed) for seed in range(3)])
    together, _ = Stepper(graph).run(xs)
    for one, alone in zip(together, xs, strict=True):
        np.testing.assert_allclose(one, Stepper(graph).run(alone)[0], atol=1e-12)


@pytest.mark.parametrize("suffix", sorted(set(TARGETS) & set(suffixes())))
def test_a_program_that_computes_something_else_is_not_kept(suffix, tmp_path):
    graph = keyword_spotter()
    other = Graph((graph.layers[0], Layer("out", type(graph.layers[1].cell)(t(4, 16), t(4)))), graph.inputs)
    export(graph, tmp_path / f"m{suffix}")
    with pytest.raises(ParityError, match=r"at step 0 in 'y' by .* expected at most"):
        prove(other, edgernn.open(tmp_path / f"m{suffix}"))


@pytest.mark.parametrize("suffix", sorted(set(TARGETS) & set(suffixes())))
def test_an_answer_near_nothing_that_is_left_of_large_terms_is_kept(suffix, tmp_path):
    """Of ten thousand less ten thousand the last digits remain, and each runtime has its own."""
    gru, _ = keyword_spotter().layers
    graph = Graph((gru, Layer("out", Dense(t(1, 16)))), keyword_spotter().inputs)
    answers, _ = Stepper(graph).run(random_frames(graph.inputs, graph.vocabulary_size, 32))
    for y in answers:
        scale = Scale(Tensor(np.full(1, 1e4, np.float32)), Tensor((-1e4 * y).astype(np.float32)))
        export(Graph((*graph.layers, Layer("unscaled", scale)), graph.inputs), tmp_path / f"m{suffix}")


class Broken:
    """A bound step of numpy with something done to it."""

    guards, run, float_step = False, None, None

    def __init__(self, bound, harm):
        self.bound, self.harm = bound, harm
        self.x, self.y = bound.x, bound.y

    def prime(self):
        self.bound.prime()

    def step(self):
        before = tuple(state.copy() for state in self.bound.get_states())
        self.bound.step()
        self.harm(self.bound, before)

    def get_states(self):
        return self.bound.get_states()

    def set_states(self, states):
        self.bound.set_states(states)


def forgets(bound, before):
    bound.set_states(before)


def drifts(bound, _before):
    bound.set_states(tuple(state + np.float32(1e-4) for state in bound.get_states()))


def errs(bound, _before):
    bound.y[0] += np.float32(1e-4)


def answers_nan(bound, _before):
    bound.y[:] = np.nan


@pytest.mark.parametrize(("harm", "where"), [(forgets, "gru.h"), (drifts, "gru.h"), (errs, "y"), (answers_nan, "y")])
def test_the_proof_sees_every_kind_of_harm(harm, where, tmp_path):
    graph = keyword_spotter()
    edgernn.save(graph, tmp_path / "m.rnn")
    program = edgernn.open(tmp_path / "m.rnn")

    class Engine:
        backend, manifest = "broken", program.manifest

        def bind(self):
            return Broken(program.engine.bind(), harm)

    prove(graph, program)
    with pytest.raises(ParityError, match=rf"at step 0 in '{where}'"):
        prove(graph, edgernn.Program("m", "", b"", Engine()))


def test_the_proof_looks_at_many_steps(tmp_path):
    graph = keyword_spotter()
    edgernn.save(graph, tmp_path / "m.rnn")
    program, steps = edgernn.open(tmp_path / "m.rnn"), []

    class Engine:
        backend, manifest = "late", program.manifest

        def bind(self):
            return Broken(
                program.engine.bind(), lambda bound, _: steps.append(1) or (errs(bound, _) if len(steps) > 20 else None)
            )

    with pytest.raises(ParityError, match="at step 20 in 'y'"):
        prove(graph, edgernn.Program("m", "", b"", Engine()))


def test_a_state_that_is_not_carried_is_found(tmp_path):
    graph = keyword_spotter()
    edgernn.save(graph, tmp_path / "m.rnn")
    program = edgernn.open(tmp_path / "m.rnn")
    other = Graph(graph.layers, graph.inputs, initial_state={"gru.h": t(16)})
    with pytest.raises(ParityError, match=r"at step 0 in 'gru.h'"):
        prove(other, program)
