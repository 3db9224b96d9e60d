"""Layers with weights that work on each frame alone: products, tables and norms."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edgernn.errors import FileError
from edgernn_export.sources.keras.layers.activations import function_of
from edgernn_export.sources.keras.layers.building import Builder, Building, Formula, identity


def bias_of(b: Building, size: int) -> Tensor | None:
    """Return the bias of a layer, or None."""
    return b.weight("bias", [size]) if b.get("use_bias", True) is not False else None


def _dense(b: Building) -> nn.Module:
    units = b.sizes("units", 1)[0]
    activation, kernel = function_of(b), b.weight("kernel", [b.shape[-1], units])
    return Formula(
        lambda x, weight, bias: activation(F.linear(x, weight, bias)), weight=kernel.T, bias=bias_of(b, units)
    )


def _embedding(b: Building) -> nn.Module:
    b.expect(
        "mask_zero",
        False,
        None,
        hint="symbol 0 would be padding, and a stream has none; set mask_zero=False, with the same weights",
    )
    b.get("input_length")
    rows, width = b.sizes("input_dim", 1)[0], b.sizes("output_dim", 1)[0]
    return Formula(lambda x, weight: F.embedding(x.long(), weight), weight=b.weight("embeddings", [rows, width]))


def _along(vector: Tensor, shape: tuple[int, ...], axis: int) -> Tensor:
    """Return a vector that broadcasts along an axis of a shape."""
    return vector.reshape([-1 if i == axis else 1 for i in range(len(shape))][axis:])


def _batch_normalization(b: Building) -> nn.Module:
    axis, epsilon = b.axis("axis"), b.number("epsilon", 1e-3)
    b.expect("renorm", False, hint="train without it")
    b.read |= {"momentum", "synchronized", "virtual_batch_size", "renorm_clipping", "renorm_momentum", "fused"}
    size = [b.shape[axis]]
    mean, variance = (b.weight(name, size).double() for name in ("moving_mean", "moving_variance"))
    scale = 1.0 / torch.sqrt(variance + epsilon)
    scale = scale * b.weight("gamma", size) if b.get("scale", True) else scale
    shift = -mean * scale
    shift = shift + b.weight("beta", size) if b.get("center", True) else shift
    scale, shift = (_along(each.float(), b.shape, axis) for each in (scale, shift))
    return Formula(lambda x, scale, shift: x * scale + shift, scale=scale, shift=shift)


def _trailing(b: Building) -> list[int]:
    """Return the sizes of the axes of a norm, which must be the last."""
    axes = b.get("axis", -1)
    axes = [axes] if isinstance(axes, int) else list(axes or [])
    rank = len(b.shape)
    if not axes or sorted(axis % rank for axis in axes) != list(range(rank - len(axes), rank)):
        raise b.refuse("axis", f"expected the last axes of {b.shape}")
    return list(b.shape[rank - len(axes) :])


def _layer_normalization(b: Building) -> nn.Module:
    sizes, epsilon = _trailing(b), b.number("epsilon", 1e-3)
    gamma = b.weight("gamma", sizes) if b.get("scale", True) else None
    beta = b.weight("beta", sizes) if b.get("center", True) else None
    b.expect("rms_scaling", False, hint="use RMSNormalization")
    return Formula(lambda x, weight, bias: F.layer_norm(x, sizes, weight, bias, epsilon), weight=gamma, bias=beta)


def _rms_normalization(b: Building) -> nn.Module:
    axis, epsilon = b.axis("axis") - len(b.shape), b.number("epsilon", 1e-6)
    if axis != -1:
        raise b.refuse("axis", "expected the last axis")
    scale = b.weight("scale", [b.shape[-1]])
    return Formula(lambda x, scale: x / torch.sqrt((x * x).mean(-1, keepdim=True) + epsilon) * scale, scale=scale)


def _group_normalization(b: Building) -> nn.Module:
    groups, epsilon = int(b.number("groups", 32)), b.number("epsilon", 1e-3)
    axis, size = b.axis("axis"), b.shape[-1]
    if axis != len(b.shape) - 1:
        raise b.refuse("axis", "expected the last axis")
    groups = size if groups == -1 else groups
    if groups < 1 or size % groups:
        raise b.refuse("groups", f"expected a divisor of {size}", FileError)
    gamma = b.weight("gamma", [size]) if b.get("scale", True) else None
    beta = b.weight("beta", [size]) if b.get("center", True) else None

    def norm(x: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
        return F.group_norm(x.movedim(-1, 1), groups, weight, bias, epsilon).movedim(1, -1)

    return Formula(norm, weight=gamma, bias=beta)


def _unit_normalization(b: Building) -> nn.Module:
    axis = b.axis("axis") - len(b.shape)
    if axis != -1:
        raise b.refuse("axis", "expected the last axis")
    return Formula(lambda x: x / torch.sqrt(torch.clamp((x * x).sum(-1, keepdim=True), min=1e-24)))


def _numbers(b: Building, name: str, default: float) -> Tensor:
    """Return an attribute that is a number, or nested lists of them."""
    try:
        return torch.tensor(b.get(name, default), dtype=torch.float64)
    except (TypeError, ValueError) as error:
        raise b.refuse(name, "expected numbers", FileError) from error


def _rescaling(b: Building) -> nn.Module:
    scale, offset = (_numbers(b, name, default).float() for name, default in (("scale", 1.0), ("offset", 0.0)))
    return Formula(lambda x, scale, offset: x * scale + offset, scale=scale, offset=offset)


def _normalization(b: Building) -> nn.Module:
    """Build (x - mean) / max(sqrt(variance), 1e-7), with statistics of the last axis, or of everything."""
    axis = b.get("axis", -1)
    axis = axis[0] if isinstance(axis, list) and len(axis) == 1 else axis
    if axis not in {None, -1, len(b.shape) - 1}:
        raise b.refuse("axis", "expected the last axis")
    b.expect("invert", False)
    if b.get("mean") is not None:
        mean, variance = (_numbers(b, name, 0.0).reshape(-1) for name in ("mean", "variance"))
    else:
        mean, variance = (b.weight(name).double().reshape(-1) for name in ("mean", "variance"))
    if {len(mean), len(variance)} - {1, b.shape[-1]}:
        raise b.refuse("axis", f"it has {len(mean)} means for {b.shape[-1]} features", FileError)
    scale = 1.0 / torch.clamp(variance.sqrt(), min=1e-7)
    return Formula(lambda x, scale, shift: x * scale + shift, scale=scale.float(), shift=(-mean * scale).float())


LAYERS: Mapping[str, Builder] = {
    "Dense": _dense,
    "Embedding": _embedding,
    "BatchNormalization": _batch_normalization,
    "LayerNormalization": _layer_normalization,
    "RMSNormalization": _rms_normalization,
    "GroupNormalization": _group_normalization,
    "UnitNormalization": _unit_normalization,
    "Rescaling": _rescaling,
    "Normalization": _normalization,
    **dict.fromkeys(
        (
            "Dropout", "SpatialDropout1D", "SpatialDropout2D", "GaussianNoise", "GaussianDropout", "AlphaDropout",
            "ActivityRegularization", "Identity",
        ),
        identity,
    ),
}  # fmt: skip
"""A class -> its builder."""
