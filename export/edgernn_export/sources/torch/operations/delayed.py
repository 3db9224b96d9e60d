"""Recurrent operations whose states are values of their own: a Delay carries them, or other layers compute them."""

from collections.abc import Sequence
from dataclasses import fields
from itertools import pairwise
from typing import Any

import torch

from edgernn.cells import (
    Gru,
    GruResetBefore,
    GruResetBeforeStep,
    GruStep,
    Lstm,
    LstmPeephole,
    LstmPeepholeStep,
    LstmStep,
    Rnn,
    RnnStep,
    Slice,
)
from edgernn_export.sources.torch.layers.builder import Builder, NeedsDelayError, name_of
from edgernn_export.sources.torch.layers.value import Carried, Flowing, Incoming, Stack, Value

LOST = (
    "its state is not passed in by the caller, and so would be lost after each frame; take it as an argument, return "
    "it, and pass example=(frame, state)"
)

STEPS: dict[type[Any], type[Any]] = {
    Rnn: RnnStep,
    Gru: GruStep,
    GruResetBefore: GruResetBeforeStep,
    Lstm: LstmStep,
    LstmPeephole: LstmPeepholeStep,
}
"""A cell -> the same formula with its states as inputs."""


def delayed(
    b: Builder, x: Value, cells: Sequence[Any], before: Sequence[Any], out: tuple[int, ...], finals: Sequence[Any]
) -> tuple[Flowing, ...]:
    """Convert layers whose states are values of their own: computed by other layers, or carried by a Delay each."""
    if x.lead:
        raise b.refuse(
            f"its input begins {-x.lead} frames late, and its states are computed or read by other operations; pad the "
            "convolution before it on the left only"
        )
    after: list[list[Value]] = [[] for _ in before]
    shared = x.width // x.shape[-1]  # how many parts of a frame share the layers
    for i, cell in enumerate(cells):
        suffix = f"_l{i}" if len(cells) > 1 else ""
        widths = list(cell.states.values())
        names = [f"{name_of(b.node)}{suffix}_{name}" for name in cell.states]
        states = [
            _state(b, x, state, (i, len(cells), shared * width), name)
            for state, width, name in zip(before, widths, names, strict=True)
        ]
        layer = b.add(_stepping(b, cell), [x, *states], suffix, shared)
        step = Value(layer, (shared * sum(widths),), None, x.lead, x.every, x.right)
        parts = [step]
        if len(widths) > 1:
            edges = [sum(widths[:k]) for k in range(len(widths) + 1)]
            parts = [
                step.of(b.add(Slice(edges[-1], *ends), [step], f"{suffix}_{name}_after", shared))
                for ends, name in zip(pairwise(edges), cell.states, strict=True)
            ]
        for state, part in zip(states, parts, strict=True):
            if x.time is not None:
                b.feed_back(state.layer, part.layer)
        for values, part, shape in zip(after, parts, finals, strict=True):
            values.append(part.at(tuple(shape[1:]), None))
        x = parts[0].at(out, x.time)
    return x, *(Stack(tuple(values), shape) for values, shape in zip(after, finals, strict=True))


def _state(b: Builder, x: Value, state: Any, place: tuple[int, int, int], name: str) -> Value:
    """Return the state of one layer of a stack as a value.

    Args:
        b: the builder.
        x: the input of the layer.
        state: the states of all layers before the step.
        place: which layer it is, of how many, and its width.
        name: of the Delay, where one is needed.
    """
    i, layers, width = place
    if isinstance(state, Incoming):
        raise NeedsDelayError(state.position)
    if isinstance(state, Carried):
        raise NeedsDelayError(b.operations[state.layers[0]])
    if isinstance(state, torch.Tensor) and x.time is not None:
        return Value(b.delay(name, width, state.reshape(layers, -1)[i], x.every), (width,), None, 0, x.every)
    if isinstance(state, torch.Tensor):
        raise b.refuse(LOST)
    if x.time is not None:
        raise b.refuse("its initial state is computed from the input; use zeros or a parameter")
    if isinstance(state, Stack):
        return state.values[i]
    value: Value = state
    return value if layers == 1 else value.of(b.add(Slice(layers * width, i * width, (i + 1) * width), [value]))


def _stepping(b: Builder, cell: Any) -> Any:
    if type(cell) not in STEPS:
        known = ", ".join(each.__name__ for each in STEPS)
        raise b.refuse(
            f"its states are computed or read by other operations, and {type(cell).__name__} is not one of the cells "
            f"whose states can be: {known}"
        )
    return STEPS[type(cell)](**{field.name: getattr(cell, field.name) for field in fields(cell)})
