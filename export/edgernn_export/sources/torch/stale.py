"""Operations in place: where a name for the old value is still read, the trace and the module mean different things."""

from collections.abc import Mapping
from typing import Any

from torch.fx import Node


def leaves_stale(node: Node, order: Mapping[Node, int]) -> bool:
    """Whether this operation writes into a tensor of which another name is read later.

    A trace gives the result of y.mul_(2) a new name, which the later uses of y have; a slice of y taken before keeps
    its own, and so does y when a slice of it is written.

    Args:
        node: an operation.
        order: the place of each operation in the trace.
    """
    schema = getattr(node.target, "_schema", None)
    if schema is None or not schema.is_mutable or not node.args or not isinstance(node.args[0], Node):
        return False
    root: Node = node.args[0]
    while _is_view(root) and isinstance(root.args[0], Node):
        root = root.args[0]
    names, found = [root], []
    while names:
        name = names.pop()
        found.append(name)
        names += [user for user in name.users if _is_view(user) and user.args[0] is name and user is not node]
    return any(order[user] > order[node] for name in found if order[name] < order[node] for user in name.users)


def _is_view(node: Any) -> bool:
    return bool(getattr(node.target, "is_view", False))
