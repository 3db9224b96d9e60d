"""The proof of a conversion: module and graph on random sequences, both in float64, at every step."""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from torch import Tensor

from edgernn.array import Array
from edgernn.cells import Slice
from edgernn.errors import ParityError, UnsupportedError
from edgernn.interpreters.numpy import Stepper
from edgernn.model.graph import Graph
from edgernn.model.layer import Layer
from edgernn.model.timing import in_steps
from edgernn_export.sources.torch.layers.value import Value
from edgernn_export.sources.torch.proof.inputs import noise, shuffled
from edgernn_export.sources.torch.proof.late import late_answers, values_of
from edgernn_export.sources.torch.proof.stability import amplified, check_finite
from edgernn_export.sources.torch.signature.held import AFTER, calls, frames
from edgernn_export.sources.torch.signature.inputs import Inputs
from edgernn_export.sources.torch.trace.copying import first_line
from edgernn_export.sources.torch.trace.results import results_of
from edgernn_export.sources.torch.trace.tracing import Traced, double
from edgernn_export.sources.torch.walk import Walked

STEPS = 96  # long enough to move a state far from its initial value
SPARSE = 64  # prefixes beyond STEPS that are compared, besides every prefix up to STEPS
TOLERANCE = 1e-9  # relative to the largest output, or to 1

Tensors = Sequence[Tensor]


def prove(traced: Traced, walked: Walked, graph: Graph, least: int = STEPS) -> None:
    """Compare the module with its graph, on sequences more than twice as long as the example.

    Args:
        traced, walked: the module, and its conversion.
        graph: the converted graph, still in float64.
        least: how many steps are compared at least.

    Raises:
        ParityError: they differ; the message names the first step and layer that do.
        UnsupportedError: the module does not run on such a sequence, its states overflow, or no output is finite.
    """
    with double(), np.errstate(all="ignore"):  # values that are not finite are checked below
        stepwise = walked.x.time is None
        expected, frames = _stepwise(traced, walked, graph) if stepwise else _whole(traced, walked, graph, least)
        outputs, states = Stepper(graph).run(frames)
        if not all(np.isfinite(state).all() for state in states.values()):
            check_finite(graph, frames)
        for t, reference in expected.items():
            error = _distance(reference, outputs[t])
            if error > TOLERANCE:
                raise ParityError(_difference(traced, walked, graph, frames, t, error))
    if not any(np.isfinite(answer).any() for answer in expected.values()):
        raise UnsupportedError(
            "no output of the module is finite, neither on noise nor on the example's own frames, so nothing can be "
            "proved; pass an example of real data"
        )


def prove_frames(traced: Traced, inputs: Inputs, walked: Walked, graph: Graph, axis: int | None) -> None:
    """Compare the module on the example's whole sequence with its graph, which was traced with one frame.

    Args:
        traced: the module, traced with the whole example.
        inputs: its arguments.
        walked, graph: its conversion by one frame.
        axis: the time axis of the example.

    Raises:
        UnsupportedError: they differ: the module's answers to several frames at once are not those one after another.
    """
    assert axis is not None
    with double(), np.errstate(all="ignore"):
        made = [(xs, _chosen(_run(traced, inputs, xs, inputs.before), walked)) for xs in calls(inputs.tensors, axis)]
        for after in AFTER:
            steps = ((answers, Stepper(graph).run(frames(xs, axis, after).numpy())[0]) for xs, answers in made)
            if all(_agrees(walked, answers, ys) for answers, ys in steps):
                return
    raise UnsupportedError(
        f"{type(traced.module).__name__} answers {inputs.tensors[0].shape[axis]} frames at once otherwise than one "
        "after another, by a state that is no layer's own; pass one frame as the example if that is how it is called"
    )


def _agrees(walked: Walked, answers: Tensors, ys: Array) -> bool:
    """Whether the module's answers to several frames at once are those of the graph."""
    start = 0
    for answer, output in zip(answers, walked.outputs, strict=True):
        one, width = output.value.shape, output.value.width
        longer = [i for i, (n, m) in enumerate(zip(answer.shape, one, strict=False)) if n == len(ys) and m == 1]
        last = answer.shape == one
        expected = answer.reshape(1, -1).numpy() if last else _along(answer, longer[0] if longer else 0)
        part = ys[-1:, start : start + width] if last else ys[:, start : start + width]
        start += width
        if _distance(expected, part) > TOLERANCE:
            return False
    return True


def _difference(traced: Traced, walked: Walked, graph: Graph, frames: Array, step: int, error: float) -> str:
    """Return the message for a difference at this step."""
    alone = _distance(*amplified(graph, frames, step))
    if alone > error / 100:  # the difference is rounding, amplified by the network
        return (
            f"the graph differs from the module by {error:.3g} at step {step}, and by {alone:.3g} from itself when its "
            "input changes by one part in 1e15: the network amplifies rounding errors, so no two runtimes can agree; "
            "train it with smaller recurrent weights"
        )
    return (
        f"the graph differs from the module by {error:.3g} at step {step}, first in {_first(traced, walked, graph)}; "
        "does the module depend on the length of a sequence, keep state of its own, or draw random numbers?"
    )


def _whole(traced: Traced, walked: Walked, graph: Graph, least: int) -> tuple[dict[int, Array], Array]:
    """Run the module on a whole sequence, or on prefixes of one when it returns its last step.

    Returns:
        step -> output, and what each step takes.
    """
    example, each = walked.x.length, graph.frames_per_step
    late = max(0, -min(output.value.lead for output in walked.outputs))
    if any(output.value.delay and output.value.time is None for output in walked.outputs):
        xs: Tensors = noise(walked, graph, example)
        expected = late_answers(traced, walked, xs)
    else:
        try:
            steps = -(-max(STEPS, 2 * example + 1, least) // each) + late
            expected, xs = _finite_answers(traced, walked, graph, steps * each)
        except Exception:  # the module's code may require the example's length, as x.view(1, 50, 20) does
            expected, xs = _finite_answers(traced, walked, graph, example)
    if not expected:
        raise UnsupportedError(
            f"the example has {example} frames, and the first output comes after {(late + 1) * each}; pass a longer one"
        )
    return expected, _side_by_side(xs, walked)


def _finite_answers(traced: Traced, walked: Walked, graph: Graph, steps: int) -> tuple[dict[int, Array], Tensors]:
    """Run the module on normal noise; where its outputs are not finite, on the example's frames in random order."""
    xs = noise(walked, graph, steps)
    expected = _answers(traced, walked, xs, steps)
    if not all(np.isfinite(answer).all() for answer in expected.values()):
        xs = shuffled(walked, steps)
        expected = _answers(traced, walked, xs, steps)
    return expected, xs


def _answers(traced: Traced, walked: Walked, xs: Tensors, steps: int) -> dict[int, Array]:
    """Return the outputs of the module side by side at each step that can be compared."""
    values, states = [output.value for output in walked.outputs], walked.inputs.before
    late, each = max(0, -min(value.lead for value in values)), walked.output.every
    whole, steps = steps == walked.x.length, steps // each
    if all(value.time is not None for value in values):
        ys = _chosen(_run(traced, walked.inputs, xs, states), walked)
        frames = [_frames(y, value) for y, value in zip(ys, values, strict=True)]
        ends = (len(part) - value.lead for part, value in zip(frames, values, strict=True))
        return {
            t: np.concatenate([part[t + value.lead] for part, value in zip(frames, values, strict=True)])
            for t in range(late, min(steps, *ends))
        }
    every = {*range(late, min(steps, STEPS)), *range(STEPS, steps, max(1, steps // SPARSE)), steps - 1}
    if whole:
        return {steps - 1: _last(traced, walked, xs, states, steps - 1)}
    prefixes = {
        t: [x.narrow(y.time or 0, 0, (t + 1) * each) for x, y in zip(xs, walked.xs, strict=True)] for t in every
    }
    return {t: _last(traced, walked, prefixes[t], states, t) for t in sorted(every) if t >= late}


def _last(traced: Traced, walked: Walked, prefix: Tensors, states: Tensors, t: int) -> Array:
    """Return the outputs of the module side by side, at the last step of a prefix up to step t."""
    ys = _chosen(_run(traced, walked.inputs, prefix, states), walked)
    pairs = [(y, output.value) for y, output in zip(ys, walked.outputs, strict=True)]
    parts = [y.numpy().reshape(-1) if value.time is None else _frames(y, value)[t + value.lead] for y, value in pairs]
    return np.concatenate(parts)


def _chosen(answer: Any, walked: Walked) -> list[Tensor]:
    """Return the results of a call that are outputs."""
    results = list(results_of(answer).values())
    return [results[output.place] for output in walked.outputs]


def _run(traced: Traced, inputs: Inputs, xs: Tensors, states: Tensors) -> Any:
    """Run the module on other values than the example's; it may write into its copy of them."""
    try:
        with warnings.catch_warnings(action="ignore"):
            return traced.module(*inputs.arguments([x.clone() for x in xs], states))
    except Exception as error:  # whatever the user's own code raises
        raise UnsupportedError(
            f"{type(traced.module).__name__} does not run on random values of shape "
            f"{', '.join(str(tuple(x.shape)) for x in xs)}: {first_line(error)}; the forward must accept any sequence "
            "like the example"
        ) from error


def _stepwise(traced: Traced, walked: Walked, graph: Graph) -> tuple[dict[int, Array], Array]:
    """Run a module that is one step frame by frame, feeding back its states; return step -> output, and the frames.

    The frames are normal noise; where the outputs are not finite, that noise without its signs.
    """
    xs = noise(walked, graph, STEPS)
    expected = _steps(traced, walked, xs)
    if not all(np.isfinite(answer).all() for answer in expected.values()):
        xs = [x.abs() if x.is_floating_point() else x for x in xs]
        expected = _steps(traced, walked, xs)
    return expected, _side_by_side(xs, walked)


def _steps(traced: Traced, walked: Walked, xs: Tensors) -> dict[int, Array]:
    states: Tensors = walked.inputs.before
    expected: dict[int, Array] = {}
    for t in range(STEPS):
        answer = _run(traced, walked.inputs, [x[t] for x in xs], states)
        expected[t] = np.concatenate([y.numpy().reshape(-1) for y in _chosen(answer, walked)])
        results = list(results_of(answer).values())
        states = [results[place] for place in walked.inputs.feedback]
    return expected


def _side_by_side(xs: Tensors, walked: Walked) -> Array:
    """Return the inputs of the module as what each step takes, (steps, inputs)."""
    pairs, each = zip(xs, walked.xs, strict=True), walked.output.every
    frames = [x.reshape(len(x), -1).numpy() if value.time is None else _frames(x, value) for x, value in pairs]
    frames = [in_steps(part[: len(part) // each * each], each) for part in frames]
    return frames[0] if len(frames) == 1 else np.concatenate(frames, axis=1)


def _along(tensor: Tensor, axis: int) -> Array:
    """Return a tensor as frames (time, width), with time on this axis."""
    return tensor.movedim(axis, 0).reshape(tensor.shape[axis], -1).numpy()


def _frames(tensor: Tensor, value: Value) -> Array:
    """Return a tensor of the module as frames (time, width)."""
    assert value.time is not None
    return _along(tensor, value.time)


def _distance(reference: Array, y: Array) -> float:
    """Return the largest difference, relative to the reference where that exceeds 1; infinity for unequal shapes."""
    if reference.shape != y.shape:
        return float("inf")
    differ = ~((reference == y) | (np.isnan(reference) & np.isnan(y)))
    with np.errstate(invalid="ignore"):
        error = np.abs(reference - y)[differ].max(initial=0.0)
    size = np.abs(reference[np.isfinite(reference)]).max(initial=1.0)
    return float(np.inf if np.isnan(error) else error / size)


def _first(traced: Traced, walked: Walked, graph: Graph) -> str:
    """Return the layer that differs at the earliest step, on input of the example's shape."""
    if walked.x.time is None:
        return f"one of {', '.join(layer.name for layer in graph.layers)}"
    with double():
        xs = noise(walked, graph, walked.x.length)
        values = values_of(traced, walked, xs)
        frames = _side_by_side(xs, walked)
        differing: list[tuple[int, int, str]] = []
        for i, layer in enumerate(graph.layers):
            node, value = walked.places.get(layer.name, (None, None))
            if node is None or value is None or value.time is None:
                continue
            width = graph.layer_traces[layer.name].y.width
            answering = Layer("answers_", Slice(width, 0, width), (layer.name,))
            every = replace(graph, layers=(*graph.layers, answering), labels=(), named_outputs={})
            ys = Stepper(every).run(frames)[0].reshape(len(frames) * layer.frames, -1)
            for j, reference in enumerate(_frames(values[node], value)):
                if 0 <= j - value.lead < len(ys) and _distance(reference, ys[j - value.lead]) > TOLERANCE:
                    differing.append((j - value.lead, i, layer.name))
                    break
    if not differing:
        return f"the output '{graph.layers[-1].name}', on sequences longer than the example"
    step, _, name = min(differing)
    return f"layer '{name}' at step {step} of a sequence like the example"
