"""`edgernn tune`: the fastest or smallest form of a model that is as good as it has to be."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgernn.commands.options.evaluation import evaluated, find_evaluator

if TYPE_CHECKING:
    from edgernn.tune.tuning import Tuned

PLANS = ("units=0.5", "blocks=0.8")
"""What is pruned when a recipe is given and nothing is said."""


TRAINED = "what was pruned was trained further, as the recipe says, and the model itself was not: so it may gain"


@click.command(no_args_is_help=True)
@click.argument("model", metavar="MODEL.rnn")
@evaluated
@click.option(
    "--metric-drop", type=float, default=0.5, show_default=True, metavar="POINTS", help="What may be lost, of 100."
)
@click.option("--device", "name", default="this", show_default=True, metavar="NAME", help="See `edgernn devices`.")
@click.option(
    "--prune",
    metavar="WHAT",
    multiple=True,
    help="Try this too, as in `edgernn compress`, with commas between, and train what is left by the recipe; "
    "units=0.5 and blocks=0.8 unless given.",
)
@click.option("--prefer", default="latency", show_default=True, help="latency or bytes.")
@click.option("-o", "--out", required=True, metavar="NAME", help="Where the winner goes, without a suffix.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def tune(model: str, path: str, out: str, as_json: bool, **said: Any) -> None:
    """Try every precision, pruning and runtime on MODEL.rnn, and write the best that loses no more than POINTS.

    Each candidate is judged by its own artifact on its runtime: by the metric of the recipe, or without one by the
    share of frames at which it chooses as the model does. Steps are timed on this machine, all candidates in turn; for
    another board they are estimates, and said to be. What is finished is kept in NAME.tune, of a fine-tuning the last
    epoch, and the same command goes on from there.
    """
    from edgernn.artifact import rnn
    from edgernn.device import board as boards
    from edgernn.errors import UsageError
    from edgernn.files import atomic
    from edgernn.tune import tuning
    from edgernn.tune.candidates import count_candidates

    if Path(out).suffix not in {"", rnn.SUFFIX}:
        raise UsageError(f"'{out}' has a suffix, and the winner decides that; give a name without one")
    out = out.removesuffix(rnn.SUFFIX)
    if said["recipe"] is None and said["prune"]:
        raise UsageError("--prune goes with a recipe, which trains what is left; give --recipe RECIPE")
    board, graph = boards.load(said["name"]), rnn.load(model)
    plans = [tuple(each.split(",")) for each in said["prune"] or PLANS] if said["recipe"] else []
    folder = Path(f"{out}.tune")
    evaluator = find_evaluator(graph, path, said["recipe"], said["settings"], folder)
    try:
        with click.progressbar(length=count_candidates([(), *plans]), label="candidates", file=sys.stderr) as bar:
            found = tuning.tune(
                graph,
                evaluator,
                folder,
                bound=said["metric_drop"],
                board=board,
                prefer=said["prefer"],
                plans=[(), *plans],
                on_progress=bar.update,
            )
    except KeyboardInterrupt:
        click.echo(f"\nWhat is finished is kept in '{folder}': the same command goes on.", err=True)
        raise
    written = tuning.files(found, out)
    atomic.write_all(written)
    click.echo(json.dumps(_json(found, written), indent=2) if as_json else _text(found, written))


def _text(found: "Tuned", written: dict[str, bytes]) -> str:
    evaluator = found.evaluator
    how = "measured on this machine, all in turn" if found.measured else f"estimated for '{found.board}', not measured"
    lines = [
        *_table(found),
        "",
        f"* none is better in all of bytes, us and {evaluator.metric}; > the winner",
        f"{evaluator.metric} is of {evaluator.data}, {evaluator.baseline:.4g} for the model",
        f"the winner was chosen by this {evaluator.metric}, which flatters it",
        f"us are {how}; bytes are those of the artifact",
        *([TRAINED] if any(each.plan for each in found.candidates) else []),
        *_left_out(found),
        "",
        f"{found.best.name}: {', '.join(written)}",
    ]
    if not found.measured:
        lines.append(f"`edgernn export {next(iter(written))} NAME.so --device {found.board}` writes what runs there")
    return "\n".join(lines)


def _table(found: "Tuned") -> list[str]:
    """A row for each candidate, the figures to the right."""
    us = "us" if found.measured else "us, estimate"
    rows = [("", "pruned", "precision", "runtime", found.evaluator.metric, "points lost", "bytes", us)]
    for each in found.candidates:
        mark = f"{'>' * (each == found.best)}{'*' * (each in found.front)}"
        figures = (f"{each.metric:.4g}", f"{each.drop:.2f}", f"{each.bytes:,}", f"{each.step_us:.2f}")
        rows.append((mark, each.plan or "-", each.scheme, each.runtime, *figures))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    sides = "<<<<>>>>"
    return ["  ".join(f"{c:{s}{w}}" for c, s, w in zip(row, sides, widths, strict=True)).rstrip() for row in rows]


def _left_out(found: "Tuned") -> list[str]:
    """A line for each reason, and those that it keeps out."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for each in found.left_out:
        name = " ".join(part for part in (each.plan, each.scheme, each.runtime and f"on {each.runtime}") if part)
        reasons.setdefault((each.why, each.note), []).append(name)
    return [f"left out, {why}: {', '.join(names)} ({note})" for (why, note), names in reasons.items()]


def _json(found: "Tuned", written: dict[str, bytes]) -> dict[str, Any]:
    evaluator = found.evaluator
    return {
        "files": list(written),
        "device": found.board,
        "steps": "measured" if found.measured else "estimated",
        "metric": {
            "name": evaluator.metric,
            "better": evaluator.better,
            "of": evaluator.data,
            "before": evaluator.baseline,
        },
        "bound": found.bound,
        "winner": asdict(found.best),
        "candidates": [asdict(each) | {"front": each in found.front} for each in found.candidates],
        "left_out": [asdict(each) for each in found.left_out],
    }
