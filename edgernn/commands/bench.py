"""`edgernn bench`: artifacts side by side on this machine."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from edgernn.commands.options import shared
from edgernn.commands.options.types import PATH
from edgernn.commands.progress import bar

if TYPE_CHECKING:
    from edgernn.model.graph import Graph
    from edgernn.runtime.program import Program


@click.command(no_args_is_help=True)
@click.argument("artifacts", nargs=-1, required=True, type=PATH)
@click.option("--reference", type=PATH, metavar="MODEL.rnn", help="Print the error against this model in numpy.")
@click.option(
    "--steps", type=click.IntRange(100), default=2000, show_default=True, help="Time this many steps, after a warm-up."
)
@shared.as_json
def bench(artifacts: tuple[str, ...], reference: str | None, steps: int, as_json: bool) -> None:
    """Time a step of each artifact, briefly.

    Steps run back to back, with the input guard and the state. A short look, not a claim: the machine's other work is
    included. All artifacts must come from the --reference. The error is the largest difference of an output from numpy
    in float64, over 200 random steps.
    """
    from edgernn.artifact.rnn import load
    from edgernn.errors import UnsupportedError
    from edgernn.runtime.program import open as open_program

    graph = None if reference is None else load(reference)
    programs = [open_program(path) for path in artifacts]
    for program in programs:
        if program.manifest.window:
            raise UnsupportedError(
                f"'{program.name}' is bidirectional: it takes whole windows and has no step to time; give a model that "
                "streams"
            )
    rows = []
    with bar("timing", len(programs)) as step:
        for program in programs:
            rows.append(_row(program, graph, steps))
            step(1, program.name)
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    width = max(len(name) for name in ("artifact", *artifacts))
    click.echo(f"{'artifact':{width}}  {'backend':22} {'bytes':>10} {'p50 us':>8} {'p99 us':>8} {'worst us':>9}  error")
    for row in rows:
        error = "" if row["error"] is None else f"{row['error']:.1e}"
        unsettled = "" if row["settled"] else "  (warm-up did not settle)"
        click.echo(
            f"{row['artifact']:{width}}  {row['backend']:22} {row['bytes']:10,} {row['p50_us']:8.2f} "
            f"{row['p99_us']:8.2f} {row['worst_us']:9.1f}  {error}{unsettled}"
        )


def _row(program: "Program", graph: "Graph | None", steps: int) -> dict[str, Any]:
    from edgernn.interpreters.numpy import random_frames
    from edgernn.latency.steps import back_to_back

    frame = random_frames(program.manifest.inputs, program.manifest.vocabulary_size, 1)[0]
    stream = program.stream()
    timing = back_to_back(lambda: stream.step(frame), steps)
    error = None if graph is None else _error(program, graph)
    return {
        "artifact": program.name,
        "backend": program.backend,
        "bytes": program.size,
        **asdict(timing),
        "error": error,
    }


def _error(program: "Program", graph: "Graph") -> float:
    import numpy as np

    from edgernn.artifact.rnn import digest
    from edgernn.errors import UsageError
    from edgernn.interpreters.numpy import Stepper, random_frames
    from edgernn.runtime.parts import flat_answer

    if program.manifest.graph != digest(graph):
        raise UsageError(f"'{program.name}' was not exported from the reference; give the .rnn that it came from")
    steps, stream = random_frames(graph.inputs, graph.vocabulary_size, 200), program.stream()
    answers = np.stack([flat_answer(stream.step(step)) for step in steps])
    return float(np.abs(answers - Stepper(graph).run(steps)[0]).max())
