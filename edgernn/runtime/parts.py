"""Several inputs and outputs of a stream: arrays by name outside, one flat array inside."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from edgernn.array import Array
from edgernn.artifact.manifest import Manifest
from edgernn.errors import FrameError, UnsupportedError
from edgernn.model.graph import Graph
from edgernn.model.parts import slices
from edgernn.model.timing import in_steps

Named = Manifest | Graph
Answer = Any
"""An array; of a model with several outputs, arrays by name."""


def flat_frame(frame: Any, parts: Mapping[str, int], dtype: Any, count: int = 1) -> Any:
    """Return the frames of a step as one flat array, several inputs side by side; any other frame as it is.

    Args:
        frame: (inputs,); (count, width) of several frames; arrays by name or in order, of several inputs.
        parts: the width of each input by name, of all frames together; empty for one input.
        dtype: of each.
        count: the frames of a step.

    Raises:
        FrameError: an input is missing, is not one of the model, or has another shape or dtype.
    """
    arrays = _arrays(frame, parts)
    if arrays is None:
        return _flat(frame, count, parts)
    arrays = [_flat(each, count) for each in arrays]
    for (name, width), each in zip(parts.items(), arrays, strict=True):
        if not isinstance(each, np.ndarray) or each.dtype != dtype or each.shape != (width,):
            raise FrameError(f"input '{name}' is {_text(each)}; expected {dtype} of shape ({width},)")
    return np.concatenate(arrays)


def flat_frames(frames: Any, parts: Mapping[str, int], dtype: Any, count: int = 1) -> Any:
    """Return blocks (time, width) of several inputs as one block (steps, inputs), where `count` frames are a step.

    Raises:
        FrameError: as `flat_frame`; or the blocks have different lengths, or are no whole number of steps.
    """
    arrays = _arrays(frames, parts)
    if arrays is None:
        return in_steps(frames, count, parts) if _fits(frames, sum(parts.values()), count) else frames
    for (name, width), each in zip(parts.items(), arrays, strict=True):
        if not isinstance(each, np.ndarray) or each.dtype != dtype or each.ndim != 2 or each.shape[1] * count != width:
            raise FrameError(f"input '{name}' is {_text(each)}; expected {dtype} of shape (time, {width // count})")
    lengths = {name: len(each) for name, each in zip(parts, arrays, strict=True)}
    if len(set(lengths.values())) > 1:
        raise FrameError(
            f"{', '.join(f'{length} frames of {name!r}' for name, length in lengths.items())} arrived; expected as "
            "many of each: cut off what has no counterpart"
        )
    return np.concatenate([in_steps(each, count) for each in arrays], axis=1)


def one_step(frames: Sequence[Array], model: Named) -> Array:
    """Return the frames of one step, (width,) each with several inputs side by side, as the array that `step` takes.

    Raises:
        FrameError: a frame has another width; of a model that takes one frame in a step, `step` says so itself.
    """
    if model.frames_per_step == 1:
        return frames[0]
    width = model.inputs // model.frames_per_step
    for frame in frames:
        if frame.shape != (width,):
            raise FrameError(
                f"a frame of {frame.size} values arrived; expected {width}: a step takes {model.frames_per_step} frames"
            )
    step: Array = in_steps(np.stack(frames), model.frames_per_step, model.named_inputs)[0]
    return step


def by_name(whole: Array, parts: Mapping[str, int]) -> dict[str, Array]:
    """Return copies of the parts (..., width) of an array."""
    return {name: whole[..., part].copy() for name, part in slices(parts).items()}


def flat_answer(answer: Answer) -> Array:
    """Return what `Stream.step` or `Stream.run` answers as one array, several outputs side by side."""
    if isinstance(answer, Mapping):
        return np.concatenate(list(answer.values()), axis=-1)
    whole: Array = answer
    return whole


def answering(y: Array, parts: Mapping[str, Array]) -> Callable[[], Answer]:
    """Return the function that copies the results of a step: one array, or the views of its parts by name."""
    if not parts:
        return y.copy
    copies = [(name, part.copy) for name, part in parts.items()]
    return lambda: {name: copy() for name, copy in copies}


def destinations(out: Any, y: Array, parts: Mapping[str, Array]) -> list[Array]:
    """Return the arrays that take the parts of a result, in order; refuse what cannot take them.

    Args:
        out: arrays by name.
        y: the whole result.
        parts: the views of its parts by name.

    Raises:
        FrameError: an array is missing, is not writeable, or has another shape or dtype.
    """
    arrays = [out[name] for name in parts] if isinstance(out, Mapping) and out.keys() == parts.keys() else []
    if not arrays or not all(_takes(array, part) for array, part in zip(arrays, parts.values(), strict=True)):
        shapes = ", ".join(f"'{name}' of shape {part.shape}" for name, part in parts.items())
        raise FrameError(f"out= cannot take the result; expected writeable arrays of {y.dtype} by name: {shapes}")
    return arrays


def check_destination(out: Any, y: Array) -> None:
    """Refuse an array that cannot take the result, before the state changes.

    Raises:
        FrameError: it is not writeable, or has another shape or dtype.
    """
    if not _takes(out, y):
        raise FrameError(f"out= cannot take the result; expected a writeable array of {y.dtype} of shape {y.shape}")


def check_one(model: Named, name: str, what: str) -> None:
    """Refuse a model of several inputs or outputs where only one of each has a meaning.

    Raises:
        UnsupportedError: the message names the model, and what it would be used for.
    """
    several = [f"inputs {', '.join(model.named_inputs)}"] if model.named_inputs else []
    several += [f"outputs {', '.join(model.named_outputs)}"] if model.named_outputs else []
    if several:
        raise UnsupportedError(
            f"'{name}' has the {' and '.join(several)}; {what} takes a model with one input and one output: from_torch "
            "takes one result of a module with outputs=('NAME',)"
        )


def check_each_frame(model: Named, name: str, what: str) -> None:
    """Refuse a model that does not answer each frame at once, where every answer is about the newest frame.

    Raises:
        UnsupportedError: the message names the model, and what it would be used for.
    """
    if (model.frames_per_step, model.warmup_frames) != (1, 0):
        raise UnsupportedError(
            f"'{name}' takes {model.frames_per_step} frames in a step, is late by {model.delay_frames} and begins "
            f"after {model.warmup_frames}; {what} takes a model that answers each frame at once: use causal padding "
            "and no stride over time"
        )


def _arrays(values: Any, parts: Mapping[str, int]) -> list[Any] | None:
    """Return several inputs in order; None where they arrive as one array."""
    expected = f"expected {', '.join(parts)}"
    if isinstance(values, Mapping) and parts:
        missing, extra = [name for name in parts if name not in values], [name for name in values if name not in parts]
        if missing or extra:
            reason = [f"{', '.join(map(repr, missing))} missing"] if missing else []
            reason += [f"{', '.join(map(repr, extra))} not an input of the model"] if extra else []
            raise FrameError(f"inputs arrived with {' and '.join(reason)}; {expected}")
        return [values[name] for name in parts]
    if isinstance(values, tuple | list) and parts:
        if len(values) != len(parts):
            raise FrameError(f"{len(values)} inputs arrived; {expected}, in this order or by name")
        return list(values)
    return None


def _flat(frame: Any, count: int, parts: Mapping[str, int] = MappingProxyType({})) -> Any:
    """Return several frames (count, width) as one array."""
    several = count > 1 and _fits(frame, sum(parts.values()), count) and len(frame) == count
    return in_steps(frame, count, parts)[0] if several else frame


def _fits(frames: Any, inputs: int, count: int) -> bool:
    """Return whether these are frames (time, width), which make steps of `inputs` numbers; 0 where that is unknown."""
    whole = isinstance(frames, np.ndarray) and frames.ndim == 2
    return whole and (not inputs or frames.shape[1] * count == inputs)


def _takes(out: Any, result: Array) -> bool:
    same = isinstance(out, np.ndarray) and out.dtype == result.dtype and out.shape == result.shape
    return same and bool(out.flags.writeable)


def _text(arrived: Any) -> str:
    return f"{arrived.dtype} of shape {arrived.shape}" if isinstance(arrived, np.ndarray) else type(arrived).__name__
