"""In-place operations: where an alias of the old value is used later, torch writes them without side effects."""

from collections.abc import Mapping
from typing import Any

from torch.export import ExportedProgram
from torch.fx import Node

from edgernn_export.sources.torch.trace.silence import silence


def functional(program: ExportedProgram) -> ExportedProgram:
    """Return a program in which no operation changes what another one reads later."""
    order = {node: i for i, node in enumerate(program.graph.nodes)}
    if not any(_leaves_stale(node, order) for node in order):
        return program
    with silence():
        result: ExportedProgram = program.run_decompositions({})
    return result


def _leaves_stale(node: Node, order: Mapping[Node, int]) -> bool:
    """Whether this operation writes into a tensor that is used later under another name.

    A trace gives the result of y.mul_(2) a new name, and later uses of y refer to it. A slice of y taken before keeps
    its old name, and so does y when a slice of it is written.

    Args:
        node: an operation.
        order: the position of each operation in the trace.
    """
    schema = getattr(node.target, "_schema", None)
    if schema is None or not schema.is_mutable or not node.args or not isinstance(node.args[0], Node):
        return False
    root: Node = node.args[0]
    while _is_view(root) and isinstance(root.args[0], Node):
        root = root.args[0]
    pending, aliases = [root], []
    while pending:
        alias = pending.pop()
        aliases.append(alias)
        pending += [user for user in alias.users if _is_view(user) and user.args[0] is alias and user is not node]
    return any(order[user] > order[node] for alias in aliases if order[alias] < order[node] for user in alias.users)


def _is_view(node: Any) -> bool:
    return bool(getattr(node.target, "is_view", False))
