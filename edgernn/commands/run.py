"""`edgernn run`: stream the frames of a file or a pipe through an artifact."""

import json
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgernn.commands.options import shared
from edgernn.commands.options.types import PATH, Choice
from edgernn.commands.progress import status

if TYPE_CHECKING:
    from edgernn.runtime.program import Program
    from edgernn.runtime.stream import Stream


@click.command(no_args_is_help=True)
@click.argument("artifact", type=PATH)
@shared.frames(required=True)
@shared.out("FILE", shown="CSV on standard output")
@click.option(
    "--on-bad-input",
    type=Choice(["raise", "hold", "zero"]),
    default="raise",
    show_default=True,
    help="For a frame that must not enter: stop, hold the last values, or put zeros.",
)
@shared.as_json
def run(artifact: str, frames: str, out: str | None, on_bad_input: Any, as_json: bool) -> None:
    """Stream frames through an artifact, one step for each.

    The states of ARTIFACT are carried from step to step. With `--frames -`, CSV comes from a pipe and every step is
    answered at once. Results are written as .npy or .csv. Several inputs are columns side by side, in the order of
    `edgernn info`, or the arrays of a .npz by name; several outputs are columns named in a first line, or the arrays of
    a .npz. Where a step takes several frames, what is left of them at the end is counted and has no answer. A
    bidirectional model cannot stream: it reads all frames, then answers.
    """
    from edgernn.errors import UsageError
    from edgernn.runtime.program import open as open_program

    program = open_program(artifact)
    suffixes = (".npy", ".csv", ".npz") if program.manifest.named_outputs else (".npy", ".csv")
    if out is not None and Path(out).suffix not in suffixes:
        more = ", and .npz for several outputs by name" if Path(out).suffix == ".npz" else ""
        raise UsageError(f"no results can be written to '{out}'; there are .npy and .csv{more}")
    arrays = _frames(frames, program)
    if program.manifest.window:
        results = _run_window(program, arrays, on_bad_input)
    else:
        results = _steps(program.stream(on_bad_input=on_bad_input), arrays)
    if out is not None:
        with status("streaming"):
            rows = list(results)
        _save(out, rows, program)
    elif as_json:
        rows = [_finite(row, program) for row in results]
        click.echo(json.dumps({"backend": program.backend, "labels": program.manifest.labels, "outputs": rows}))
    else:
        for line in _lines(results, program):
            click.echo(line)


def _steps(stream: "Stream", frames: Iterable[Any]) -> Iterator[Any]:
    from edgernn.errors import FrameError
    from edgernn.process import interrupt
    from edgernn.runtime.parts import flat_answer, one_step

    manifest = stream.program.manifest
    rows, t, count = iter(frames), 0, manifest.frames_per_step
    while step := tuple(islice(rows, count)):
        interrupt.check()
        if len(step) < count:
            click.echo(f"{len(step)} of {t + len(step):,} frames remain: a step takes {count}", err=True)
            return
        try:
            yield flat_answer(stream.step(one_step(step, manifest)))
        except FrameError as error:
            raise FrameError(f"frame {t}: {error}") from error
        t += count


def _run_window(program: "Program", frames: Iterable[Any], on_bad_input: str) -> Iterator[Any]:
    """Run all frames as one window, and yield an output for each frame, or one for the window."""
    import numpy as np

    from edgernn.errors import FrameError, UsageError

    if on_bad_input != "raise":
        raise UsageError(
            f"--on-bad-input {on_bad_input} mends a stream, and '{program.name}' takes whole windows; mend the file"
        )
    window = list(frames)
    for t, frame in enumerate(window):
        if frame.shape != (program.manifest.inputs,):
            raise FrameError(f"frame {t} has {frame.size} values; expected {program.manifest.inputs}")
    dtype = "int32" if program.manifest.vocabulary_size else "float32"
    return iter(program.run(np.array(window, dtype).reshape(len(window), program.manifest.inputs)))


def _frames(source: str, program: "Program") -> Iterator[Any]:
    """Yield the frames of a file or of a pipe, in the dtype of the model's inputs."""
    from edgernn.files.frames import frames, parsed
    from edgernn.model.timing import frame_widths

    dtype = "int32" if program.manifest.vocabulary_size else "float32"
    widths = frame_widths(program.manifest.frames_per_step, program.manifest.named_inputs)
    return parsed(sys.stdin, "the pipe", dtype) if source == "-" else frames(source, dtype, widths)


def _save(out: str, rows: list[Any], program: "Program") -> None:
    import io

    import numpy as np

    from edgernn.files import atomic
    from edgernn.runtime.parts import by_name

    if Path(out).suffix == ".csv":
        atomic.write(out, "".join(f"{line}\n" for line in _lines(rows, program)).encode())
        return
    buffer, whole = io.BytesIO(), np.array(rows, np.float32).reshape(len(rows), program.manifest.outputs)
    if Path(out).suffix == ".npz":
        np.savez(buffer, **by_name(whole, program.manifest.named_outputs))  # type: ignore[arg-type]
    else:
        np.save(buffer, whole)
    atomic.write(out, buffer.getvalue())


def _finite(row: Any, program: "Program") -> Any:
    """Return the numbers of a row for JSON, of several outputs by name; None for a number that is not finite."""
    from edgernn.runtime.parts import by_name

    parts = by_name(row, program.manifest.named_outputs or {"": row.size})
    rows = {name: [value if isfinite(value) else None for value in part.tolist()] for name, part in parts.items()}
    return rows if program.manifest.named_outputs else rows[""]


def _lines(rows: Iterable[Any], program: "Program") -> Iterator[str]:
    """Yield the lines of CSV; of several outputs, first the names of the columns, as `gain` or `voice_0`."""
    parts = program.manifest.named_outputs
    if parts:
        yield ",".join(name if width == 1 else f"{name}_{k}" for name, width in parts.items() for k in range(width))
    for row in rows:
        yield ",".join(str(value) for value in row)
