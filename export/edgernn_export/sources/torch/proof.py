"""The proof of a conversion: module and graph on random sequences, both in float64, at every step."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from edgernn.errors import ParityError
from edgernn.graph import Graph
from edgernn.readings.numpy import Array, Stepper
from edgernn_export.sources.torch.tracing import Traced, double, evaluate
from edgernn_export.sources.torch.value import Value
from edgernn_export.sources.torch.walk import Walked

STEPS = 96  # long enough to carry a state far from rest
TOLERANCE = 1e-9  # of the largest output, or of 1


def prove(traced: Traced, walked: Walked, graph: Graph) -> None:
    """Compare the module with its graph.

    Args:
        traced, walked: the module and what was found in it.
        graph: made from it, still in float64.

    Raises:
        ParityError: they differ, with the first step and layer that do.
    """
    with double():
        if walked.x.time is None:
            wanted, found = _stepwise(traced, graph)
        else:
            wanted, found = _whole(traced, walked, graph)
    for t, (reference, y) in enumerate(zip(wanted, found, strict=True)):
        error = _distance(reference, y)
        if reference is not None and error > TOLERANCE:
            first = _first(traced, walked, graph)
            raise ParityError(
                f"the graph differs from the module by {error:.3g} at step {t}, first in {first}; does the module "
                "depend on the length of a sequence, keep state of its own, or draw random numbers?"
            )


def _whole(traced: Traced, walked: Walked, graph: Graph) -> tuple[list[Array | None], Array]:
    """The module on a whole sequence, or on every beginning of one when it answers with its last step."""
    for steps in (STEPS, walked.x.length):
        xs = _sequence(traced, walked.x, graph, steps)
        try:
            wanted = _answers(traced, walked, xs, steps)
        except Exception:  # the module's own code may insist on the example's length
            if steps == walked.x.length:
                raise
            continue
        frames = _frames(xs, walked.x)
        return wanted, Stepper(graph).run(frames)[0]
    raise AssertionError


def _answers(traced: Traced, walked: Walked, xs: Tensor, steps: int) -> list[Array | None]:
    axis, output = walked.x.time, walked.output
    assert axis is not None
    others = traced.example[1:]
    wanted: list[Array | None] = [None] * steps
    if output.time is not None:
        y = _first_of(traced.module(xs, *_zeros(others)))
        for j, frame in enumerate(_frames(y, output)):
            if 0 <= j - output.lead < steps:
                wanted[j - output.lead] = frame
        return wanted
    for t in range(max(0, -output.lead), steps):
        y = _first_of(traced.module(xs.narrow(axis, 0, t + 1), *_zeros(others)))
        wanted[t] = y.numpy().reshape(-1)
    return wanted


def _stepwise(traced: Traced, graph: Graph) -> tuple[list[Array | None], Array]:
    """A module that is one step: called frame by frame, its states fed back."""
    frame, *states = traced.example
    states = _zeros(states)
    flat = [leaf for state in states for leaf in (state if isinstance(state, tuple | list) else [state])]
    xs = _sequence(traced, Value("x", tuple(frame.shape), None), graph, STEPS)
    wanted: list[Array | None] = []
    for x in xs:
        outputs = pytree.tree_leaves(traced.module(x, *states))
        wanted.append(outputs[0].numpy().reshape(-1))
        flat = outputs if len(outputs) == len(flat) else outputs[1 : 1 + len(flat)]
        states = pytree.tree_unflatten(flat, pytree.tree_structure(states))
    return wanted, Stepper(graph).run(xs.reshape(STEPS, -1).numpy())[0]


def _sequence(traced: Traced, x: Value, graph: Graph, steps: int) -> Tensor:
    """A random input like the example, of this many steps; without a time axis, stacked on a new first axis."""
    like: Tensor = traced.example[0]
    shape = (steps, *x.shape) if x.time is None else (*x.shape[: x.time], steps, *x.shape[x.time + 1 :])
    random = torch.Generator().manual_seed(0)
    if graph.rows:
        return torch.randint(graph.rows, shape, generator=random, dtype=like.dtype)
    spread = float(like.std(correction=0)) or 1.0
    return float(like.mean()) + spread * torch.randn(shape, generator=random)


def _frames(tensor: Tensor, value: Value) -> Array:
    """(time, width) from a tensor of the module."""
    assert value.time is not None
    return tensor.movedim(value.time, 0).reshape(tensor.shape[value.time], -1).numpy()


def _zeros(states: Sequence[Any]) -> list[Any]:
    zeros: list[Any] = pytree.tree_map_only(Tensor, torch.zeros_like, list(states))
    return zeros


def _first_of(answer: Any) -> Tensor:
    y: Tensor = pytree.tree_leaves(answer)[0]
    return y


def _distance(reference: Array | None, y: Array) -> float:
    if reference is None:
        return 0.0
    error = np.abs(reference - y).max(initial=0.0) / max(1.0, np.abs(reference).max(initial=0.0))
    return float(np.inf if np.isnan(error) else error)


def _first(traced: Traced, walked: Walked, graph: Graph) -> str:
    """The layer that differs at the earliest step, when the module runs on an input of the example's own shape."""
    if walked.x.time is None:
        return f"one of {', '.join(layer.name for layer in graph.layers)}"
    with double():
        xs = _sequence(traced, walked.x, graph, walked.x.length)
        values = _values(traced, xs)
        frames = _frames(xs, walked.x)
        worst: list[tuple[int, int, str]] = []
        for i, layer in enumerate(graph.layers):
            node, value = walked.places.get(layer.name, (None, None))
            if node is None or value is None or value.time is None:
                continue
            rest = {name: tensor for name, tensor in graph.rest.items() if name in _states(graph, i)}
            prefix = replace(graph, layers=graph.layers[: i + 1], rest=rest, labels=())
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
