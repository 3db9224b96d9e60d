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
from edgernn_export.sources.torch.layers.axes import MOVES, RESHAPES, SAME
from edgernn_export.sources.torch.layers.builder import op_of
from edgernn_export.sources.torch.operations.recurrent import RECURRENT_OPERATIONS
from edgernn_export.sources.torch.signature.feedback import Names, fed_back
from edgernn_export.sources.torch.signature.masks import is_flag
from edgernn_export.sources.torch.trace.tracing import Traced

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
        stated: the names of those of which the caller says so.
    """

    example: tuple[Any, ...]
    data: tuple[int, ...]
    names: tuple[str, ...]
    before: tuple[Tensor, ...]
    states: tuple[str, ...]
    feedback: tuple[int, ...]
    stated: frozenset[str] = frozenset()

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


def inputs_of(
    traced: Traced, axis: int | None, chosen: Sequence[str], states: Names | None = None, initial: bool = False
) -> Inputs:
    """Return which arguments are data.

    Without a choice, these are the first, each other tensor that has as many steps on the time axis and is not the
    state of a recurrent layer, and flags, which reset states. Any other is a state.

    Args:
        traced: the module and its example.
        axis: the time axis of the example; None when the module takes one frame.
        chosen: the names of the arguments that are data; empty to find them.
        states: as in `fed_back`.
        initial: whether the states in the example are the initial ones; else they begin with zeros.

    Raises:
        UsageError: there is no such argument, or `states` names what does not exist.
        UnsupportedError: an argument that is chosen is neither a tensor of as many steps nor of one, a state is not fed
            back, or an argument may be a state as well as data.
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
        if chosen:
            if names[i] in chosen:
                _check_steps(names[i], each, example[0], axis)
                places.append(i)
        elif axis is not None and has_steps(each, example[0], axis):
            if not _is_state(traced, i):
                places.append(i)
        elif _is_data(traced, i, states or {}):
            places.append(i)
    inputs = _with_states(traced, tuple(places), states or {}, initial)
    if not chosen:
        _check_answer(traced, inputs, states or {})
    return inputs


def _check_steps(name: str, each: Any, first: Tensor, axis: int | None) -> None:
    """Refuse data that is neither as long as the first nor the same for all frames of a call."""
    if has_steps(each, first, axis):
        return
    shape = getattr(each, "shape", None)
    if axis is None or shape is None or (len(shape) == first.dim() and shape[axis] != 1):
        raise UnsupportedError(
            f"input '{name}' is {_text(each)}; expected a tensor with as many steps as the first, {_text(first)}, has "
            f"on axis {axis}, or with one"
        )


def _is_data(traced: Traced, place: int, states: Names) -> bool:
    """Whether an argument besides the sequences is a value for each call, and no state."""
    owners = _owners(traced.example)
    if owners.count(place) != 1 or not isinstance(traced.example[place], Tensor) or _is_state(traced, place):
        return False
    node = traced.inputs[owners.index(place)]
    if node.name in states or not node.users:
        return False
    shapes = [tuple(each.meta["val"].shape) for each in traced.outputs[1:]]
    single = node.meta["val"].numel() == 1 and tuple(node.meta["val"].shape) not in shapes
    answers = len(traced.outputs) - traced.own_states
    return is_flag(node, traced.inputs) or (single and answers > 1)


def _check_answer(traced: Traced, inputs: Inputs, states: Names) -> None:
    """Refuse to feed the answer back to an argument that looks like a frame, where other results are states."""
    if 0 not in inputs.feedback or len(inputs.before) == traced.own_states + 1:
        return
    position = inputs.feedback.index(0)
    node, owners = inputs.nodes(traced)[1][position], _owners(traced.example)
    place = owners[traced.inputs.index(node)]
    like = owners.count(place) == 1 and inputs.before[position].shape == traced.example[0].shape
    if like and node.name not in states and not _is_state(traced, place):
        first = traced.arguments[0]
        raise UnsupportedError(
            f"argument '{node.name}' {tuple(inputs.before[position].shape)} could be a frame like '{first}', or a "
            f"state that the first result is in the next step; say which: inputs=('{first}', '{node.name}') or "
            f"states={{'{node.name}': 0}}"
        )


def _with_states(traced: Traced, data: tuple[int, ...], states: Names, initial: bool) -> Inputs:
    """Return the arguments with the states among them, each with the result that feeds it back."""
    own, answers = len(traced.example) - traced.own_states, traced.outputs[: len(traced.outputs) - traced.own_states]
    pairs = [pair for pair in zip(_owners(traced.example), traced.inputs, strict=True) if pair[0] not in data]
    passed = [node for i, node in pairs if i < own]
    names = [name or str(i) for i, name in enumerate(traced.names[: len(answers)])]
    places = [i for i, _ in pairs if i < own]
    groups = [[k for k, place in enumerate(places) if place == i] for i in dict.fromkeys(places)]
    feedback = fed_back(passed, groups, answers, names, states)
    before = [leaf for i, each in enumerate(traced.example[:own]) if i not in data for leaf in _leaves(each)]
    return Inputs(
        traced.example,
        data,
        tuple(traced.arguments[i] for i in data),
        (*(before if initial else map(torch.zeros_like, before)), *traced.example[own:]),
        (*(node.name for node in passed), *traced.arguments[own:]),
        (*feedback, *range(len(answers), len(traced.outputs))),
        frozenset(states),
    )


def _leaves(argument: Any) -> list[Tensor]:
    """Return the tensors in an argument, which may be None."""
    return [leaf for leaf in pytree.tree_leaves(argument) if leaf is not None]


def _owners(example: Sequence[Any]) -> list[int]:
    """Return the place of the argument that each tensor of the example is in."""
    return [i for i, each in enumerate(example) for _ in _leaves(each)]


def has_steps(each: Any, first: Tensor, axis: int | None) -> bool:
    """Whether an argument has a value for each step of the first; of a single frame, each tensor has."""
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
