"""What a module returns, by name: a tensor, or tensors in tuples, dictionaries, NamedTuples and dataclasses."""

import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from functools import wraps
from typing import Any

from torch import Tensor, nn

from edgernn.model.parts import LONGEST


def leaves_of(answer: Any) -> dict[str, Any]:
    """Return every leaf of what a module returns by its path: "1" or "gain", "1_gain" inside another; "" for one."""
    leaves: dict[str, Any] = {}
    for path, leaf in _walk(answer, ()):
        name = unique = re.sub(r"\W", "_", "_".join(path), flags=re.ASCII)[: LONGEST - 4]
        number = 2
        while unique in leaves:
            unique, number = f"{name}_{number}", number + 1
        leaves[unique] = leaf
    return leaves


def results_of(answer: Any) -> dict[str, Tensor]:
    """Return the tensors that a module returns by name, in order."""
    return {name: leaf for name, leaf in leaves_of(answer).items() if isinstance(leaf, Tensor)}


@contextmanager
def flat(module: nn.Module) -> Iterator[list[str]]:
    """Let a module return its results in a tuple, as torch.export takes them; yield a list that gets their names."""
    forward, names = module.forward, list[str]()

    @wraps(forward)
    def returning_a_tuple(*args: Any, **kwargs: Any) -> tuple[Tensor, ...]:
        results = results_of(forward(*args, **kwargs))
        names[:] = results
        return tuple(results.values())

    returning_a_tuple.__signature__ = inspect.signature(forward)  # type: ignore[attr-defined]
    own = vars(module).get("forward")
    module.forward = returning_a_tuple
    try:
        yield names
    finally:
        del module.forward
        if own is not None:
            module.forward = own


def without_added(names: Sequence[str], added: Sequence[str]) -> tuple[str, ...]:
    """Return the names of results as they are without some that follow in a list, and their own names after them."""
    if not added:
        return tuple(names)
    return (*(name.removeprefix("0").removeprefix("_") for name in names[: -len(added)]), *added)


def _walk(answer: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    children: Any = None
    if isinstance(answer, Mapping):
        children = answer.items()
    elif isinstance(answer, tuple) and hasattr(answer, "_fields"):
        children = zip(answer._fields, answer, strict=True)
    elif isinstance(answer, tuple | list):
        children = enumerate(answer)
    elif is_dataclass(answer) and not isinstance(answer, type):
        children = ((field.name, getattr(answer, field.name)) for field in fields(answer))
    if children is None:
        yield path, answer
        return
    for name, child in children:
        yield from _walk(child, (*path, str(name)))
