"""The bounds of the options of a layer before the recurrent layers."""

from dataclasses import fields
from typing import Any

from edgernn.errors import UsageError
from edgernn.files.spelling import misspelt

FUNCTIONS = ("linear", "relu", "tanh", "sigmoid", "elu", "gelu", "softplus", "mish")
"""The activations of a convolution."""

MAX_WIDTH = 1 << 16  # of a layer
MAX_WEIGHTS = 1 << 28  # of a layer: 1 GB


def check(options: Any, *positive: str) -> None:
    """Check the numbers of a layer; those with these names are at least 1."""
    for field in fields(options):
        value, least = getattr(options, field.name), int(field.name in positive)
        if type(value) is int and not least <= value <= MAX_WIDTH:
            raise UsageError(f"{field.name} is {value}; expected {least} to {MAX_WIDTH:,}")


def check_function(function: str) -> None:
    if function not in FUNCTIONS:
        raise UsageError(f"activation is '{function}'; {misspelt(function, FUNCTIONS)}")


def bounded(outputs: int, fan_in: int) -> int:
    if outputs * fan_in > MAX_WEIGHTS:
        raise UsageError(f"it has {outputs:,} x {fan_in:,} weights; expected at most {MAX_WEIGHTS:,}")
    return fan_in
