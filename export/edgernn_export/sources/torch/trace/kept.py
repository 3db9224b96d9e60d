"""State that a module keeps in its attributes from call to call, turned into arguments and results of its forward."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from edgernn.errors import UnsupportedError
from edgernn_export.sources.torch.trace.results import results_of

TOLERANCE = 1e-9  # relative to the largest output, or to 1
CALLS = 3  # of the module itself, against the same calls with its state handed over


class KeepsStateError(UnsupportedError):
    """A module's answers depend on earlier calls, by attributes that change; `ran` is the copy that was called."""

    def __init__(self, message: str, names: Sequence[str], ran: nn.Module) -> None:
        super().__init__(message)
        self.names, self.ran = tuple(names), ran


def handed_over(module: nn.Module, ran: nn.Module, names: Sequence[str]) -> tuple[Any, ...] | None:
    """Make a module take the attributes of these names as its last arguments, and return them after its results.

    An attribute that is None before the first call starts with zeros.

    Args:
        module: a copy that has not run; it is changed.
        ran: another copy, which has run at least once.
        names: the attributes by path, such as "encoder.h".

    Returns:
        The values before the first call, flat; None when an attribute holds anything besides real tensors.
    """
    initial, structures = [], []
    for name in names:
        leaves, structure = pytree.tree_flatten(_get(ran, name))
        before = pytree.tree_leaves(_get(module, name))
        if not leaves or not all(isinstance(leaf, Tensor) and leaf.is_floating_point() for leaf in leaves):
            return None
        if [getattr(leaf, "shape", None) for leaf in before] != [leaf.shape for leaf in leaves]:
            if any(leaf is not None for leaf in before):
                return None
            before = [torch.zeros_like(leaf) for leaf in leaves]
        initial += [leaf.detach().clone() for leaf in before]
        _make_plain(module, name)
        structures.append(structure)
    kind: Any = type(module)
    with_forward(module, _forward(kind.forward, names, structures))
    return tuple(initial)


def with_forward(module: nn.Module, forward: Any) -> None:
    """Give one module another forward, a function of itself and its arguments, which its copies keep."""
    kind: Any = type(module)
    module.__class__ = type(kind.__name__, (kind,), {"forward": forward, "__module__": kind.__module__})


def check_same(module: nn.Module, stateful: nn.Module, args: tuple[Any, ...], initial: tuple[Any, ...]) -> None:
    """Check that a module answers the same with its state handed over, in calls one after another.

    Raises:
        UnsupportedError: it does not.
    """
    states, random = list(initial), torch.Generator().manual_seed(0)
    for _ in range(CALLS):
        noise = [_noise(arg, random) for arg in args]
        expected = list(results_of(module(*pytree.tree_map_only(Tensor, torch.clone, noise))).values())
        leaves = list(results_of(stateful(*pytree.tree_map_only(Tensor, torch.clone, noise), *states)).values())
        answers, states = leaves[: len(leaves) - len(initial)], leaves[len(leaves) - len(initial) :]
        if len(answers) != len(expected) or not all(map(_close, answers, expected)):
            raise UnsupportedError(
                f"{type(module).__name__} keeps state of its own and answers otherwise when it starts from zeros; take "
                "the state as an argument and return it"
            )


def _forward(forward: Any, names: Sequence[str], structures: Sequence[Any]) -> Any:
    """Return a forward that takes and returns the attributes, and leaves the module as it was."""
    count = sum(structure.num_leaves for structure in structures)

    def stateful(self: Any, *args: Any) -> Any:
        states = [state.clone() for state in args[len(args) - count :]]  # the module may write into them
        before = [_get(self, name) for name in names]
        try:
            for name, structure in zip(names, structures, strict=True):
                _set(self, name, pytree.tree_unflatten(states[: structure.num_leaves], structure))
                del states[: structure.num_leaves]
            result = forward(self, *args[: len(args) - count])
            return result, [leaf for name in names for leaf in pytree.tree_leaves(_get(self, name))]
        finally:
            for name, value in zip(names, before, strict=True):
                _set(self, name, value)

    return stateful


def _make_plain(module: nn.Module, name: str) -> None:
    """Turn a buffer into a plain attribute, whose assignment torch.export does not record."""
    path, _, attribute = name.rpartition(".")
    inner = module.get_submodule(path)
    if attribute in inner._buffers:  # noqa: SLF001 - torch has no public access to it
        value = getattr(inner, attribute)
        delattr(inner, attribute)
        setattr(inner, attribute, value)


def _get(module: nn.Module, name: str) -> Any:
    path, _, attribute = name.rpartition(".")
    return getattr(module.get_submodule(path), attribute, None)


def _set(module: nn.Module, name: str, value: Any) -> None:
    path, _, attribute = name.rpartition(".")
    setattr(module.get_submodule(path), attribute, value)


def _noise(arg: Any, random: torch.Generator) -> Any:
    real = isinstance(arg, Tensor) and arg.is_floating_point()
    return torch.randn(arg.shape, generator=random) if real else arg


def _close(one: Tensor, other: Tensor) -> bool:
    scale = max(1.0, float(other.abs().max()))
    return one.shape == other.shape and float((one - other).abs().max()) <= TOLERANCE * scale
