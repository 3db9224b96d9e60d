"""Arguments that a module writes into: they become results too, since they are states."""

import copy
from functools import wraps
from typing import Any

from torch import Tensor, nn

from edgernn_export.sources.torch.trace.kept import with_forward
from edgernn_export.sources.torch.trace.repeated import fresh
from edgernn_export.sources.torch.trace.results import leaves_of, results_of


def returning_mutated(module: nn.Module, args: tuple[Any, ...], arguments: tuple[str, ...]) -> tuple[str, ...]:
    """Let a module return the tensors behind its first argument that it writes into and does not return.

    Args:
        module: a copy, which is changed; called once.
        args: its arguments.
        arguments: the name of each.

    Returns:
        The name of each of these results, which follow the module's own in a list; () when there are none, or the
        module does not run.
    """
    passed = fresh(args)
    try:
        answer = copy.deepcopy(module)(*passed)
    except Exception:  # whatever the user's code raises; the call that proves says so
        return ()
    returned = {_place(each) for each in results_of(answer).values()}
    tensors = leaves_of(dict(zip(arguments[1:], passed[1:], strict=True)))
    written = {
        name: i
        for i, (name, each) in enumerate(tensors.items())
        if isinstance(each, Tensor) and each._version and _place(each) not in returned  # noqa: SLF001 - torch has no other
    }
    if not written:
        return ()
    kind: Any = type(module)
    forward = kind.forward

    @wraps(forward)
    def returning(self: Any, *args: Any) -> Any:
        copies = fresh(args)  # the caller's stay as they are
        answer = forward(self, *copies)
        leaves = list(leaves_of(list(copies[1:])).values())
        return answer, [leaves[i] for i in written.values()]

    with_forward(module, returning)
    return tuple(written)


def _place(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
