"""The sizes of a graph's inputs: open ones are tried, a batch of one and several steps of time."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod

import onnx

from edgernn.errors import FileError, UnsupportedError, UsageError
from edgernn.files.spelling import misspelt
from edgernn_export.sources.onnx.constants import info_shape
from edgernn_export.sources.onnx.loading import check_texts

STEPS = (16, 160)
"""How many steps of time are tried; convolutions without padding may need the second."""

LARGEST = 1 << 24
"""The most elements of an input."""

UNKNOWN = 5
"""The most open sizes of which neither name nor place says what they are."""

_BATCH = re.compile(r"batch|^n$|^b$|^bs$", re.IGNORECASE)
_TIME = re.compile(r"time|seq|step|frame|length|^t$|^l$|samples|chunk", re.IGNORECASE)

Shape = Sequence[int | str]
"""Sizes; a text names one that is open."""


@dataclass(frozen=True)
class Sizes:
    """A size for each open one.

    Attributes:
        values: the name of an open size -> its size.
        time: the names of those that are time.
    """

    values: Mapping[str, int]
    time: frozenset[str]

    def of(self, shape: Shape) -> tuple[int, ...]:
        """Return a shape with every size."""
        return tuple(self.values[each] if isinstance(each, str) else each for each in shape)

    def axis(self, shape: Shape) -> int | None:
        """Return the axis of time in a shape; None if there is none."""
        return next((i for i, each in enumerate(shape) if each in self.time), None)

    def stretched(self, steps: int) -> "Sizes":
        """Return the same with another number of steps."""
        return Sizes({**self.values, **dict.fromkeys(self.time, steps)}, self.time)


def declared(
    name: str, inputs: Sequence[onnx.ValueInfoProto], shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, Shape]:
    """Return the shape of each input, with a name for each open size.

    Raises:
        UsageError: `shapes` names no input, or has another number of axes than the file.
        FileError: an input is no tensor, or has no shape.
    """
    known = {each.name: each for each in inputs}
    for each in shapes:
        if each not in known:
            raise UsageError(f"'{name}' has no input '{each}'; {misspelt(each, list(known))}")
    result: dict[str, Shape] = {}
    for each in inputs:
        if not each.type.HasField("tensor_type"):
            raise FileError(f"input '{each.name}' of '{name}' is no tensor; export the model with tensors alone")
        if not each.type.tensor_type.HasField("shape") and each.name not in shapes:
            raise UnsupportedError(
                f"input '{each.name}' of '{name}' has no shape; say it: shapes={{'{each.name}': (…)}}"
            )
        check_texts(name, (dim.dim_param for dim in each.type.tensor_type.shape.dim))
        own: Shape = [dim or f"{each.name}#{i}" for i, dim in enumerate(info_shape(each))]
        if each.name in shapes:
            own = _stated(each.name, own, shapes[each.name], each.type.tensor_type.HasField("shape"))
        if prod(size for size in own if isinstance(size, int)) > LARGEST:
            raise UnsupportedError(
                f"input '{each.name}' of '{name}' has the shape {own}; expected at most {LARGEST} elements"
            )
        result[each.name] = own
    return result


def _stated(name: str, own: Shape, stated: tuple[int, ...], known: bool) -> Shape:
    fits = not known or (
        len(own) == len(stated) and all(isinstance(a, str) or a == b for a, b in zip(own, stated, strict=True))
    )
    if not fits or any(not isinstance(size, int) or size < 1 for size in stated):
        shown = ", ".join("?" if isinstance(each, str) else str(each) for each in own)
        raise UsageError(f"shapes= has {stated} for input '{name}'; expected whole numbers that fit ({shown})")
    return stated


def tried(shapes: Mapping[str, Shape], states: Collection[str] = ()) -> Iterator[Sizes]:
    """Yield the sizes to try, the likeliest first.

    A size whose name is that of a batch is 1, one whose name is that of time has several steps. Of others, the first
    axis of an input is rather a batch, another rather time; those of states alone are 1.

    Raises:
        UnsupportedError: too many open sizes have no such name.
    """
    places: dict[str, int] = {}
    for shape in shapes.values():
        for axis, each in enumerate(shape):
            if isinstance(each, str):
                places.setdefault(each, axis)
    data = {each for name, shape in shapes.items() if name not in states for each in shape}
    known = {each: _by_name(each) if each in data else False for each in places}
    unknown = [each for each in places if known[each] is None]

    def unlikely(chosen: tuple[bool, ...]) -> tuple[bool, bool, int]:
        time = {each for each, flag in zip(unknown, chosen, strict=True) if flag} | {
            each for each in known if known[each]
        }
        twice = any(sum(each in time for each in shape) > 1 for shape in shapes.values())
        return not time, twice, sum((each in time) != (places[each] > 0) for each in unknown)

    if len(unknown) > UNKNOWN:
        raise UnsupportedError(
            f"the sizes {', '.join(unknown)} are open; say the shapes of the inputs: shapes= (--shape)"
        )
    for steps in STEPS:
        for chosen in sorted(product((False, True), repeat=len(unknown)), key=unlikely):
            flags = {**known, **dict(zip(unknown, chosen, strict=True))}
            time = frozenset(each for each, is_time in flags.items() if is_time)
            yield Sizes({each: steps if each in time else 1 for each in places}, time)
        if not places:
            return


def _by_name(name: str) -> bool | None:
    """Whether an open size of this name is time; False for a batch, None if the name does not say it."""
    if "#" in name or (not _BATCH.search(name) and not _TIME.search(name)):
        return None
    return not _BATCH.search(name)
