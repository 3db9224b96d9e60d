"""torch.export of a module: recurrent layers stay whole operations, and failures name their reason."""

import sysconfig
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.overrides import TorchFunctionMode

from edgernn.errors import UnsupportedError
from edgernn_export.sources.torch.trace.copying import first_line
from edgernn_export.sources.torch.trace.silence import silence

WHOLE = "edgernn.whole_"
"""The prefix of recurrent operations that stay whole."""

_PATHS = sysconfig.get_paths()
_PACKAGES = tuple(str(Path(str(torch.__file__)).parents[1] / name) for name in ("torch", "sympy", "numpy"))
_OURS = str(Path(__file__).parents[2])


def exported(module: nn.Module, args: tuple[Any, ...]) -> ExportedProgram:
    """Return the module's operations on one example.

    Raises:
        UnsupportedError: torch.export cannot follow the module, with the line of the module's code and the reason.
    """
    with silence(), _WholeRecurrence():
        try:
            return torch.export.export(module, args, strict=False)
        except Exception as error:  # torch.export raises dozens of types, of its own and of Python
            raise UnsupportedError(
                f"torch.export cannot follow {type(module).__name__}{_place(error)}: {_reason(error)}"
            ) from None  # its traceback is hundreds of lines of torch's own; it stays in __context__


def _reason(error: BaseException) -> str:
    if isinstance(error, _PackedError):
        return (
            "it packs sequences by their lengths, which are values; a stream is one sequence without padding: remove "
            "packing from the module"
        )
    message = first_line(error)
    if "data-dependent" in str(error) or "_local_scalar_dense" in str(error):
        return (
            "what it does depends on the values in its input, and a graph does the same at every step; move decisions "
            "out of the module, or write them as torch.where, and turn checks of values off (validate_args=False in "
            "torch.distributions)"
        )
    return f"{message}; write this part with other operations, or give its module `edgernn_cell() -> Cell`"


def _place(error: BaseException) -> str:
    """Return the last line of the traceback that is the user's own code."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if _is_users(frame.filename) and frame.line:
            return f" at {Path(frame.filename).name}:{frame.lineno} ({frame.line.strip()})"
    return ""


def _is_users(path: str) -> bool:
    installed = path.startswith((_PATHS["purelib"], _PATHS["platlib"]))
    standard = path.startswith(_PATHS["stdlib"]) and not installed
    return not (standard or path.startswith(("<", _OURS, *_PACKAGES)))


class _PackedError(Exception):
    """A recurrent layer receives a packed sequence."""


class _WholeRecurrence(TorchFunctionMode):
    """Calls each recurrent layer as one operation, since torch.export would compute its shapes step by step."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        del types
        whole = _WHOLE.get(func)
        packs = getattr(func, "__name__", "") == "_pack_padded_sequence"
        if packs or (whole is not None and not isinstance(args[3], bool)):  # a packed sequence has its weights there
            raise _PackedError
        if whole is not None:
            return whole(*args)
        return func(*args, **(kwargs or {}))


def _define(name: str) -> Any:
    """Define an operation equal to the ATen operation of this name, which torch.export does not decompose."""
    compute, own = getattr(torch, name), f"edgernn::whole_{name}"
    schema = str(getattr(torch.ops.aten, name).input._schema)  # noqa: SLF001 - torch has no public access to it
    torch.library.define(own, schema[schema.index("(") :])
    torch.library.impl(own, "CPU", compute)
    torch.library.register_fake(own, _shapes)
    return getattr(torch.ops.edgernn, f"whole_{name}").default


def _shapes(
    x: Tensor, hx: Tensor | Sequence[Tensor], weights: Any, biases: bool, layers: int, dropout: float, train: bool,
    bidirectional: bool, batch_first: bool,
) -> tuple[Tensor, ...]:  # fmt: skip
    """Return empty results of a recurrent layer: the output of every step, and each final state."""
    del weights, biases, layers, dropout, train, batch_first
    states = [hx] if isinstance(hx, Tensor) else hx
    width = states[0].shape[-1] * (2 if bidirectional else 1)
    return x.new_empty((*x.shape[:-1], width)), *(torch.empty_like(state) for state in states)


_WHOLE = {getattr(torch, name): _define(name) for name in ("gru", "lstm", "rnn_tanh", "rnn_relu")}


def as_whole(operation: Any) -> Any:
    """Return the operation that stays whole for a recurrent one of ATen; any other as it is."""
    name = str(operation).removeprefix("aten.").removesuffix(".input")
    return _WHOLE.get(getattr(torch, name, None), operation) if str(operation).endswith(".input") else operation
