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
from edgernn.errors import ParityError, UnsupportedError
from edgernn.interpreters.numpy import Stepper
from edgernn.model.graph import Graph
from edgernn_export.sources.torch.copying import first_line
from edgernn_export.sources.torch.stability import amplified, check_finite
from edgernn_export.sources.torch.tracing import Traced, double, evaluate
from edgernn_export.sources.torch.value import Value
from edgernn_export.sources.torch.walk import Walked

STEPS = 96  # long enough to carry a state far from rest
SPARSE = 64  # beginnings of a longer sequence that are looked at, beside every one up to STEPS
TOLERANCE = 1e-9  # of the largest output, or of 1


def prove(traced: Traced, walked: Walked, graph: Graph) -> None:
    """Compare the module with its graph, on sequences more than twice as long as the example.

    Args:
        traced, walked: the module and what was found in it.
        graph: made from it, still in float64.

    Raises:
        ParityError: they differ, with the first step and layer that do.
        UnsupportedError: the module does not run on such a sequence, its states overflow, or no answer is finite.
    """
    with double(), np.errstate(all="ignore"):  # values that are not finite are looked at below
        wanted, frames = _stepwise(traced, graph) if walked.x.time is None else _whole(traced, walked, graph)
        found, states = Stepper(graph).run(frames)
        if not all(np.isfinite(state).all() for state in states.values()):
            check_finite(graph, frames)
        for t, reference in wanted.items():
            error = _distance(reference, found[t])
            if error > TOLERANCE:
                raise ParityError(_difference(traced, walked, graph, frames, t, error))
    if not any(np.isfinite(answer).any() for answer in wanted.values()):
        raise UnsupportedError(
            "no answer of the module is finite, neither on noise nor on the example's own frames, so nothing can be "
            "proved; give an example of real data"
        )


def _difference(traced: Traced, walked: Walked, graph: Graph, frames: Array, step: int, error: float) -> str:
    """What is said of a difference at this step."""
    alone = _distance(*amplified(graph, frames, step))
    if alone > error / 100:  # the graph rounds as often as the module does
        return (
            f"the graph differs from the module by {error:.3g} at step {step}, and by {alone:.3g} from itself when its "
            "input changes by one part in 1e15: the network amplifies rounding, and no two runtimes can agree on it; "
            "train it with smaller recurrent weights"
        )
    return (
        f"the graph differs from the module by {error:.3g} at step {step}, first in {_first(traced, walked, graph)}; "
        "does the module depend on the length of a sequence, keep state of its own, or draw random numbers?"
    )


def _whole(traced: Traced, walked: Walked, graph: Graph) -> tuple[dict[int, Array], Array]:
    """The module on a whole sequence, or on beginnings of one when it answers with its last step.

    Returns:
        step -> answer, and the frames.
    """
    example = walked.x.length
    steps = max(STEPS, 2 * example + 1) + max(0, -walked.output.lead)
    try:
        wanted, xs = _finite_answers(traced, walked, graph, steps)
    except Exception:  # the module's own code may insist on the example's length, as x.view(1, 50, 20) does
        wanted, xs = _finite_answers(traced, walked, graph, example)
    return wanted, _frames(xs, walked.x)


def _finite_answers(traced: Traced, walked: Walked, graph: Graph, steps: int) -> tuple[dict[int, Array], Tensor]:
    """On normal noise; or on the example's own values in another order, where noise leads to no finite answer."""
    xs = _noise(traced, walked.x, graph, steps)
    wanted = _answers(traced, walked, xs, steps)
    if not all(np.isfinite(answer).all() for answer in wanted.values()):
        xs = _shuffled(traced, walked.x, steps)
        wanted = _answers(traced, walked, xs, steps)
    return wanted, xs


def _answers(traced: Traced, walked: Walked, xs: Tensor, steps: int) -> dict[int, Array]:
    axis, output, others = walked.x.time, walked.output, _zeros(traced.example[1:])
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
    """The module on other values than the example's, which it may write into."""
    try:
        with warnings.catch_warnings(action="ignore"):
            return traced.module(x.clone(), *others)
    except Exception as error:  # whatever the user's own code raises
        raise UnsupportedError(
            f"{type(traced.module).__name__} does not run on random values of shape {tuple(x.shape)}: "
            f"{first_line(error)}; the forward must take any sequence like the example"
        ) from error


def _stepwise(traced: Traced, graph: Graph) -> tuple[dict[int, Array], Array]:
    """A module that is one step: called frame by frame, its states fed back. Step -> answer, and the frames."""
    frame, *initial_state = traced.example
    flat, structure = pytree.tree_flatten(_zeros(initial_state))
    xs = _noise(traced, Value("x", tuple(frame.shape), None), graph, STEPS)
    wanted: dict[int, Array] = {}
    for t, x in enumerate(xs):
        answer = _run(traced, x, *pytree.tree_unflatten(flat, structure))
        outputs = [leaf for leaf in pytree.tree_leaves(answer) if isinstance(leaf, Tensor)]
        wanted[t] = outputs[0].numpy().reshape(-1).copy()
        flat = outputs if len(outputs) == len(flat) else outputs[1 : 1 + len(flat)]
    return wanted, xs.reshape(STEPS, -1).numpy()


def _noise(traced: Traced, x: Value, graph: Graph, steps: int) -> Tensor:
    """A random input like the example, of this many steps; without a time axis, stacked on a new first axis."""
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
    """Frames of the example in a random order."""
    assert x.time is not None
    order = torch.randint(x.length, (steps,), generator=torch.Generator().manual_seed(0))
    chosen: Tensor = traced.example[0].index_select(x.time, order)
    return chosen


def _frames(tensor: Tensor, value: Value) -> Array:
    """(time, width) from a tensor of the module."""
    assert value.time is not None
    return tensor.movedim(value.time, 0).reshape(tensor.shape[value.time], -1).numpy()


def _zeros(states: Sequence[Any]) -> list[Any]:
    zeros: list[Any] = pytree.tree_map_only(Tensor, torch.zeros_like, list(states))
    return zeros


def _first_of(answer: Any) -> Tensor:
    y: Tensor = next(leaf for leaf in pytree.tree_leaves(answer) if isinstance(leaf, Tensor))
    return y


def _distance(reference: Array, y: Array) -> float:
    """The largest difference, relative to the reference where that is above 1; infinite for another shape."""
    if reference.shape != y.shape:
        return float("inf")
    differ = ~((reference == y) | (np.isnan(reference) & np.isnan(y)))
    with np.errstate(invalid="ignore"):
        error = np.abs(reference - y)[differ].max(initial=0.0)
    size = np.abs(reference[np.isfinite(reference)]).max(initial=1.0)
    return float(np.inf if np.isnan(error) else error / size)


def _first(traced: Traced, walked: Walked, graph: Graph) -> str:
    """The layer that differs at the earliest step, when the module runs on an input of the example's own shape."""
    if walked.x.time is None:
        return f"one of {', '.join(layer.name for layer in graph.layers)}"
    with double():
        xs = _noise(traced, walked.x, graph, walked.x.length)
        values = _values(traced, xs.clone())
        frames = _frames(xs, walked.x)
        worst: list[tuple[int, int, str]] = []
        for i, layer in enumerate(graph.layers):
            node, value = walked.places.get(layer.name, (None, None))
            if node is None or value is None or value.time is None:
                continue
            initial_state = {name: tensor for name, tensor in graph.initial_state.items() if name in _states(graph, i)}
            prefix = replace(graph, layers=graph.layers[: i + 1], initial_state=initial_state, labels=())
            ys = Stepper(prefix).run(frames)[0]
            for j, reference in enumerate(_frames(values[node], value)):
                if 0 <= j - value.lead < len(ys) and _distance(reference, ys[j - value.lead]) > TOLERANCE:
                    worst.append((j - value.lead, i, layer.name))
                    break
    if not worst:
        return f"the output '{graph.layers[-1].name}', on sequences longer than the example"
    step, _, name = min(worst)
    return f"layer '{name}' at step {step} of a sequence like the example"


def _states(graph: Graph, last: int) -> set[str]:
    return {f"{layer.name}.{name}" for layer in graph.layers[: last + 1] for name in getattr(layer.cell, "states", {})}


def _values(traced: Traced, xs: Tensor) -> dict[Any, Any]:
    """Every operation of the module on a real input."""
    values: dict[Any, Any] = {
        node: traced.constants[node.name] for node in traced.nodes if node.name in traced.constants
    }
    states = pytree.tree_leaves(_zeros(traced.example[1:]))
    values.update(zip(traced.inputs, (xs, *states), strict=True))
    for node in traced.nodes:
        if node.op == "call_function":
            values[node] = evaluate(node, values, traced.leaves)
    return values
