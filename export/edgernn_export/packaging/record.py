"""The goldens of a graph: what its definition answers, how far a runtime may be from it, and which states live."""

from collections.abc import Collection, Iterator
from dataclasses import replace

import numpy as np

from edgernn.array import Array
from edgernn.device.runtimes import running
from edgernn.errors import UnsupportedError
from edgernn.interpreters.integer import IntegerStepper
from edgernn.interpreters.numpy import Stepper
from edgernn.model.graph import OUTPUT, Graph
from edgernn.package.goldens import Goldens
from edgernn.process import interrupt
from edgernn.runtime.goldens import distance
from edgernn_export.proof.floats import Bounds, sides
from edgernn_export.proof.integers import IntegerBounds

STEPS, RESET, SNAPSHOT, RESUME = 320, 96, 160, 256

Step = tuple[dict[str, Array], dict[str, Array]]
"""The states before a step; its output, as `y`, and the states after it."""


def record(graph: Graph) -> Goldens:
    """Record random frames with the answers of the definition: in float64, or in the integers of the graph.

    Raises:
        UnsupportedError: a state does not stay finite in float32.
    """
    single = graph.astype("float32")
    frames = _short(sides(single, "numpy", STEPS)[2])
    answers, snapshot, states = [], dict[str, Array](), dict[str, Array]()
    for t, (before, results) in enumerate(_steps(_definition(single), frames)):
        answers.append(results.pop(OUTPUT))
        snapshot, states = before if t == SNAPSHOT else snapshot, results
        if not all(np.isfinite(_single(state)).all() for state in results.values()):
            raise UnsupportedError(
                f"a state of the graph is not finite after {t + 1} frames: no answers can be recorded for a package"
            )
    return Goldens(
        frames, _single(answers), RESET, SNAPSHOT, RESUME,
        {name: _single(state) for name, state in snapshot.items()},
        {name: _single(state) for name, state in states.items()},
        {},
    )  # fmt: skip


def tolerances(graph: Graph, goldens: Goldens, suffixes: Collection[str]) -> dict[str, dict[str, float]]:
    """Return how far the runtimes of each suffix may be from the goldens: suffix -> `y` or a state -> a number.

    It is what the arithmetic itself loses over all frames, with the states carried: see edgernn_export.proof.
    """
    single = graph.astype("float32")
    most = {suffix: dict.fromkeys((OUTPUT, *single.states), 0.0) for suffix in suffixes}
    for alike in _alike(single, suffixes):
        bounds = alike[0][1]
        exact = _steps(_definition(single), goldens.frames)
        for (_, expected), (_, draws) in zip(exact, _steps(bounds, goldens.frames, bounds.rows), strict=True):
            for suffix, each in alike:
                for name, reference in expected.items():
                    far = each.bound(name, _single(reference), draws[name])
                    most[suffix][name] = max(most[suffix][name], far)
    return most


def _alike(graph: Graph, suffixes: Collection[str]) -> list[list[tuple[str, Bounds | IntegerBounds]]]:
    """Return the bounds of every runtime with its suffix, in groups whose draws are the same."""
    groups: dict[bool, list[tuple[str, Bounds | IntegerBounds]]] = {}
    for suffix in suffixes:
        for runtime in running(suffix):
            bounds = sides(graph, runtime.name, 1)[1]
            moved = isinstance(bounds, IntegerBounds) and bool(runtime.tolerance.steps)
            groups.setdefault(moved, []).append((suffix, bounds))
    return list(groups.values())


def with_live_states(graph: Graph, goldens: Goldens, allowed: Collection[float]) -> Goldens:
    """Add a changed state for each state that changes the answers of the definition by more than runtimes may err.

    The changed state is that before the reset, or the initial one. A runtime whose answers are within its tolerance
    then answers the changed state otherwise. Where no state changes them by so much, the one that changes them most is
    added, if a runtime with the smallest tolerance must tell it.

    Args:
        graph: the graph.
        goldens: its goldens.
        allowed: the tolerance in `y` of each artifact.

    Raises:
        UnsupportedError: the graph has states, and none changes the answers.
    """
    single = graph.astype("float32")
    stepper = _definition(single)
    before, _ = next(step for t, step in enumerate(_steps(stepper, goldens.frames)) if t == RESET - 1)
    moves: dict[str, tuple[float, Array]] = {}
    for name in single.states:
        candidates = (_single(states[name]) for states in (before, stepper.initial_state()))
        tried = [(_moves(stepper, goldens, {name: state}), state) for state in candidates]
        moves[name] = max(tried, key=lambda each: each[0])
    largest = max(moves, key=lambda name: moves[name][0], default="")
    if largest and not moves[largest][0] > 2 * min(allowed):
        raise UnsupportedError(
            "no carried state of the graph changes its answers by more than its runtimes may err, so a package could "
            "not show that they carry it; export each file by itself, or mend the graph"
        )
    live = [name for name, (move, _) in moves.items() if move > 2 * max(allowed)] or [largest] * bool(largest)
    return replace(goldens, changed={name: moves[name][1] for name in live})


def _moves(stepper: Stepper, goldens: Goldens, changed: dict[str, Array]) -> float:
    states = {name: state.astype(stepper.dtype) for name, state in {**goldens.states, **changed}.items()}
    answers, _ = stepper.run(goldens.frames[SNAPSHOT:RESUME], states)
    return distance(answers, goldens.answers[SNAPSHOT:RESUME])


def _definition(graph: Graph) -> Stepper:
    return IntegerStepper(graph) if any(layer.scheme for layer in graph.layers) else Stepper(graph, "float64")


def _steps(stepper: Stepper, frames: Array, *batch: int) -> Iterator[Step]:
    """Yield each step, for equal rows of a batch."""
    states = saved = stepper.initial_state(*batch)
    for t, frame in enumerate(frames):
        interrupt.check()
        if t == RESET:
            states = stepper.initial_state(*batch)
        elif t == SNAPSHOT:
            saved = states
        elif t == RESUME:
            states = saved
        y, after = stepper.step(np.broadcast_to(frame, (*batch, *frame.shape)), states)
        yield states, {OUTPUT: y, **after}
        states = after


def _short(frames: Array) -> Array:
    """Return frames that float16 holds, where it holds numbers near them."""
    if frames.dtype.kind == "i":
        return frames
    with np.errstate(over="ignore"):
        short: Array = frames.astype(np.float16).astype(np.float32)
    return short if np.isfinite(short).all() else frames


def _single(values: Array | list[Array]) -> Array:
    """Return numbers in float32; one that is too large is infinite."""
    with np.errstate(over="ignore"):
        return np.asarray(values, np.float32)
