"""The arguments of a module: which are data, a frame at every step, and which are states."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.fx import Node
from torch.utils import _pytree as pytree

from edgernn.errors import UnsupportedError, UsageError
from edgernn.files.spelling import misspelt
from edgernn_export.sources.torch.axes import MOVES, RESHAPES, SAME
from edgernn_export.sources.torch.builder import op_of
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
    """

    example: tuple[Any, ...]
    data: tuple[int, ...]
    names: tuple[str, ...]

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """The example of each that is data."""
        return tuple(self.example[i] for i in self.data)

    @property
    def states(self) -> tuple[Any, ...]:
        """The example of all others."""
        return tuple(each for i, each in enumerate(self.example) if i not in self.data)

    def arguments(self, xs: Sequence[Tensor], states: Sequence[Any]) -> tuple[Any, ...]:
        """Return the arguments of a call with this data and these states."""
        each, others = iter(xs), iter(states)
        return tuple(next(each) if i in self.data else next(others) for i in range(len(self.example)))

    def nodes(self, traced: Traced) -> tuple[tuple[Node, ...], tuple[Node, ...]]:
        """Return the placeholders of the data, and those of the states."""
        owners = [i for i, each in enumerate(self.example) for _ in pytree.tree_leaves(each)]
        pairs = list(zip(owners, traced.inputs, strict=True))
        data, states = ([node for i, node in pairs if (i in self.data) == chosen] for chosen in (True, False))
        return tuple(data), tuple(states)


def inputs_of(traced: Traced, axis: int | None, chosen: Sequence[str]) -> Inputs:
    """Return which arguments are data.

    Without a choice, these are the first, and each other tensor that has as many steps on the time axis and is not the
    state of a recurrent layer. Of a module that takes one frame, all but the first are states.

    Args:
        traced: the module and its example.
        axis: the time axis of the example; None when the module takes one frame.
        chosen: the names of the arguments that are data; empty to find them.

    Raises:
        UsageError: there is no such argument.
        UnsupportedError: an argument that is chosen is not a tensor of as many steps.
    """
    example, names = traced.example, _names(traced.module, len(traced.example))
    for name in chosen:
        if name not in names:
            raise UsageError(f"forward has no argument '{name}'; {misspelt(name, names)}")
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
    return Inputs(example, tuple(places), tuple(names[i] for i in places))


def positional(module: nn.Module, example: Any) -> Any:
    """Return an example that is a dictionary by the names of forward's arguments as a tuple in their order.

    Raises:
        UnsupportedError: the names are not those of forward's arguments, or one between them is missing.
    """
    if not isinstance(example, Mapping):
        return example
    signature = inspect.signature(module.forward)
    try:
        bound = signature.bind(**example)
    except TypeError as error:
        raise UnsupportedError(
            f"an example of {', '.join(map(str, example))} arrived, and forward takes {signature}: {error}"
        ) from error
    if bound.kwargs:
        raise UnsupportedError(
            f"'{next(iter(bound.kwargs))}' is behind an argument of forward{signature} that the example lacks; give "
            "every argument up to the last one that is needed"
        )
    return bound.args


def _names(module: nn.Module, count: int) -> list[str]:
    """Return the names of forward's arguments."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = [each.name for each in inspect.signature(module.forward).parameters.values() if each.kind in kinds]
    return [*parameters, *(f"input{i}" for i in range(len(parameters), count))][:count]


def _has_steps(each: Any, first: Tensor, axis: int | None) -> bool:
    if not isinstance(each, Tensor):
        return False
    return axis is None or (each.dim() > axis and each.shape[axis] == first.shape[axis])


def _is_state(traced: Traced, place: int) -> bool:
    """Whether an argument becomes the state of a recurrent layer, as it is or rearranged."""
    at = sum(len(pytree.tree_leaves(each)) for each in traced.example[:place])
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
