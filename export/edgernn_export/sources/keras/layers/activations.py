"""Activations: the functions that layers of Keras name, and the layers that are one function."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edgernn.errors import UnsupportedError
from edgernn.files.spelling import misspelt
from edgernn_export.sources.keras.layer import Layer
from edgernn_export.sources.keras.layers.building import Builder, Building, Formula

Function = Callable[[Tensor], Tensor]


def _old_hard_sigmoid(x: Tensor) -> Tensor:
    """Return the hard sigmoid of Keras 1 and 2: 0.2 x + 0.5 between 0 and 1; that of Keras 3 is x / 6 + 0.5."""
    return torch.clamp(0.2 * x + 0.5, 0.0, 1.0)


FUNCTIONS: Mapping[str, Function] = {
    "linear": lambda x: x,
    "relu": torch.relu,
    "relu6": F.relu6,
    "leaky_relu": lambda x: F.leaky_relu(x, 0.2),
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "hard_sigmoid": F.hardsigmoid,
    "hard_silu": F.hardswish,
    "hard_swish": F.hardswish,
    "hard_tanh": F.hardtanh,
    "elu": F.elu,
    "selu": F.selu,
    "celu": F.celu,
    "gelu": F.gelu,
    "silu": F.silu,
    "swish": F.silu,
    "mish": F.mish,
    "softplus": F.softplus,
    "softsign": F.softsign,
    "softmax": lambda x: torch.softmax(x, -1),
    "log_softmax": lambda x: torch.log_softmax(x, -1),
    "log_sigmoid": F.logsigmoid,
    "exponential": torch.exp,
    "tanh_shrink": F.tanhshrink,
}
"""The name of an activation -> its function; `hard_sigmoid` is that of Keras 3."""


def function_of(b: Building, attribute: str = "activation", default: str = "linear") -> Function:
    """Return the function that an attribute names.

    Raises:
        UnsupportedError: it is no function of Keras.
    """
    value = b.get(attribute, default)
    value = "linear" if value is None else value
    if isinstance(value, Mapping):
        value = _of_object(b, attribute, value)
        if not isinstance(value, str):
            return value
    if value == "hard_sigmoid" and b.version < (3,):
        return _old_hard_sigmoid
    function = FUNCTIONS.get(value) if isinstance(value, str) else None
    if function is None:
        raise b.refuse(attribute, f"it is no activation that is read; {misspelt(str(value)[:80], list(FUNCTIONS))}")
    return function


def name_of(b: Building, attribute: str, default: str) -> str:
    """Return the name of an activation, or "" of one that has none."""
    value = b.get(attribute, default)
    return "linear" if value is None else value if isinstance(value, str) else ""


def _of_object(b: Building, attribute: str, value: Mapping[str, Any]) -> str | Function:
    """Return the name of a function that is written as an object, or the function of a layer."""
    kind, config = value.get("class_name"), value.get("config")
    if kind == "function" and config in FUNCTIONS and value.get("registered_name") in {None, "function", config}:
        return str(config)
    if kind in LAYERS and isinstance(config, Mapping) and kind != "PReLU":
        module = LAYERS[str(kind)](
            replace(b, layer=Layer(str(kind), f"{b.layer.name}.{attribute}", config), read=set())
        )
        assert isinstance(module, Formula)
        return module.function
    raise UnsupportedError(
        f"'{b.file}': layer '{b.layer.name}' has {attribute} '{str(config or kind)[:80]}', which is code of its own "
        f"and is never run; use one of {', '.join(FUNCTIONS)}"
    )


def _activation(b: Building) -> nn.Module:
    return Formula(function_of(b))


def _relu(b: Building) -> nn.Module:
    top, slope = b.get("max_value"), b.number("negative_slope", 0.0)
    b.expect("threshold", 0, 0.0, None)
    top = None if top is None else b.number("max_value")

    def relu(x: Tensor) -> Tensor:
        y = F.leaky_relu(x, slope) if slope else torch.relu(x)
        return y if top is None else torch.clamp(y, max=top)

    return Formula(relu)


def _leaky_relu(b: Building) -> nn.Module:
    name = "alpha" if "alpha" in b.layer.config else "negative_slope"
    slope = b.number(name, 0.3)
    return Formula(lambda x: F.leaky_relu(x, slope))


def _prelu(b: Building) -> nn.Module:
    b.get("shared_axes")
    shape = tuple(b.weights["alpha"].shape)
    if len(shape) != len(b.shape) - 1 or any(n not in {1, m} for n, m in zip(shape, b.shape[1:], strict=True)):
        b.weight("alpha", b.shape[1:])
    return Formula(lambda x, alpha: torch.relu(x) - alpha * torch.relu(-x), alpha=b.weights["alpha"])


def _elu(b: Building) -> nn.Module:
    alpha = b.number("alpha", 1.0)
    return Formula(lambda x: F.elu(x, alpha))


def _softmax(b: Building) -> nn.Module:
    axis = b.axis("axis") - len(b.shape)
    return Formula(lambda x: torch.softmax(x, axis))


LAYERS: Mapping[str, Builder] = {
    "Activation": _activation,
    "ReLU": _relu,
    "LeakyReLU": _leaky_relu,
    "PReLU": _prelu,
    "ELU": _elu,
    "Softmax": _softmax,
}
"""A class -> its builder."""
