"""Convolutions and pooling, with the padding of Keras: "same" has the odd frame at the end."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edgernn.errors import FileError
from edgernn_export.sources.keras.layers.activations import function_of
from edgernn_export.sources.keras.layers.building import Builder, Building, Formula
from edgernn_export.sources.keras.layers.weighted import bias_of

CONVOLUTIONS: Sequence[Callable[..., Tensor]] = (F.conv1d, F.conv2d)
POOLS: Mapping[str, Sequence[Callable[..., Tensor]]] = {
    "MaxPooling": (F.max_pool1d, F.max_pool2d),
    "AveragePooling": (F.avg_pool1d, F.avg_pool2d),
}


def _channels_first(x: Tensor) -> Tensor:
    return x.movedim(-1, 1)


def _channels_last(x: Tensor) -> Tensor:
    return x.movedim(1, -1)


def _spatial(b: Building, axes: int) -> tuple[int, ...]:
    """Return the lengths of the axes that a layer runs over."""
    b.expect("data_format", "channels_last", None, hint="expected 'channels_last'; train with that")
    if len(b.shape) != axes + 2:
        raise FileError(f"'{b.file}': layer '{b.layer.name}' takes shape {b.shape}; expected {axes + 2} axes")
    return b.shape[1:-1]


def _padding(b: Building, kernel: Sequence[int], strides: Sequence[int], dilation: Sequence[int]) -> list[int]:
    """Return the zeros before and behind each axis, as F.pad takes them: the last axis first."""
    b.expect("padding", "valid", "same", "causal")
    kind, lengths = b.get("padding", "valid"), b.shape[1:-1]
    sizes: list[int] = []
    for n, k, s, d in reversed(list(zip(lengths, kernel, strides, dilation, strict=True))):
        reach = (k - 1) * d + 1
        if kind == "valid":
            sizes += [0, 0]
        elif kind == "causal":
            sizes += [reach - 1, 0]
        else:
            total = max((-(-n // s) - 1) * s + reach - n, 0)
            sizes += [total // 2, total - total // 2]
    return sizes


def _convolution(axes: int) -> Builder:
    def build(b: Building) -> nn.Module:
        _spatial(b, axes)
        kernel = b.sizes("kernel_size", axes)
        filters, groups = b.sizes("filters", 1)[0], b.sizes("groups", 1)[0]
        if b.shape[-1] % groups or filters % groups:
            raise b.refuse("groups", f"expected a divisor of {b.shape[-1]} and {filters}", FileError)
        weight = b.weight("kernel", [*kernel, b.shape[-1] // groups, filters])
        return _run(b, axes, kernel, groups, weight.movedim((-1, -2), (0, 1)), filters)

    return build


def _run(b: Building, axes: int, kernel: Sequence[int], groups: int, weight: Tensor, outputs: int) -> Formula:
    """Return a convolution; `weight` is in the order of torch."""
    strides, dilation = b.sizes("strides", axes), b.sizes("dilation_rate", axes)
    padding, activation, run = _padding(b, kernel, strides, dilation), function_of(b), CONVOLUTIONS[axes - 1]

    def convolve(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        y = _channels_first(x)
        y = F.pad(y, padding) if any(padding) else y
        return activation(_channels_last(run(y, weight, bias, strides, 0, dilation, groups)))

    return Formula(convolve, weight=weight.contiguous(), bias=bias_of(b, outputs))


def _depthwise_weight(b: Building, kernel: Sequence[int]) -> Tensor:
    """Return the weight of a depthwise convolution, (channels * multiplier, 1, ...)."""
    channels, multiplier = b.shape[-1], b.sizes("depth_multiplier", 1)[0]
    weight = b.weight("depthwise_kernel", [*kernel, channels, multiplier])
    return weight.movedim((-2, -1), (0, 1)).reshape(channels * multiplier, 1, *kernel)


def _depthwise(axes: int) -> Builder:
    def build(b: Building) -> nn.Module:
        _spatial(b, axes)
        kernel = b.sizes("kernel_size", axes)
        weight = _depthwise_weight(b, kernel)
        b.get("filters"), b.get("groups")
        return _run(b, axes, kernel, b.shape[-1], weight, len(weight))

    return build


def _separable(axes: int) -> Builder:
    def build(b: Building) -> nn.Module:
        _spatial(b, axes)
        kernel, filters = b.sizes("kernel_size", axes), b.sizes("filters", 1)[0]
        deep, groups = _depthwise_weight(b, kernel), b.shape[-1]
        b.expect("groups", 1, None)
        flat = b.weight("pointwise_kernel", [*[1] * axes, len(deep), filters])
        strides, dilation = b.sizes("strides", axes), b.sizes("dilation_rate", axes)
        padding, activation, run = _padding(b, kernel, strides, dilation), function_of(b), CONVOLUTIONS[axes - 1]

        def convolve(x: Tensor, deep: Tensor, flat: Tensor, bias: Tensor | None) -> Tensor:
            y = _channels_first(x)
            y = F.pad(y, padding) if any(padding) else y
            y = run(y, deep, None, strides, 0, dilation, groups)
            return activation(_channels_last(run(y, flat, bias)))

        flat = flat.movedim((-1, -2), (0, 1)).contiguous()
        return Formula(convolve, deep=deep.contiguous(), flat=flat, bias=bias_of(b, filters))

    return build


def _pooling(kind: str, axes: int) -> Builder:
    def build(b: Building) -> nn.Module:
        _spatial(b, axes)
        size = b.sizes("pool_size", axes, 2)
        strides = b.sizes("strides", axes, size)
        padding, run = _padding(b, size, strides, [1] * axes), POOLS[kind][axes - 1]
        before, behind = padding[0::2], padding[1::2]
        if before != behind:
            raise b.refuse("padding", f"it adds {behind} frames behind and {before} before; use padding='valid'")
        options: dict[str, Any] = {"count_include_pad": False} if kind == "AveragePooling" else {}

        def pool(x: Tensor) -> Tensor:
            return _channels_last(run(_channels_first(x), size, strides, before[::-1], **options))

        return Formula(pool)

    return build


def _whole(axes: int, reduce: Callable[[Tensor, tuple[int, ...], bool], Tensor]) -> Builder:
    def build(b: Building) -> nn.Module:
        _spatial(b, axes)
        keep, over = b.get("keepdims", False) is True, tuple(range(1, axes + 1))
        return Formula(lambda x: reduce(x, over, keep))

    return build


LAYERS: Mapping[str, Builder] = {
    **{f"Conv{n}D": _convolution(n) for n in (1, 2)},
    **{f"DepthwiseConv{n}D": _depthwise(n) for n in (1, 2)},
    **{f"SeparableConv{n}D": _separable(n) for n in (1, 2)},
    **{f"{kind}{n}D": _pooling(kind, n) for kind in POOLS for n in (1, 2)},
    **{f"GlobalAveragePooling{n}D": _whole(n, torch.mean) for n in (1, 2)},
    **{f"GlobalMaxPooling{n}D": _whole(n, torch.amax) for n in (1, 2)},
}
"""A class -> its builder."""
