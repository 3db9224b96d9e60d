"""`edgernn bench`: artifacts side by side on this machine."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from edgernn.commands.options import shared
from edgernn.commands.options.remote import on_another_machine
from edgernn.commands.options.types import PATH
from edgernn.commands.progress import bar

if TYPE_CHECKING:
    from edgernn.model.graph import Graph
    from edgernn.runtime.program import Program

PERIOD_MS, FRAMES = 10.0, 64
"""Of a model that states no period; and how many random frames are repeated."""


@click.command(no_args_is_help=True)
@click.argument("artifacts", nargs=-1, required=True, type=PATH)
@shared.reference
@shared.steps("2000", 100)
@shared.period
@shared.as_json
@on_another_machine
def bench(artifacts: tuple[str, ...], reference: str | None, steps: int, period: str | None, as_json: bool) -> None:
    """Time a step of each artifact, briefly.

    In three ways, with the input guard and the state: --steps back to back, after a warm-up; a tenth as many paced,
    from a frame that comes at a --period (by default that of the model, or 10 ms) to its answer; and as many paced with
    the stream primed before each frame, as by edgernn.pace. A short look, not a claim: the machine's other work is
    included. All artifacts must come from the --reference. The error is the largest difference of an output from numpy
    in float64, over 200 random steps.
    """
    from edgernn.artifact.rnn import load
    from edgernn.budget.verdict import microseconds
    from edgernn.errors import UnsupportedError
    from edgernn.runtime.program import open as open_program

    graph = None if reference is None else load(reference)
    period_us = None if period is None else microseconds(period)
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
            rows.append(_row(program, graph, steps, period_us))
            step(1, program.name)
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    _print(rows)


def _print(rows: list[dict[str, Any]]) -> None:
    width = max(len(name) for name in ("artifact", *(row["artifact"] for row in rows)))
    click.echo(f"{'us':{width}}  {'':22} {'':>10} {'back to back':>17} {'paced':>17} {'primed':>17}")
    columns = f" {'p50':>8} {'p99':>8}" * 3
    click.echo(f"{'artifact':{width}}  {'backend':22} {'bytes':>10}{columns}  error")
    for row in rows:
        error = "" if row["error"] is None else f"{row['error']:.1e}"
        unsettled = "" if row["settled"] else "  (warm-up did not settle)"
        times = "".join(f" {each['p50_us']:8.2f} {each['p99_us']:8.2f}" for each in (row, row["paced"], row["primed"]))
        click.echo(f"{row['artifact']:{width}}  {row['backend']:22} {row['bytes']:10,}{times}  {error}{unsettled}")


def _row(program: "Program", graph: "Graph | None", steps: int, period_us: float | None) -> dict[str, Any]:
    from edgernn.interpreters.numpy import random_frames
    from edgernn.latency.paced import run_alternately
    from edgernn.latency.steps import back_to_back, percentiles

    manifest = program.manifest
    frames = random_frames(manifest.inputs, manifest.vocabulary_size, FRAMES)
    stream, frame = program.stream(), frames[0]
    timing = back_to_back(lambda: stream.step(frame), steps)
    period_us = manifest.frames_per_step * (period_us or 1000 * (manifest.period_ms or PERIOD_MS))
    paced, primed = run_alternately(stream.step, stream.prime, list(frames), period_us, steps // 10)
    error = None if graph is None else _error(program, graph)
    return {
        "artifact": program.name,
        "backend": program.backend,
        "bytes": program.size,
        **asdict(timing),
        "period_us": period_us,
        "paced": percentiles(paced),
        "primed": percentiles(primed),
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
