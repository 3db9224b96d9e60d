"""Recorded frames: a file of them as the steps of a program."""

from edgernn.array import Array
from edgernn.errors import FrameError
from edgernn.files.frames import frames
from edgernn.model.timing import frame_widths
from edgernn.runtime.parts import one_step
from edgernn.runtime.program import Program


def read_steps(path: str, program: Program) -> list[Array]:
    """Return the frames of all whole steps of a file, as `Stream.step` takes them. Each is tried once.

    Raises:
        UsageError, FileError: as edgernn.files.frames.frames.
        FrameError: the program refuses a frame, or there are too few for one step.
    """
    manifest, stream = program.manifest, program.stream()
    widths = frame_widths(manifest.frames_per_step, manifest.named_inputs)
    rows = list(frames(path, "int32" if manifest.vocabulary_size else "float32", widths))
    steps, count = [], manifest.frames_per_step
    for t in range(0, len(rows) - count + 1, count):
        try:
            steps.append(one_step(rows[t : t + count], manifest))
            stream.step(steps[-1])
        except FrameError as error:
            raise FrameError(f"'{path}', frame {t}: {error}") from error
    if not steps:
        raise FrameError(f"'{path}' holds {len(rows)} frames; expected at least {count}, which are one step")
    return steps
