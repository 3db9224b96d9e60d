"""The proof of a conversion: module and graph on random sequences, both in float64, at every step."""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from edgernn.array import Array
from edgernn.cells import Slice
from edgernn.errors import ParityError, UnsupportedError
from edgernn.interpreters.numpy import Stepper
from edgernn.model.graph import Graph, Layer
from edgernn_export.sources.torch.copying import first_line
from edgernn_export.sources.torch.stability import amplified, check_finite
from edgernn_export.sources.torch.tracing import Traced, double, evaluate
from edgernn_export.sources.torch.value import Value
from edgernn_export.sources.torch.walk import Walked

STEPS = 96  # long enough to move a state far from its initial value
SPARSE = 64  # prefixes beyond STEPS that are compared, besides every prefix up to STEPS
TOLERANCE = 1e-9  # relative to the largest output, or to 1


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
        expected, frames = _stepwise(traced, graph) if stepwise else _whole(traced, walked, graph, least)
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


def prove_frames(traced: Traced, axis: int | None, walked: Walked, graph: Graph) -> None:
    """Compare the module on the example's whole sequence with its graph, which was traced with one frame.

    Raises:
        UnsupportedError: they differ: the module's answers to several frames at once are not those one after another.
    """
    assert axis is not None
    x, one = traced.example[0], walked.output.shape
    with double(), np.errstate(all="ignore"):
        answer = _first_of(_run(traced, x, *_others(traced, traced.states)))
        ys = Stepper(graph).run(x.movedim(axis, 0).reshape(x.shape[axis], -1).numpy())[0]
    longer = [i for i, (n, m) in enumerate(zip(answer.shape, one, strict=False)) if n == len(ys) and m == 1]
    if answer.shape == one:
        expected, ys = answer.reshape(1, -1).numpy(), ys[-1:]
    else:
        expected = (
            answer.movedim(longer[0] if longer else 0, 0).reshape(answer.shape[longer[0] if longer else 0], -1).numpy()
        )
    if _distance(expected, ys) > TOLERANCE:
        raise UnsupportedError(
            f"{type(traced.module).__name__} answers {x.shape[axis]} frames at once otherwise than one after another, "
            "by a state that is no layer's own; pass one frame as the example if that is how it is called"
        )


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
        step -> output, and the frames.
    """
    example = walked.x.length
    steps = max(STEPS, 2 * example + 1, least) + max(0, -walked.output.lead)
    try:
        expected, xs = _finite_answers(traced, walked, graph, steps)
    except Exception:  # the module's code may require the example's length, as x.view(1, 50, 20) does
        expected, xs = _finite_answers(traced, walked, graph, example)
    return expected, _frames(xs, walked.x)


def _finite_answers(traced: Traced, walked: Walked, graph: Graph, steps: int) -> tuple[dict[int, Array], Tensor]:
    """Run the module on normal noise; where its outputs are not finite, on the example's frames in random order."""
    xs = _noise(traced, walked.x, graph, steps)
    expected = _answers(traced, walked, xs, steps)
    if not all(np.isfinite(answer).all() for answer in expected.values()):
        xs = _shuffled(traced, walked.x, steps)
        expected = _answers(traced, walked, xs, steps)
    return expected, xs


def _answers(traced: Traced, walked: Walked, xs: Tensor, steps: int) -> dict[int, Array]:
    axis, output, others = walked.x.time, walked.output, _others(traced, traced.states)
    assert axis is not None
    if output.time is not None:
        y = _first_of(_run(traced, xs, *others))
        frames = _frames(y, output)
        return {j - output.lead: frame for j, frame in enumerate(frames) if 0 <= j - output.lead < steps}
    every = {*range(max(0, -output.lead), min(steps, STEPS)), *range(STEPS, steps, max(1, steps // SPARSE)), steps - 1}
    if steps == walked.x.length:
        every = {steps - 1}
    return {
        t: _first_of(_run(traced, xs.narrow(axis, 0, t + 1), *others)).numpy().reshape(-1)
        for t in sorted(every)
        if t >= -output.lead
    }


def _run(traced: Traced, x: Tensor, *others: Any) -> Any:
    """Run the module on other values than the example's; it may write into its copy of them."""
    try:
        with warnings.catch_warnings(action="ignore"):
            return traced.module(x.clone(), *others)
    except Exception as error:  # whatever the user's own code raises
        raise UnsupportedError(
            f"{type(traced.module).__name__} does not run on random values of shape {tuple(x.shape)}: "
            f"{first_line(error)}; the forward must accept any sequence like the example"
        ) from error


def _stepwise(traced: Traced, graph: Graph) -> tuple[dict[int, Array], Array]:
    """Run a module that is one step frame by frame, feeding back its states; return step -> output, and the frames."""
    states: Sequence[Tensor] = traced.states
    xs = _noise(traced, Value("x", tuple(traced.example[0].shape), None), graph, STEPS)
    expected: dict[int, Array] = {}
    for t, x in enumerate(xs):
        answer = _run(traced, x, *_others(traced, states))
        outputs = [leaf for leaf in pytree.tree_leaves(answer) if isinstance(leaf, Tensor)]
        expected[t] = outputs[0].numpy().reshape(-1).copy()
        states = [outputs[result].clone() for result in traced.feedback]
    return expected, xs.reshape(STEPS, -1).numpy()


def _noise(traced: Traced, x: Value, graph: Graph, steps: int) -> Tensor:
    """Return random input like the example with `steps` steps; without a time axis, on a new first axis."""
    like: Tensor = traced.example[0]
    shape = (steps, *x.shape) if x.time is None else (*x.shape[: x.time], steps, *x.shape[x.time + 1 :])
    random = torch.Generator().manual_seed(0)
    if graph.vocabulary_size:
        return torch.randint(graph.vocabulary_size, shape, generator=random, dtype=like.dtype)
    if not like.is_floating_point():
        low, high = min(int(like.min()), -100), max(int(like.max()), 100)
        return torch.randint(low, high + 1, shape, generator=random, dtype=like.dtype)
    spread = float(like.std(correction=0)) or 1.0
    return float(like.mean()) + spread * torch.randn(shape, generator=random)


def _shuffled(traced: Traced, x: Value, steps: int) -> Tensor:
    """Return frames of the example in random order."""
    assert x.time is not None
    order = torch.randint(x.length, (steps,), generator=torch.Generator().manual_seed(0))
    chosen: Tensor = traced.example[0].index_select(x.time, order)
    return chosen


def _frames(tensor: Tensor, value: Value) -> Array:
    """Return a tensor of the module as frames (time, width)."""
    assert value.time is not None
    return tensor.movedim(value.time, 0).reshape(tensor.shape[value.time], -1).numpy()


def _others(traced: Traced, states: Sequence[Tensor]) -> list[Any]:
    """Return copies of these states as the arguments besides the frames, nested as in the example."""
    flat = iter(state.clone() for state in states)
    others: list[Any] = pytree.tree_map_only(Tensor, lambda _: next(flat), list(traced.example[1:]))
    return others


def _first_of(answer: Any) -> Tensor:
    y: Tensor = next(leaf for leaf in pytree.tree_leaves(answer) if isinstance(leaf, Tensor))
    return y


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
        xs = _noise(traced, walked.x, graph, walked.x.length)
        values = _values(traced, xs.clone())
        frames = _frames(xs, walked.x)
        differing: list[tuple[int, int, str]] = []
        for i, layer in enumerate(graph.layers):
            node, value = walked.places.get(layer.name, (None, None))
            if node is None or value is None or value.time is None:
                continue
            width = graph.layer_traces[layer.name].y.width
            answering = Layer("answers_", Slice(width, 0, width), (layer.name,))
            ys = Stepper(replace(graph, layers=(*graph.layers, answering), labels=())).run(frames)[0]
            for j, reference in enumerate(_frames(values[node], value)):
                if 0 <= j - value.lead < len(ys) and _distance(reference, ys[j - value.lead]) > TOLERANCE:
                    differing.append((j - value.lead, i, layer.name))
                    break
    if not differing:
        return f"the output '{graph.layers[-1].name}', on sequences longer than the example"
    step, _, name = min(differing)
    return f"layer '{name}' at step {step} of a sequence like the example"


def _values(traced: Traced, xs: Tensor) -> dict[Any, Any]:
    """Evaluate every operation of the module on a real input."""
    values: dict[Any, Any] = {
        node: traced.constants[node.name] for node in traced.nodes if node.name in traced.constants
    }
    values.update(zip(traced.inputs, (xs, *traced.states), strict=True))
    for node in traced.nodes:
        if node.op == "call_function":
            values[node] = evaluate(node, values, traced.leaves)
    return values
