"""Layers that only move elements."""

from collections.abc import Mapping, Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from edgernn.errors import FileError
from edgernn_export.sources.keras.layers.building import Builder, Building, Formula

LARGEST = 1 << 16


def _flatten(b: Building) -> nn.Module:
    b.expect("data_format", "channels_last", None)
    return Formula(lambda x: x.flatten(1) if x.dim() > 1 else x)


def _reshape(b: Building) -> nn.Module:
    target = b.get("target_shape")
    sizes = [-1 if each is None else each for each in target] if isinstance(target, list) else []
    if not sizes or not all(isinstance(each, int) and -1 <= each <= LARGEST for each in sizes):
        raise b.refuse("target_shape", "expected whole numbers", FileError)
    timed = len(b.shape) > 2 and sizes[0] == b.shape[1] and -1 not in sizes

    def reshape(x: Tensor) -> Tensor:
        return x.reshape(x.shape[0], *([x.shape[1], *sizes[1:]] if timed else sizes))

    return Formula(reshape)


def _permute(b: Building) -> nn.Module:
    order = b.get("dims")
    if not isinstance(order, list) or sorted(order) != list(range(1, len(b.shape))):
        raise b.refuse("dims", f"expected an order of the axes 1 to {len(b.shape) - 1}", FileError)
    return Formula(lambda x: x.permute(0, *order))


def _repeat(b: Building) -> nn.Module:
    count = b.sizes("n", 1)[0]
    return Formula(lambda x: x[:, None].expand(-1, count, -1))


def _pairs(b: Building, name: str, axes: int) -> list[tuple[int, int]]:
    """Return how many elements are added or cut before and behind each axis."""
    value = b.get(name)
    if isinstance(value, int):
        value = [value] * axes
    if axes == 1 and isinstance(value, list) and len(value) == 2:
        value = [value]
    value = value if isinstance(value, list) and len(value) == axes else []
    pairs = [each if isinstance(each, list) else [each, each] for each in value]
    numbers = [n for pair in pairs for n in pair]
    if len(numbers) != 2 * axes or not all(isinstance(n, int) and 0 <= n <= LARGEST for n in numbers):
        raise b.refuse(name, "expected whole numbers for each axis", FileError)
    if len(b.shape) != axes + 2:
        raise FileError(f"'{b.file}': layer '{b.layer.name}' takes shape {b.shape}; expected {axes + 2} axes")
    return [(pair[0], pair[1]) for pair in pairs]


def _sizes(pairs: Sequence[tuple[int, int]], sign: int) -> list[int]:
    """Return them as F.pad takes them: the last axis first, with the channels; negative ones cut."""
    return [0, 0, *(sign * n for pair in reversed(pairs) for n in pair)]


def _padding(axes: int, name: str, sign: int) -> Builder:
    def build(b: Building) -> nn.Module:
        b.expect("data_format", "channels_last", None)
        pairs = _pairs(b, name, axes)
        if sign < 0 and any(sum(pair) >= n for pair, n in zip(pairs, b.shape[1:], strict=False)):
            raise b.refuse(name, f"nothing of {b.shape} is left")
        if sign < 0:
            return Formula(lambda x: _cropped(x, pairs))
        return Formula(lambda x: F.pad(x, _sizes(pairs, sign)))

    return build


def _cropped(x: Tensor, pairs: Sequence[tuple[int, int]]) -> Tensor:
    for axis, (before, behind) in enumerate(pairs, 1):
        if before or behind:
            x = x.narrow(axis, before, x.shape[axis] - before - behind)
    return x


LAYERS: Mapping[str, Builder] = {
    "Flatten": _flatten,
    "Reshape": _reshape,
    "Permute": _permute,
    "RepeatVector": _repeat,
    **{f"ZeroPadding{n}D": _padding(n, "padding", 1) for n in (1, 2)},
    **{f"Cropping{n}D": _padding(n, "cropping", -1) for n in (1, 2)},
}
"""A class -> its builder."""
