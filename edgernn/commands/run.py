"""`edgernn run`: a file of frames, or a pipe, through an artifact."""

import json
import sys
from collections.abc import Iterable, Iterator
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from edgernn.runtime.program import Program
    from edgernn.runtime.stream import Stream


@click.command(no_args_is_help=True)
@click.argument("artifact")
@click.option(
    "--input",
    "source",
    required=True,
    metavar="FILE",
    help="Frames: .npy (time, inputs), .csv, or - for CSV on a pipe.",
)
@click.option("--output", metavar="FILE", help="Where the results go: .npy or .csv; CSV on the screen without it.")
@click.option("--on-bad-input", type=click.Choice(["raise", "hold", "zero"]), default="raise", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
def run(artifact: str, source: str, output: str | None, on_bad_input: Any, as_json: bool) -> None:
    """Stream frames through ARTIFACT, one step each, with the state carried.

    From a pipe every line is answered as it comes. A model of whole windows cannot stream: it reads all the frames, and
    then answers.
    """
    from edgernn.errors import UsageError
    from edgernn.runtime.program import open as open_program

    if output is not None and Path(output).suffix not in {".npy", ".csv"}:
        raise UsageError(f"no results can be written to '{output}'; there are .npy and .csv")
    program = open_program(artifact)
    frames = _frames(source, program)
    if program.manifest.window:
        results = _whole(program, frames, on_bad_input)
    else:
        results = _results(program.stream(on_bad_input=on_bad_input), frames)
    if output is not None:
        _save(output, list(results), program)
    elif as_json:
        rows = [[value if isfinite(value) else None for value in row.tolist()] for row in results]
        click.echo(json.dumps({"backend": program.backend, "labels": program.manifest.labels, "outputs": rows}))
    else:
        for row in results:
            click.echo(_line(row))


def _results(stream: "Stream", frames: Iterable[Any]) -> Iterator[Any]:
    from edgernn.errors import FrameError
    from edgernn.process import interrupt

    for t, frame in enumerate(frames):
        interrupt.check()
        try:
            yield stream.step(frame)
        except FrameError as error:
            raise FrameError(f"frame {t}: {error}") from error


def _whole(program: "Program", frames: Iterable[Any], on_bad_input: str) -> Iterator[Any]:
    """The answers to all frames as one window: one for each, or one alone."""
    import numpy as np

    from edgernn.errors import FrameError, UsageError

    if on_bad_input != "raise":
        raise UsageError(
            f"--on-bad-input {on_bad_input} mends a stream, and '{program.name}' reads whole windows; mend the file"
        )
    held = list(frames)
    for t, frame in enumerate(held):
        if frame.shape != (program.manifest.inputs,):
            raise FrameError(f"frame {t} has {frame.size} values; expected {program.manifest.inputs}")
    dtype = "int32" if program.manifest.vocabulary_size else "float32"
    return iter(program.run(np.array(held, dtype).reshape(len(held), program.manifest.inputs)))


def _frames(source: str, program: "Program") -> Iterator[Any]:
    """The frames of a file or of a pipe, in the dtype that the model reads."""
    from edgernn.files.frames import frames, parsed

    dtype = "int32" if program.manifest.vocabulary_size else "float32"
    return parsed(sys.stdin, "the pipe", dtype) if source == "-" else frames(source, dtype)


def _save(output: str, rows: list[Any], program: "Program") -> None:
    import io

    import numpy as np

    from edgernn.files import atomic

    if Path(output).suffix == ".csv":
        atomic.write(output, "".join(f"{_line(row)}\n" for row in rows).encode())
        return
    held = io.BytesIO()
    np.save(held, np.array(rows, np.float32).reshape(len(rows), program.manifest.outputs))
    atomic.write(output, held.getvalue())


def _line(row: Any) -> str:
    return ",".join(str(value) for value in row)
