"""Running a module twice on its example: two answers that differ must be explained, not converted."""

import copy
import random
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from edgernn.errors import UnsupportedError
from edgernn_export.sources.torch.copying import first_line, plain

_CONSTANTS = (bool, int, float, complex, str, bytes, type(None))


class _Draws(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Writes down which operations draw random numbers."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.names: dict[str, None] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        del types
        if torch.Tag.nondeterministic_seeded in func.tags:
            self.names[str(func).split(".")[1].removesuffix("_")] = None
        return func(*args, **(kwargs or {}))


def run_twice(module: nn.Module, args: tuple[Any, ...]) -> dict[str, bool]:
    """Run a copy of the module for real, twice, since no call may depend on an earlier one.

    Returns:
        The path of each module with `edgernn_cell`, and whether it answers with a tuple.

    Raises:
        UnsupportedError: the module does not accept the example, answers with something that is no tensor, or
            answers differently the second time, with the reason.
    """
    used, kind = copy.deepcopy(module), type(module).__name__
    pairs: dict[str, bool] = {}

    def watch(path: str, inner: nn.Module) -> Any:
        return inner.register_forward_hook(lambda *call: pairs.update({path: isinstance(call[2], tuple)}))

    hooks = [watch(path, inner) for path, inner in used.named_modules() if hasattr(inner, "edgernn_cell")]
    try:
        with warnings.catch_warnings(action="ignore"):  # whoever runs the module hears them
            first, second = (pytree.tree_leaves(used(*fresh(args))) for _ in range(2))
    except Exception as error:  # whatever the user's own code raises
        raise UnsupportedError(
            f"{kind} does not run on the example: {first_line(error)}; give one sequence, shaped as the module takes "
            "it, or for a cell its tuple (frame, state)"
        ) from error
    finally:
        for hook in hooks:
            hook.remove()
    for leaf in first:
        if not isinstance(leaf, (Tensor, *_CONSTANTS)):
            raise UnsupportedError(
                f"{kind} answers with a {type(leaf).__name__}, of which torch.export knows no tensors; return a "
                "tensor, or a tuple or dictionary of tensors"
            )
    if len(first) != len(second) or not all(map(_same, first, second)):
        raise UnsupportedError(f"{kind} answers twice with different numbers: {_why(module, used, args)}")
    return pairs


def fresh(args: Any) -> Any:
    """Copies of tensors, for a module that may write into its input."""
    return pytree.tree_map_only(Tensor, torch.clone, args)


def _why(module: nn.Module, used: nn.Module, args: tuple[Any, ...]) -> str:
    """What the module did between two answers that differ: the module before it ran, and after."""
    before, draws = _python_random(), _Draws()
    with draws, warnings.catch_warnings(action="ignore"):
        copy.deepcopy(module)(*fresh(args))
    drawn = [f"'{name}'" for name in draws.names]
    if not drawn and not all(map(_same, before, _python_random())):
        drawn = ["random or numpy.random"]
    if drawn:
        return (
            f"it draws random numbers ({', '.join(drawn)}); keep noise that is drawn once as a buffer, draw samples "
            "from the scores after the step, and give F.dropout training=self.training"
        )
    names = "', '".join(sorted(_changed(module, used)))
    if names:
        return (
            f"it keeps state of its own from call to call, in '{names}'; take the state as an argument and return it, "
            "or leave it to nn.GRU and the like"
        )
    return (
        "it keeps state of its own outside of itself, or draws random numbers outside of torch; take the state as an "
        "argument and return it, and let nothing else change the answer"
    )


def _python_random() -> list[Any]:
    """The states of the generators that random and numpy share among all."""
    return pytree.tree_leaves((random.getstate(), np.random.get_state()))  # noqa: NPY002 - the user's code may draw there


def _changed(module: nn.Module, used: nn.Module) -> Iterator[str]:
    """The attributes, by path, that differ between a module and its copy that ran."""
    internal = vars(nn.Module()).keys() | vars(nn.GRU(1, 1)).keys()
    ran = dict(used.named_modules())
    for path, inner in module.named_modules():
        if path not in ran:
            continue
        old, new = (_attributes(each) for each in (inner, ran[path]))
        for name in (old.keys() | new.keys()) - internal:
            one, two = (pytree.tree_leaves(each.get(name)) for each in (old, new))
            if len(one) != len(two) or not all(map(_same, one, two)):
                yield f"{path}.{name}" if path else name


def _attributes(module: nn.Module) -> Mapping[str, Any]:
    return {
        **dict(plain(module)),
        **dict(module.named_parameters(recurse=False)),
        **dict(module.named_buffers(recurse=False)),
    }


def _same(one: Any, two: Any) -> bool:
    """Whether two leaves are equal; objects that are no numbers count as equal when they are of one type."""
    if isinstance(one, Tensor) and isinstance(two, Tensor):
        return one.dtype == two.dtype and torch.equal(one.nan_to_num(), two.nan_to_num())
    if isinstance(one, np.ndarray) and isinstance(two, np.ndarray):
        return np.array_equal(one, two)
    if isinstance(one, _CONSTANTS):
        return type(one) is type(two) and repr(one) == repr(two)  # a nan is itself
    return type(one) is type(two)
