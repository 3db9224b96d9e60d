"""Frames of several streams: one row for each, checked before any state changes."""

from array import array
from collections.abc import Mapping
from typing import Any

import numpy as np

from edgernn.array import Array
from edgernn.artifact.manifest import Manifest
from edgernn.errors import FrameError
from edgernn.model.graph import INPUT, OUTPUT
from edgernn.model.timing import in_steps
from edgernn.runtime.backend import ManyBound, StepMany
from edgernn.runtime.float_io import integers, numbers
from edgernn.runtime.guard import refusal

INTP = np.dtype(np.intp)
TYPECODE = "q" if INTP.itemsize == 8 else "l"  # of the same integers in an array.array


def rows(frames: Any, manifest: Manifest, dtype: Any) -> Array:
    """Return the frames of n streams as a contiguous array (n, inputs).

    Args:
        frames: (n, inputs); (n, frames_per_step, width) of several frames in a step; several inputs as arrays by name
            or in order.
        manifest: of the model.
        dtype: of each number.

    Raises:
        FrameError: an array has another shape or dtype, or the inputs are not those of the model.
    """
    parts, count = manifest.named_inputs, manifest.frames_per_step
    if parts and not isinstance(frames, np.ndarray):
        each = _by_name(frames, parts)
        flat = [
            _flat(x, width, count, dtype, f"input '{name}'")
            for (name, width), x in zip(parts.items(), each, strict=True)
        ]
        lengths = {name: len(x) for name, x in zip(parts, flat, strict=True)}
        if len(set(lengths.values())) > 1:
            raise FrameError(f"the inputs have {lengths} rows; expected one row for each stream in every input")
        return np.concatenate(flat, axis=1)
    whole = _flat(frames, manifest.inputs, count, dtype, "the block of frames")
    if parts and np.ndim(frames) == 3:
        return np.ascontiguousarray(in_steps(whole.reshape(len(whole) * count, -1), count, parts))
    return whole


def _by_name(frames: Any, parts: Mapping[str, int]) -> list[Any]:
    expected = f"expected arrays of {', '.join(parts)}"
    if isinstance(frames, Mapping):
        if frames.keys() != parts.keys():
            raise FrameError(f"inputs {', '.join(map(str, frames)) or 'without names'} arrived; {expected}")
        return [frames[name] for name in parts]
    if not isinstance(frames, tuple | list) or len(frames) != len(parts):
        count = f"{len(frames)} of them" if isinstance(frames, tuple | list) else type(frames).__name__
        raise FrameError(f"inputs arrived as {count}; {expected}, in this order or by name")
    return list(frames)


def _flat(x: Any, width: int, count: int, dtype: Any, what: str) -> Array:
    """Return (n, width) of (n, width) or (n, count, width / count)."""
    fits = isinstance(x, np.ndarray) and x.dtype == dtype
    if fits and x.ndim == 2 and x.shape[1] == width:
        return np.ascontiguousarray(x)
    if fits and count > 1 and x.ndim == 3 and x.shape[1:] == (count, width // count):
        return np.ascontiguousarray(x).reshape(len(x), width)
    several = f", or (streams, {count}, {width // count})" if count > 1 else ""
    arrived = f"{x.dtype} of shape {x.shape}" if isinstance(x, np.ndarray) else type(x).__name__
    raise FrameError(f"{what} is {arrived}; expected {np.dtype(dtype)} of shape (streams, {width}){several}")


def good_rows(xs: Array, manifest: Manifest) -> Array:
    """Return whether each frame (n, inputs) may enter, bool (n,); every quantized frame may."""
    if xs.dtype.kind == "i" and not manifest.vocabulary_size:
        return np.ones(len(xs), np.bool_)
    if manifest.vocabulary_size:
        symbols: Array = (xs[:, 0] >= 0) & (xs[:, 0] < manifest.vocabulary_size)
        return symbols
    return np.asarray((np.abs(xs) <= manifest.limit).all(axis=1))


def refused(xs: Array, row: int, slot: int, manifest: Manifest) -> FrameError:
    """The error for a frame that must not enter."""
    if manifest.vocabulary_size:
        return FrameError(
            f"index {xs[row, 0]} arrived for slot {slot}; expected 0 to {manifest.vocabulary_size - 1}, a row of the "
            "table; no stream was stepped"
        )
    message = refusal(f"the frame of slot {slot}", xs[row], manifest.limit)
    return FrameError(f"{message}; no stream was stepped: mend the source, or choose on_bad_input='hold' or 'zero'")


def guarded_many(step: StepMany, manifest: Manifest) -> StepMany:
    """A step that returns the row of the first frame that must not enter, and then computes nothing."""

    def guarded(xs: Array, slots: Array, ys: Array) -> int:
        good = good_rows(xs, manifest)
        return step(xs, slots, ys) if good.all() else int(good.argmin())

    return guarded


def converting_many(bound: ManyBound, manifest: Manifest) -> StepMany:
    """A step of integers with float32 outside, as edgernn.runtime.float_io.FloatIO; it guards."""
    if bound.float_step is not None:
        return bound.float_step

    def step(xs: Array, slots: Array, ys: Array) -> int:
        results = np.empty(ys.shape, manifest.dtype(OUTPUT))
        row = bound.step(integers(manifest, INPUT, xs), slots, results)
        ys[...] = numbers(manifest, OUTPUT, results)
        return row

    return guarded_many(step, manifest)


def slots_key(slots: Any) -> bytes | None:
    """The bytes of slots as an array of intp, in half the time that numpy takes; None where they need a closer look."""
    if isinstance(slots, np.ndarray):
        return slots.tobytes() if slots.dtype is INTP and slots.ndim == 1 else None
    try:
        return array(TYPECODE, slots).tobytes()
    except (TypeError, ValueError, OverflowError):
        return None
