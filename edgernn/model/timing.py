"""The timing of a model: the frames that a step takes, and how late its outputs are."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from edgernn.errors import FrameError, GraphError


def check_timing(frames_per_step: int, delay_frames: int, warmup_frames: int, inputs: int) -> None:
    """Refuse frames per step that do not divide the input, and a delay or a warm-up of no whole steps.

    Args:
        frames_per_step: how many frames a step takes.
        delay_frames: by how many frames outputs are late.
        warmup_frames: how many frames pass before the first output that counts.
        inputs: the width of all frames of a step.
    """
    if type(frames_per_step) is not int or frames_per_step < 1 or inputs % frames_per_step:
        raise GraphError(
            f"frames_per_step={frames_per_step!r} of {inputs} inputs arrived; expected a whole number of at least 1 "
            "that divides the inputs"
        )
    whole = all(type(each) is int and each % frames_per_step == 0 for each in (delay_frames, warmup_frames))
    if not whole or not 0 <= delay_frames <= warmup_frames:
        raise GraphError(
            f"delay_frames={delay_frames!r} and warmup_frames={warmup_frames!r} arrived; expected whole steps of "
            f"{frames_per_step} frames, and a delay of at most the warm-up"
        )


def in_steps(frames: Any, frames_per_step: int, parts: Mapping[str, int] = MappingProxyType({})) -> Any:
    """Return frames (time, width) as steps (time / frames_per_step, frames_per_step * width).

    Args:
        frames: several inputs are side by side in each.
        frames_per_step: how many frames a step takes.
        parts: the width of each of several inputs in a step, by name. There all frames of one input come before those
            of the next.

    Raises:
        FrameError: the frames are no whole number of steps.
    """
    if frames_per_step == 1:
        return frames
    if len(frames) % frames_per_step:
        raise FrameError(
            f"{len(frames)} frames arrived, and a step takes {frames_per_step}; expected whole steps: cut off the last "
            f"{len(frames) % frames_per_step}, or keep them for the next block"
        )
    steps = frames.reshape(len(frames) // frames_per_step, frames_per_step, -1)
    whole: Any = steps.reshape(len(steps), -1)
    return whole[:, _by_input(frames_per_step, parts)] if parts else whole


def frame_widths(frames_per_step: int, parts: Mapping[str, int]) -> dict[str, int]:
    """Return the width of each of several inputs in one frame."""
    return {name: width // frames_per_step for name, width in parts.items()}


def _by_input(frames_per_step: int, parts: Mapping[str, int]) -> list[int]:
    """Return where each number of a step is among those of its frames, one after another."""
    widths = frame_widths(frames_per_step, parts)
    frame, order, at = sum(widths.values()), list[int](), 0
    for width in widths.values():
        order += [frame * t + at + k for t in range(frames_per_step) for k in range(width)]
        at += width
    return order
