"""`edgernn tune`: the fastest or smallest form of a model within a metric drop."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgernn.commands.options import shared
from edgernn.commands.options.evaluation import evaluation_options, find_evaluator
from edgernn.commands.options.types import PATH, Choice
from edgernn.commands.progress import bar

if TYPE_CHECKING:
    from edgernn.tune.tuning import Tuned

PRUNINGS = ("units=0.5", "blocks=0.8")
"""What is pruned with a recipe and without --prune."""

TRAINED = "pruned candidates were fine-tuned by the recipe, and the model itself was not: so they may gain"


@click.command(no_args_is_help=True)
@click.argument("model", metavar="MODEL.rnn", type=PATH)
@evaluation_options
@shared.metric_drop(0.5)
@shared.board()
@shared.prune
@click.option(
    "--prefer", type=Choice(["latency", "bytes"]), default="latency", show_default=True, help="Minimize this."
)
@shared.out("NAME", required=True)
@shared.as_json
def tune(model: str, data: str, out: str, as_json: bool, **options: Any) -> None:
    """Find the best precision, pruning and runtime.

    Every candidate form of MODEL.rnn is evaluated by its artifact, on its runtime, by the metric of the --recipe; the
    best within the --metric-drop is written as NAME, with the suffix of its format. Without a recipe the data are
    frames, .npy or .csv, and the metric is the share of frames with an unchanged choice. With one, each --prune is a
    candidate that the recipe fine-tunes: units=0.5 and blocks=0.8 by default. Steps are timed interleaved on this
    machine, and estimated for another --board. The same command continues an interrupted tuning from NAME.tune.
    """
    from edgernn.artifact import rnn
    from edgernn.device import board as boards
    from edgernn.errors import UsageError
    from edgernn.files import atomic
    from edgernn.tune import tuning
    from edgernn.tune.candidates import count_candidates

    if Path(out).suffix not in {"", rnn.SUFFIX}:
        raise UsageError(f"'{out}' has a suffix, which the winner decides; give a name without one")
    out = out.removesuffix(rnn.SUFFIX)
    if options["recipe"] is None and options["prune"]:
        raise UsageError("--prune needs a recipe for the fine-tuning; give --recipe RECIPE")
    board, graph = boards.load(options["board"]), rnn.load(model)
    prunings = [tuple(pruning.split(",")) for pruning in options["prune"] or PRUNINGS] if options["recipe"] else []
    folder = Path(f"{out}.tune")
    evaluator = find_evaluator(graph, data, options["recipe"], options["settings"], folder)
    try:
        with bar("candidates", count_candidates([(), *prunings])) as step:
            tuned = tuning.tune(
                graph,
                evaluator,
                folder,
                bound=options["metric_drop"],
                board=board,
                prefer=options["prefer"],
                plans=[(), *prunings],
                on_progress=lambda count: step(count, ""),
            )
    except KeyboardInterrupt:
        click.echo(f"Finished candidates are saved in '{folder}': the same command continues.", err=True)
        raise
    files = tuning.files(tuned, out)
    atomic.write_all(files)
    click.echo(json.dumps(_json(tuned, files), indent=2) if as_json else _text(tuned, files))


def _text(tuned: "Tuned", files: dict[str, bytes]) -> str:
    evaluator = tuned.evaluator
    how = "measured on this machine, interleaved" if tuned.measured else f"estimated for '{tuned.board}', not measured"
    lines = [
        *_table(tuned),
        "",
        f"* on the Pareto front of bytes, us and {evaluator.metric}; > the winner",
        f"{evaluator.metric} of {evaluator.data}; the model itself has {evaluator.baseline:.4g}",
        f"the winner was chosen by this {evaluator.metric}, which flatters it",
        f"us are {how}; bytes are those of the artifact",
        *([TRAINED] if any(candidate.plan for candidate in tuned.candidates) else []),
        *_left_out(tuned),
        "",
        f"{tuned.best.name}: {', '.join(files)}",
    ]
    if not tuned.measured:
        lines.append(f"`edgernn export {next(iter(files))} NAME.so --board {tuned.board}` compiles it for the board")
    return "\n".join(lines)


def _table(tuned: "Tuned") -> list[str]:
    """Return a row for each candidate, the figures aligned to the right."""
    us = "us" if tuned.measured else "us, estimate"
    rows = [("", "pruned", "precision", "runtime", tuned.evaluator.metric, "points lost", "bytes", us)]
    for each in tuned.candidates:
        mark = f"{'>' * (each == tuned.best)}{'*' * (each in tuned.front)}"
        figures = (f"{each.metric:.4g}", f"{each.drop:.2f}", f"{each.bytes:,}", f"{each.step_us:.2f}")
        rows.append((mark, each.plan or "-", each.scheme, each.runtime, *figures))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    sides = "<<<<>>>>"
    return ["  ".join(f"{c:{s}{w}}" for c, s, w in zip(row, sides, widths, strict=True)).rstrip() for row in rows]


def _left_out(tuned: "Tuned") -> list[str]:
    """Return a line for each reason, with the candidates that it excludes."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for each in tuned.left_out:
        name = " ".join(part for part in (each.plan, each.scheme, each.runtime and f"on {each.runtime}") if part)
        reasons.setdefault((each.why, each.note), []).append(name)
    return [f"left out, {why}: {', '.join(names)} ({note})" for (why, note), names in reasons.items()]


def _json(tuned: "Tuned", files: dict[str, bytes]) -> dict[str, Any]:
    evaluator = tuned.evaluator
    return {
        "files": list(files),
        "device": tuned.board,
        "steps": "measured" if tuned.measured else "estimated",
        "metric": {
            "name": evaluator.metric,
            "better": evaluator.better,
            "of": evaluator.data,
            "before": evaluator.baseline,
        },
        "bound": tuned.bound,
        "winner": asdict(tuned.best),
        "candidates": [asdict(each) | {"front": each in tuned.front} for each in tuned.candidates],
        "left_out": [asdict(each) for each in tuned.left_out],
    }
