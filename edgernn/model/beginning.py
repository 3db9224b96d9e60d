"""The beginning of a stream: whether enough frames have passed."""

from edgernn.model.ops import Ops, V


def started(ops: Ops[V], count: V, frames: int) -> tuple[V, V]:
    """Return 1 once this many frames have passed, else 0; and the count after this frame, which ends at `frames`."""
    began = ops.relu(ops.scale(count, 1.0, 1.0 - frames))
    return began, ops.scale(ops.relu(ops.scale(count, -1.0, frames - 1.0)), -1.0, float(frames))


def repeated(ops: Ops[V], x: V, width: int) -> V:
    """Return one number as a value of this width."""
    return ops.reshape(ops.gather(x, 1, (0,) * width), width, 1)
