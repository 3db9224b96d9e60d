"""The weights and activations of RNN, GRU and LSTM of ONNX, one direction after another.

Gates are in the order of ONNX: z, r, h of a GRU, and i, o, f, c of an LSTM.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from edgernn_export.sources.onnx.call import Call


@dataclass(frozen=True)
class Kind:
    """A recurrent operator.

    Attributes:
        operation: torch's layers by their activations; each has a place for each gate of torch in the order of ONNX.
        order: for each gate of torch, its place in ONNX.
        activations: by default, for one direction.
        states: how many.
    """

    operation: Mapping[tuple[str, ...], Callable[..., Any]]
    order: tuple[int, ...]
    activations: tuple[str, ...]
    states: int = 1


KINDS: Mapping[str, Kind] = {
    "RNN": Kind({("tanh",): torch.rnn_tanh, ("relu",): torch.rnn_relu}, (0,), ("tanh",)),
    "GRU": Kind({("sigmoid", "tanh"): torch.gru}, (1, 0, 2), ("sigmoid", "tanh")),
    "LSTM": Kind({("sigmoid", "tanh", "tanh"): torch.lstm}, (0, 2, 3, 1), ("sigmoid", "tanh", "tanh"), 2),
}
"""Operator -> what it is in torch."""

ACTIVATIONS: Mapping[str, tuple[Callable[..., Tensor], tuple[float, ...]]] = {
    "relu": (torch.relu, ()),
    "tanh": (torch.tanh, ()),
    "sigmoid": (torch.sigmoid, ()),
    "softsign": (F.softsign, ()),
    "softplus": (F.softplus, ()),
    "elu": (F.elu, (1.0,)),
    "leakyrelu": (F.leaky_relu, (0.01,)),
    "thresholdedrelu": (lambda x, alpha: F.threshold(x, alpha, 0.0), (1.0,)),
    "affine": (lambda x, alpha, beta: x * alpha + beta, (1.0, 0.0)),
    "scaledtanh": (lambda x, alpha, beta: torch.tanh(x * beta) * alpha, (1.0, 1.0)),
    "hardsigmoid": (lambda x, alpha, beta: torch.clamp(x * alpha + beta, 0.0, 1.0), (0.2, 0.5)),
}
"""Activation in lower case -> its function, and its alpha and beta by default."""


@dataclass(frozen=True)
class Way:
    """One direction of a recurrent operator: its weights as ONNX has them, and its activations with their arguments."""

    w: Tensor
    r: Tensor
    b: Tensor | None
    p: Tensor | None
    activations: tuple[tuple[str, tuple[float, ...]], ...]
    backward: bool


def ways_of(call: Call, constants: Sequence[Tensor | None]) -> list[Way]:
    """Return each direction of a node, from its operands W, R, B and P.

    Raises:
        UnsupportedError: an attribute has a value that is not supported, or the weights do not fit.
    """
    kind, (w, r, b, p), direction = KINDS[call.operator], constants, call.get("direction", "forward")
    if direction not in {"forward", "reverse", "bidirectional"}:
        raise call.refuse(f"direction '{direction}'; expected forward, reverse or bidirectional")
    count = 2 if direction == "bidirectional" else 1
    if w is None or r is None or w.dim() != 3 or r.dim() != 3 or len(w) != count or len(r) != count:
        raise call.refuse(f"its weights W and R are missing or of another shape; expected three axes, {count} first")
    gates, hidden = len(kind.order), r.shape[2]
    fits = w.shape[1] == r.shape[1] == gates * hidden == gates * call.get("hidden_size", hidden)
    fits = fits and (b is None or tuple(b.shape) == (count, 2 * gates * hidden))
    if not fits or (p is not None and tuple(p.shape) != (count, 3 * hidden)):
        raise call.refuse(
            f"its weights W {tuple(w.shape)}, R {tuple(r.shape)}, B {None if b is None else tuple(b.shape)} and P "
            f"{None if p is None else tuple(p.shape)} do not fit {gates} gates of {hidden} units; export it again"
        )
    activations = _activations(call, kind.activations * count)
    each = len(kind.activations)
    return [
        Way(
            w[i], r[i], None if b is None else b[i], None if p is None else p[i],
            activations[i * each : (i + 1) * each], direction == "reverse" or i == 1,
        )
        for i in range(count)
    ]  # fmt: skip


def _activations(call: Call, default: Sequence[str]) -> tuple[tuple[str, tuple[float, ...]], ...]:
    """Return each activation with the arguments that differ from those of its plain form."""
    names = [name.lower() for name in call.get("activations", default)]
    alphas, betas, chosen = list(call.get("activation_alpha", [])), list(call.get("activation_beta", [])), []
    if len(names) != len(default):
        raise call.refuse(f"activations {names}; expected {len(default)} of them")
    for name in names:
        if name not in ACTIVATIONS:
            raise call.refuse(f"activation '{name}' is not known; expected one of {', '.join(ACTIVATIONS)}")
        default_arguments = ACTIVATIONS[name][1]
        pairs = zip(default_arguments, (alphas, betas), strict=False)
        chosen.append((name, tuple(values.pop(0) if values else each for each, values in pairs)))
    return tuple(chosen)
