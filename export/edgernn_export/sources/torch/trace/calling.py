"""How a module is called: its arguments by name, and state of its own handed over as further arguments."""

import copy
import inspect
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.utils import _pytree as pytree

from edgernn.errors import UnsupportedError
from edgernn_export.sources.torch.trace.kept import KeepsStateError, check_same, handed_over
from edgernn_export.sources.torch.trace.repeated import run_twice


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


def arguments_of(module: nn.Module, count: int) -> tuple[str, ...]:
    """Return the names of forward's arguments."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = [each.name for each in inspect.signature(module.forward).parameters.values() if each.kind in kinds]
    return (*parameters, *(f"input{i}" for i in range(len(parameters), count)))[:count]


def without_state(
    module: nn.Module, args: tuple[Any, ...]
) -> tuple[nn.Module, dict[str, bool], tuple[Tensor, ...], tuple[str, ...]]:
    """Return the module without state of its own, what `run_twice` returns, and its states with their attributes."""
    try:
        return module, run_twice(module, args), (), ()
    except KeepsStateError as error:
        stateful = copy.deepcopy(module)
        kept = handed_over(stateful, error.ran, error.names)
        if kept is None:
            raise
        pairs = run_twice(stateful, (*args, *kept))
        check_same(module, stateful, args, kept)
        names = [name for name in error.names for _ in pytree.tree_leaves(_attribute(error.ran, name))]
        return stateful, pairs, kept, tuple(names)


def _attribute(module: nn.Module, name: str) -> Any:
    path, _, attribute = name.rpartition(".")
    return getattr(module.get_submodule(path), attribute)
