"""Two runs of a module on its example: a module whose outputs differ is refused with the reason."""

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
from edgernn_export.sources.torch.trace.copying import first_line, plain
from edgernn_export.sources.torch.trace.kept import KeepsStateError
from edgernn_export.sources.torch.trace.results import leaves_of

_CONSTANTS = (bool, int, float, complex, str, bytes, type(None))


class _Draws(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Records which operations draw random numbers, and whether any allocates memory without values."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.names: dict[str, None] = {}
        self.empties = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        del types
        if torch.Tag.nondeterministic_seeded in func.tags:
            self.names[str(func).split(".")[1].removesuffix("_")] = None
        self.empties |= str(func).split(".")[1] in {"empty", "empty_like", "new_empty"}
        return func(*args, **(kwargs or {}))


def run_twice(module: nn.Module, args: tuple[Any, ...]) -> dict[str, bool]:
    """Run a copy of the module twice, since no call may depend on an earlier one.

    Returns:
        The path of each module with `edgernn_cell` -> whether it returns a tuple.

    Raises:
        KeepsStateError: attributes of the module change from call to call, and its answers with them.
        UnsupportedError: the module does not accept the example, returns an object that is not a tensor, or returns
            other numbers the second time (the message names the reason).
    """
    used, kind = copy.deepcopy(module), type(module).__name__
    pairs: dict[str, bool] = {}

    def record(path: str, inner: nn.Module) -> Any:
        return inner.register_forward_hook(lambda *call: pairs.update({path: isinstance(call[2], tuple)}))

    hooks = [record(path, inner) for path, inner in used.named_modules() if hasattr(inner, "edgernn_cell")]
    try:
        with warnings.catch_warnings(action="ignore"):  # the user sees them when running the module
            first, second = (list(leaves_of(used(*fresh(args))).values()) for _ in range(2))
    except Exception as error:  # whatever the user's own code raises
        raise UnsupportedError(
            f"{kind} does not run on the example: {first_line(error)}; pass one sequence, shaped as the module takes "
            "it, or for a cell the tuple (frame, state)"
        ) from error
    finally:
        for hook in hooks:
            hook.remove()
    for leaf in first:
        if not isinstance(leaf, (Tensor, *_CONSTANTS)):
            raise UnsupportedError(
                f"{kind} returns a {type(leaf).__name__}, in which no tensors are seen; return a tensor, or tensors in "
                "a tuple, dictionary or dataclass"
            )
    if len(first) != len(second) or not all(map(_same, first, second)):
        why, names = _why(module, used, args)
        message = f"{kind} returns different numbers in two runs: {why}"
        raise KeepsStateError(message, names, used) if names else UnsupportedError(message)
    return pairs


def fresh(args: Any) -> Any:
    """Return copies of tensors, for a module that may write into its input."""
    return pytree.tree_map_only(Tensor, torch.clone, args)


def _why(module: nn.Module, used: nn.Module, args: tuple[Any, ...]) -> tuple[str, list[str]]:
    """Return why two runs of a module differ, and which attributes changed, from it and its copy that ran."""
    before, draws = _python_random(), _Draws()
    with draws, warnings.catch_warnings(action="ignore"):
        copy.deepcopy(module)(*fresh(args))
    drawn = [f"'{name}'" for name in draws.names]
    if not drawn and not all(map(_same, before, _python_random())):
        drawn = ["random or numpy.random"]
    if drawn:
        return (
            f"it draws random numbers ({', '.join(drawn)}); store noise that is drawn once as a buffer, draw samples "
            "from the scores after the step, and pass training=self.training to F.dropout"
        ), []
    names = sorted(_changed(module, used))
    if not names and draws.empties:
        return (
            "it reads elements of torch.empty that it never writes; write all of them, or begin with torch.zeros"
        ), []
    if names:
        listed = "', '".join(names)
        return (
            f"it keeps state of its own from call to call, in '{listed}'; take the state as an argument and return it, "
            "or use nn.RNN, nn.GRU or nn.LSTM"
        ), names
    return (
        "it keeps state outside the module, or draws random numbers outside torch; take the state as an argument and "
        "return it, and let the output depend on nothing else"
    ), []


def _python_random() -> list[Any]:
    """Return the states of the global generators of random and numpy."""
    return pytree.tree_leaves((random.getstate(), np.random.get_state()))  # noqa: NPY002 - the user's code may use it


def _changed(module: nn.Module, used: nn.Module) -> Iterator[str]:
    """Yield the attributes, by path, that differ between a module and its copy that ran."""
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
    """Whether two leaves are equal; objects other than numbers count as equal when their types are equal."""
    if isinstance(one, Tensor) and isinstance(two, Tensor):
        return one.dtype == two.dtype and torch.equal(one.nan_to_num(), two.nan_to_num())
    if isinstance(one, np.ndarray) and isinstance(two, np.ndarray):
        return np.array_equal(one, two)
    if isinstance(one, _CONSTANTS):
        return type(one) is type(two) and repr(one) == repr(two)  # nan equals nan
    return type(one) is type(two)
