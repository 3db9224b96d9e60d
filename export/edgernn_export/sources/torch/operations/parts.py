"""Values that are put together from parts of others and constants, before a layer computes them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from edgernn.cells import Concat, Gather, Scale
from edgernn_export.sources.torch.layers.builder import Builder, weight
from edgernn_export.sources.torch.layers.value import Flowing, Value
from edgernn_export.sources.torch.operations.pointwise import frame
from edgernn_export.sources.torch.operations.windows import aligned

Operand = Any
"""A Flowing, Parts, or a constant."""

UNWRITTEN = frozenset({"empty", "empty_like", "new_empty", "empty_strided", "empty_permuted"})
"""ATen operations whose results have no values until they are written."""


@dataclass(frozen=True)
class Parts:
    """Where each element of a value comes from; no layer computes it before it is needed.

    Attributes:
        sources: values of the same steps, whose frames stand side by side.
        index: shaped as the value, with one step on its time axis: the place among the sources; -1 for a constant.
        constant: of the same shape; NaN where nothing is written.
        time: the time axis.
        length: the number of positions on it.
    """

    sources: tuple[Value, ...]
    index: torch.Tensor
    constant: torch.Tensor
    time: int | None
    length: int = 1

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the value."""
        shape = list(self.index.shape)
        if self.time is not None:
            shape[self.time] = self.length
        return tuple(shape)


def unwritten(shape: Sequence[int]) -> torch.Tensor:
    """Return a constant that has no values yet."""
    return torch.full(tuple(shape), float("nan"), dtype=torch.float64)


def value_of(b: Builder, parts: Parts) -> Value | torch.Tensor:
    """Add the layers that put a value together; a constant stays one."""
    constant = parts.constant.masked_fill(parts.index >= 0, 0.0)
    missing = int(torch.isnan(constant).sum())
    if missing:
        raise b.refuse(
            f"{missing} of {constant.numel()} elements of a frame are never written before it is used; write all of "
            "them, or begin with torch.zeros"
        )
    index = parts.index.flatten()
    if not bool((index >= 0).any()):
        return constant.expand(parts.shape).clone()
    sources, index = _used(parts.sources, index)
    key = (*sources, tuple(index.tolist()), tuple(constant.flatten().tolist()))
    if key in b.assembled:
        return b.assembled[key].at(parts.shape, parts.time)
    x = sources[0]
    if len(sources) > 1:
        sources = [*aligned(b, *sources)]
        x = replace(sources[0], right=max(source.right for source in sources))
        total = sum(source.width for source in sources)
        x = x.of(b.add(Concat(), sources)).at((x.length, total), None if x.time is None else 0)
    if not torch.equal(index, torch.arange(x.width)):
        x = b.then(Gather(x.width, tuple(index.tolist())), x, shape=(x.length, index.numel())).at(x.shape, x.time)
    if torch.count_nonzero(constant):
        plus = constant.flatten()
        x = x.of(b.add(Scale(weight(torch.ones_like(plus)), weight(plus)), [x]))
    b.assembled[key] = x
    return x.at(parts.shape, parts.time)


def _used(sources: Sequence[Value], index: torch.Tensor) -> tuple[list[Value], torch.Tensor]:
    """Leave out sources of which no element is used."""
    kept, result, start, removed = [], index.clone(), 0, 0
    for source in sources:
        inside = (index >= start) & (index < start + source.width)
        if bool(inside.any()):
            kept.append(source)
            result[inside] -= removed
        else:
            removed += source.width
        start += source.width
    return kept, result


def parts_of(b: Builder, x: Operand, time: int | None) -> Parts:
    """Return where the elements of an operand come from; a constant must be the same at every step."""
    if isinstance(x, Parts):
        return x
    if isinstance(x, Flowing):
        value = frame(b, x)
        shape = [1 if axis == value.time else length for axis, length in enumerate(value.shape)]
        index = torch.arange(value.width).reshape(shape)
        return Parts((value,), index, torch.zeros(shape, dtype=torch.float64), value.time, value.length)
    constant = torch.as_tensor(x, dtype=torch.float64)
    length = 1
    if time is not None and constant.dim() > time:
        one, length = constant.narrow(time, 0, 1), constant.shape[time]
        if not torch.equal(one.expand(constant.shape).nan_to_num(), constant.nan_to_num()):
            raise b.refuse("a constant changes over time, as a positional encoding does")
        constant = one
    return Parts((), torch.full(constant.shape, -1), constant, time, length)


def together(b: Builder, operands: Sequence[Operand]) -> list[Parts]:
    """Return the operands of one operation over the same sources."""
    time = next((x.time for x in operands if isinstance(x, Parts | Value) and x.time is not None), None)
    parts = [parts_of(b, x, time) for x in operands]
    sources: list[Value] = []
    for each in parts:
        sources += [source for source in each.sources if source not in sources]
    if len({(source.time is None, source.length) for source in sources}) > 1:
        raise b.refuse("its operands belong to different steps: one is the last step and the other a sequence")
    starts, start = {}, 0
    for source in sources:
        starts[source] = start
        start += source.width
    return [replace(each, sources=tuple(sources), index=_shifted(each, starts)) for each in parts]


def _shifted(parts: Parts, starts: dict[Value, int]) -> torch.Tensor:
    """Return the index over more sources."""
    index, start = parts.index.clone(), 0
    for source in parts.sources:
        inside = (parts.index >= start) & (parts.index < start + source.width)
        index[inside] += starts[source] - start
        start += source.width
    return index
