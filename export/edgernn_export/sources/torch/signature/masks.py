"""Flags among the arguments: one number that resets states, as the "done" of an episode does."""

from collections.abc import Collection

from torch import Tensor
from torch.fx import Node

from edgernn_export.sources.torch.layers.axes import MOVES, RESHAPES, SAME
from edgernn_export.sources.torch.layers.builder import op_of

_KEEPS_A_MASK = frozenset(
    SAME
    | MOVES
    | RESHAPES
    | {"add", "bitwise_not", "expand", "ge", "gt", "le", "logical_not", "lt", "neg", "rsub", "sub"}
)
_RESETS = frozenset({"mul", "where", "masked_fill"})


def is_flag(node: Node, inputs: Collection[Node]) -> bool:
    """Whether an argument of one number, or of whole numbers, is no state but data.

    Args:
        node: the placeholder of an argument that no recurrent layer takes as its state.
        inputs: the placeholders of all arguments; the first is the frame.
    """
    value: Tensor = node.meta["val"]
    if not value.is_floating_point():
        return True
    return value.numel() == 1 and _resets_states(node, inputs)


def _resets_states(node: Node, inputs: Collection[Node]) -> bool:
    """Whether every use of an argument ends in a product with a state, or in a choice between it and a constant."""
    frame = next(iter(inputs))
    pending, masks, resets = [node], {node}, False
    while pending:
        for user in pending.pop().users:
            others = [each for each in user.all_input_nodes if each not in masks]
            if op_of(user) in _RESETS and others and all(_is_of_states(each, frame, inputs, masks) for each in others):
                resets = True
            elif op_of(user) in _KEEPS_A_MASK and not others:
                masks.add(user)
                pending.append(user)
            else:
                return False
    return resets


def _is_of_states(node: Node, frame: Node, inputs: Collection[Node], masks: Collection[Node]) -> bool:
    """Whether an operation depends on states, and neither on the frame nor on the flag itself."""
    pending, seen = [node], {node}
    while pending:
        sources = [each for each in pending.pop().all_input_nodes if each not in seen]
        seen.update(sources)
        pending += sources
    arguments = seen & set(inputs)
    return bool(arguments) and frame not in arguments and not seen & set(masks)
