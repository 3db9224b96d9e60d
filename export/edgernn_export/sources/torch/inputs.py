"""The arguments of a module: which are data, a frame at every step, and which are states."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.fx import Node
from torch.utils import _pytree as pytree

from edgernn.errors import UnsupportedError, UsageError
from edgernn.files.spelling import misspelt
from edgernn_export.sources.torch.axes import MOVES, RESHAPES, SAME
from edgernn_export.sources.torch.builder import op_of
from edgernn_export.sources.torch.feedback import Names, fed_back
from edgernn_export.sources.torch.recurrent import RECURRENT_OPERATIONS
from edgernn_export.sources.torch.tracing import Traced

STATEFUL = {*RECURRENT_OPERATIONS, *(f"{name}_cell" for name in RECURRENT_OPERATIONS)}


@dataclass(frozen=True)
class Inputs:
    """The arguments of a module.

    Attributes:
        example: all arguments.
        data: the places of those that are data, in order; the first is 0.
        names: the name of each of them.
        before: the states before the first call, flat.
        states: the name of each of them.
        feedback: the place of the result that each of them is in the next call.
    """

    example: tuple[Any, ...]
    data: tuple[int, ...]
    names: tuple[str, ...]
    before: tuple[Tensor, ...]
    states: tuple[str, ...]
    feedback: tuple[int, ...]

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """The example of each that is data."""
        return tuple(self.example[i] for i in self.data)

    def arguments(self, xs: Sequence[Tensor], states: Sequence[Tensor]) -> tuple[Any, ...]:
        """Return the arguments of a call with this data and copies of these states, nested as in the example."""
        each, flat = iter(xs), iter(states)

        def state(_: Tensor) -> Tensor:
            return next(flat).clone()

        return tuple(
            next(each) if i in self.data else pytree.tree_map_only(Tensor, state, argument)
            for i, argument in enumerate(self.example)
        )

    def nodes(self, traced: Traced) -> tuple[tuple[Node, ...], tuple[Node, ...]]:
        """Return the placeholders of the data, and those of the states."""
        pairs = list(zip(_owners(self.example), traced.inputs, strict=True))
        data, states = ([node for i, node in pairs if (i in self.data) == chosen] for chosen in (True, False))
        return tuple(data), tuple(states)


def inputs_of(traced: Traced, axis: int | None, chosen: Sequence[str], states: Names | None = None) -> Inputs:
    """Return which arguments are data.

    Without a choice, these are the first, and each other tensor that has as many steps on the time axis and is not the
    state of a recurrent layer. Of a module that takes one frame, all but the first are states.

    Args:
        traced: the module and its example.
        axis: the time axis of the example; None when the module takes one frame.
        chosen: the names of the arguments that are data; empty to find them.
        states: as in `fed_back`.

    Raises:
        UsageError: there is no such argument, or `states` names what does not exist.
        UnsupportedError: an argument that is chosen is not a tensor of as many steps, or a state is not fed back.
    """
    own = len(traced.example) - traced.own_states
    example, names = traced.example[:own], traced.arguments[:own]
    for name in chosen:
        if name not in names:
            raise UsageError(f"forward has no argument '{name}'; {misspelt(name, list(names))}")
    if chosen and names[0] not in chosen:
        raise UsageError(f"inputs={tuple(chosen)!r} lacks '{names[0]}', the first argument of forward, which is data")
    places = [0]
    for i, each in enumerate(example[1:], 1):
        if chosen and names[i] not in chosen:
            continue
        if _has_steps(each, example[0], axis) and (chosen or (axis is not None and not _is_state(traced, i))):
            places.append(i)
        elif chosen:
            raise UnsupportedError(
                f"input '{names[i]}' is {_text(each)}; expected a tensor with as many steps as the first, "
                f"{_text(example[0])}, has on axis {axis}"
            )
    return _with_states(traced, tuple(places), states or {})


def _with_states(traced: Traced, data: tuple[int, ...], states: Names) -> Inputs:
    """Return the arguments with the states among them, each with the result that feeds it back."""
    own, answers = len(traced.example) - traced.own_states, traced.outputs[: len(traced.outputs) - traced.own_states]
    pairs = [pair for pair in zip(_owners(traced.example), traced.inputs, strict=True) if pair[0] not in data]
    passed = [node for i, node in pairs if i < own]
    names = [name or str(i) for i, name in enumerate(traced.names[: len(answers)])]
    feedback = fed_back(passed, answers, names, states)
    before = [leaf for i, each in enumerate(traced.example[:own]) if i not in data for leaf in _leaves(each)]
    return Inputs(
        traced.example,
        data,
        tuple(traced.arguments[i] for i in data),
        (*map(torch.zeros_like, before), *traced.example[own:]),
        (*(node.name for node in passed), *traced.arguments[own:]),
        (*feedback, *range(len(answers), len(traced.outputs))),
    )


def _leaves(argument: Any) -> list[Tensor]:
    """Return the tensors in an argument, which may be None."""
    return [leaf for leaf in pytree.tree_leaves(argument) if leaf is not None]


def _owners(example: Sequence[Any]) -> list[int]:
    """Return the place of the argument that each tensor of the example is in."""
    return [i for i, each in enumerate(example) for _ in _leaves(each)]


def _has_steps(each: Any, first: Tensor, axis: int | None) -> bool:
    if not isinstance(each, Tensor):
        return False
    return axis is None or (each.dim() > axis and each.shape[axis] == first.shape[axis])


def _is_state(traced: Traced, place: int) -> bool:
    """Whether an argument becomes the state of a recurrent layer, as it is or rearranged."""
    if place not in _owners(traced.example):
        return False
    at = _owners(traced.example).index(place)
    pending, seen = [traced.inputs[at]], set[Node]()
    while pending:
        node = pending.pop()
        for user in node.users:
            if op_of(user) in STATEFUL and node in pytree.tree_leaves(user.args[1]):
                return True
            if op_of(user) in SAME | MOVES | RESHAPES and user not in seen:
                seen.add(user)
                pending.append(user)
    return False


def _text(each: Any) -> str:
    return f"of shape {tuple(each.shape)}" if isinstance(each, Tensor) else f"a {type(each).__name__}"
