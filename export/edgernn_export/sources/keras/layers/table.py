"""All classes that are read, and their builders."""

from collections.abc import Mapping

from torch import nn

from edgernn.errors import EdgernnError, FileError, UnsupportedError
from edgernn_export.sources.keras.layers import (
    activations,
    convolution,
    merging,
    recurrent,
    shapes,
    weighted,
    wrappers,
)
from edgernn_export.sources.keras.layers.building import Builder, Building


def _masking(b: Building) -> nn.Module:
    raise b.refuse(
        "mask_value", "frames of padding would be skipped, and a stream has none; remove the layer and save it again"
    )


BUILDERS: Mapping[str, Builder] = {
    **activations.LAYERS,
    **weighted.LAYERS,
    **recurrent.LAYERS,
    **convolution.LAYERS,
    **shapes.LAYERS,
    **merging.LAYERS,
    **wrappers.LAYERS,
    "Masking": _masking,
}
"""A class -> its builder."""

KNOWN = {*BUILDERS, *recurrent.CELLS, "InputLayer", "Sequential", "Functional", "Model"}
"""All classes that may stand in a configuration."""

STEPWISE = {
    *activations.LAYERS, *recurrent.LAYERS, *weighted.LAYERS, "TimeDistributed", "Add", "Subtract", "Multiply",
    "Average", "Maximum", "Minimum", "Concatenate", "Tanh", "Sigmoid", "Relu", "Negative", "Absolute", "Exp", "Square",
    "Masking", "Bidirectional",
} - {"GroupNormalization"}  # fmt: skip
"""Those that can stand beside a recurrent layer that only runs step by step."""


def build(b: Building) -> nn.Module:
    """Build a layer that is no model.

    Raises:
        FileError: its weights or attributes do not fit its input.
        UnsupportedError: it cannot stream, or has an attribute that is not known.
    """
    kind = b.layer.kind
    if kind not in BUILDERS:
        raise UnsupportedError(f"'{b.file}': '{b.layer.name}' is a {kind}, which is no layer of a sequence; use RNN")
    if b.step and kind not in STEPWISE and len(b.shape) > 2:
        raise UnsupportedError(
            f"'{b.file}': layer '{b.layer.name}' ({kind}) may take several frames at once, beside a recurrent layer "
            "whose activations only run step by step; train with activation='tanh' and recurrent_activation='sigmoid'"
        )
    if b.step and _over_time(b):
        raise b.refuse("axis", "it runs over time, beside a recurrent layer that only runs step by step")
    try:
        module = BUILDERS[kind](b)
    except EdgernnError:
        raise
    except Exception as error:  # an attribute may be anything
        raise FileError(
            f"'{b.file}': layer '{b.layer.name}' ({kind}) has attributes that none of Keras has: "
            f"{str(error).strip().splitlines()[:1]}; save the model again"
        ) from error
    b.check_read()
    return module


def _over_time(b: Building) -> bool:
    """Whether a layer runs along axis 1 of a sequence."""
    axes = b.layer.config.get("axis")
    return len(b.shape) > 2 and 1 in (axes if isinstance(axes, list) else [axes])
