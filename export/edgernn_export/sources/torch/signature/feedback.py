"""Feedback: which result of a module is which of its arguments in the next call, by name, or by order and shape."""

from collections.abc import Callable, Mapping, Sequence

from torch.fx import Node

from edgernn.errors import UnsupportedError, UsageError
from edgernn_export.sources.torch.signature.naming import by_name, by_structure

Names = Mapping[str, str | int]
"""An argument -> the name of the result that it is in the next call, or the result's position."""

Fits = Callable[[int, int], bool]
"""Whether an argument, by its position among the states, can be a result, by its position."""


def fed_back(
    inputs: Sequence[Node],
    groups: Sequence[Sequence[int]],
    outputs: Sequence[Node],
    names: Sequence[str],
    states: Names,
) -> tuple[int, ...]:
    """Return, for each argument besides the frame, the position of the result that it is in the next call.

    Arguments that `states` does not name are matched to results that are named or nested as they are. Others are
    matched to results of their shape, in the same order: to all results, when
    there are as many; otherwise to results after the first, which is the answer. When the order does not fit, each must
    have exactly one result that does. Where several fit, those that do not depend on the argument are left out.

    Args:
        inputs: the placeholders of the arguments besides the frame.
        groups: for each argument, the positions of its tensors among them.
        outputs: the results, flat.
        names: the name of each result.
        states: what the caller states.

    Raises:
        UsageError: `states` names an argument or a result that does not exist, or one result twice.
        UnsupportedError: a state that nothing feeds back, or that several results could be.
    """
    stated = _stated(inputs, outputs, names, states)
    for found in (by_name(inputs, outputs, names), by_structure(inputs, groups, outputs, names)):
        stated |= {i: j for i, j in found.items() if i not in stated and j not in stated.values()}
    shapes = [tuple(node.meta["val"].shape) for node in outputs]
    reached = [_reached(node) for node in inputs]

    def fits(i: int, j: int) -> bool:
        if i in stated:
            return stated[i] == j
        return tuple(inputs[i].meta["val"].shape) == shapes[j] and j not in stated.values()

    count, first = len(inputs), int(len(outputs) != len(inputs))
    if not first and all(fits(i, i) for i in range(count)):
        return tuple(range(count))
    fitting = [[j for j in range(0 if i in stated else first, len(outputs)) if fits(i, j)] for i in range(count)]
    dependent = [[j for j in each if i in stated or outputs[j] in reached[i]] for i, each in enumerate(fitting)]
    matched = in_order(fitting) or in_order(dependent)
    if matched is None:
        few = len({j for each in fitting for j in each}) < count
        known = dependent if all(dependent) or (few and all(fitting)) else fitting
        raise UnsupportedError(_refusal(inputs, known, outputs, names))
    return matched


def in_order(fitting: Sequence[Sequence[int]]) -> tuple[int, ...] | None:
    """Return the only results that fit in order, or in any order; None when there are none or several."""
    left, right = _leftmost(fitting), _rightmost(fitting)
    if left is not None and left == right:
        return left
    only = tuple(each[0] for each in fitting if len(each) == 1)
    return only if len(set(only)) == len(fitting) else None


def _stated(inputs: Sequence[Node], outputs: Sequence[Node], names: Sequence[str], states: Names) -> dict[int, int]:
    arguments = [node.name for node in inputs]
    stated: dict[int, int] = {}
    for argument, result in states.items():
        if argument not in arguments:
            raise UsageError(f"states= names '{argument}'; the arguments besides the frame are {_listed(arguments)}")
        known = isinstance(result, int) and 0 <= result < len(outputs)
        if not known and result not in names:
            raise UsageError(f"states= feeds '{argument}' by {result!r}; the results are {_shown(outputs, names)}")
        position = result if isinstance(result, int) else names.index(result)
        if position in stated.values():
            raise UsageError(f"states= feeds result {result!r} back twice; name another result for '{argument}'")
        i = arguments.index(argument)
        one, other = (tuple(node.meta["val"].shape) for node in (inputs[i], outputs[position]))
        if one != other:
            raise UsageError(f"states= feeds '{argument}' {one} by result {result!r} {other}; expected equal shapes")
        stated[i] = position
    return stated


def _leftmost(fitting: Sequence[Sequence[int]]) -> tuple[int, ...] | None:
    """Return the first results that fit in order."""
    chosen: list[int] = []
    for each in fitting:
        later = [j for j in each if not chosen or j > chosen[-1]]
        if not later:
            return None
        chosen.append(later[0])
    return tuple(chosen)


def _rightmost(fitting: Sequence[Sequence[int]]) -> tuple[int, ...] | None:
    """Return the last results that fit in order."""
    mirrored = _leftmost([[-j for j in reversed(each)] for each in reversed(fitting)])
    return None if mirrored is None else tuple(-j for j in reversed(mirrored))


def _reached(start: Node) -> set[Node]:
    """Return the operations that depend on a placeholder, and itself."""
    pending, reached = [start], {start}
    while pending:
        users = [user for user in pending.pop().users if user not in reached]
        reached.update(users)
        pending += users
    return reached


def _refusal(
    inputs: Sequence[Node], fitting: Sequence[Sequence[int]], outputs: Sequence[Node], names: Sequence[str]
) -> str:
    """Return why the arguments cannot be matched, for the first one that is at fault."""
    i = next((i for i, each in enumerate(fitting) if not each), None)
    if i is not None:
        return (
            f"argument '{inputs[i].name}' {tuple(inputs[i].meta['val'].shape)} is no state: no result of its shape can "
            f"be fed back; the results are {_shown(outputs, names)}. Return the state after the step, or "
            "pass sequences of equal lengths, and besides them only states; frames of one step are named by inputs="
        )
    i = next((i for i, each in enumerate(fitting) if len(each) > 1), None)
    if i is None:
        twice = next(each[0] for each in fitting if fitting.count(each) > 1)
        alike = [node.name for node, each in zip(inputs, fitting, strict=True) if each == [twice]]
        return (
            f"arguments {_listed(alike)} {tuple(outputs[twice].meta['val'].shape)} have one result between them, "
            f"'{names[twice]}'; return each state after the step, or name frames of one step by inputs="
        )
    argument = inputs[i].name
    could = " or ".join(f"{names[j]!r}" for j in fitting[i])
    return (
        f"argument '{argument}' {tuple(inputs[i].meta['val'].shape)} could be result {could}; say which: "
        f"from_torch(..., states={{'{argument}': {names[fitting[i][0]]!r}}})"
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names) or "none"


def _shown(outputs: Sequence[Node], names: Sequence[str]) -> str:
    return ", ".join(f"'{name}' {tuple(node.meta['val'].shape)}" for name, node in zip(names, outputs, strict=True))
