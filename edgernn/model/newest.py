"""The newest frames of a stream, as the state of a cell that reads some of the past."""

from edgernn.model.ops import Ops, V


def newest(ops: Ops[V], x: V, state: tuple[V, ...], arrives: int, past: int) -> tuple[V, tuple[V, ...]]:
    """Return the past frames with the new ones, oldest first, and the state after the step.

    Args:
        ops: the operations.
        x: the new frames.
        state: the past frames, oldest first; empty where a cell reads none.
        arrives: the elements of x.
        past: the elements of the state.
    """
    if not state:
        return x, ()
    frames = ops.concat(*state, x)
    _, later = ops.split(frames, (arrives, past))
    return frames, (later,)
