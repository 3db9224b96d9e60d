"""`edgernn compress`: a smaller model, and what that came to."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgernn.commands.options.calibration import calibrated, calibration, check

if TYPE_CHECKING:
    from edgernn.model.graph import Graph
    from edgernn.passes.agreement import Agreement
    from edgernn.passes.prepare import Calibration
    from edgernn.passes.pruning import Pruning
    from edgernn.train.compare.race import Race, Size

NOTES = {
    "parameters": "",
    "zeros": "weights of matrices",
    "macs": "those with a zero too",
    "bytes": "of the .rnn file",
}


@click.command(no_args_is_help=True)
@click.argument("model")
@click.argument("out")
@click.option(
    "--prune",
    metavar="WHAT",
    multiple=True,
    help="units=0.5 removes hidden units; energy=0.95 factors matrices where that is smaller; blocks=0.8, "
    "magnitude=0.5 or 2:4 puts zeros. One of each may be given.",
)
@click.option("--quantize", "scheme", metavar="SCHEME", help="Quantize last, as `edgernn export --precision` does.")
@click.option("--keep", metavar="LAYER", multiple=True, help="A layer to leave as it is; repeat for more.")
@click.option("--finetune", "recipe", metavar="RECIPE", help="Train what is left further, as this recipe says.")
@click.option("--data", "path", metavar="PATH", help="The folder or file that the recipe reads.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Such as training.epochs=10.")
@click.option(
    "--importance",
    type=click.Choice(["magnitude", "taylor"]),
    default="magnitude",
    show_default=True,
    help="How units are chosen; taylor goes by gradients, and needs a recipe.",
)
@click.option("--qat", "aware", is_flag=True, help="Fine-tune it as what it will be once it is quantized.")
@click.option("--teacher", metavar="FILE", help="A larger model in float, of which the fine-tuned one learns too.")
@click.option("--distill", "weight", type=float, metavar="PART", help="Of the teacher in the loss; 0.5 if not given.")
@click.option("--temperature", type=float, help="By which scores of classes are divided there; 2 if not given.")
@calibrated
@click.option("--resume", metavar="FOLDER", help="Keep the fine-tuning's checkpoint here, and go on from one that is.")
@click.option("--at-once", is_flag=True, help="Put all zeros before the fine-tuning, and not little by little.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def compress(model: str, out: str, prune: tuple[str, ...], scheme: str | None, as_json: bool, **options: Any) -> None:
    """Prune, fine-tune and quantize MODEL.rnn, write OUT.rnn, and say what it gained and lost.

    Steps are timed on this machine, before and after in turn, on every runtime that is here. With a recipe the accuracy
    of the test part is said: before, after the cut, and at the end. With real frames, of that part or of FILE, also at
    how many the answer changed. Nothing is claimed that was not measured.
    """
    from edgernn.artifact import rnn
    from edgernn.errors import UsageError
    from edgernn.files import atomic
    from edgernn.passes.agreement import agreement
    from edgernn.passes.prepare import quantized
    from edgernn.passes.pruning import plan, pruned
    from edgernn.train.compare.race import advice, race, size

    if Path(out).suffix != rnn.SUFFIX:
        raise UsageError(f"a model is written as {rnn.SUFFIX}, not as '{out}'; `edgernn export` makes artifacts of it")
    _check(prune, scheme, options)
    graph = rnn.load(model)
    atomic.writable(out)
    asked, learnt = plan(prune, scheme or ""), calibration(graph, options)
    metrics: dict[str, Any] = {}
    start = replace(graph, ranges={}) if prune or learnt.sequences else graph  # they are no longer true, or not asked
    if options["recipe"]:
        after, metrics = _trained(start, asked, scheme, learnt, options)
    else:
        keep = options["keep"]
        after = quantized(pruned(start, asked, keep=keep), scheme, learnt, keep=keep, warns=True)
    alike = metrics.pop("agreement", None)
    if alike is None and learnt.sequences:
        alike = agreement(graph, after, learnt.sequences)
    sizes, races = (size(graph), size(after)), race(graph, after)
    said = _advice(advice(races), metrics)
    atomic.write(out, rnn.dumps(after))
    if as_json:
        steps, (old, new) = [asdict(race) for race in races], map(asdict, sizes)
        told = {"file": out, "before": old, "after": new, "metric": metrics, "steps": steps, "advice": said}
        click.echo(json.dumps(told | {"alike": None if alike is None else asdict(alike)}, indent=2))
        return
    rows = [*_sizes(*sizes), *_ranks(after, asked), *_metric(metrics), *_alike(alike, metrics), *_steps(races)]
    click.echo(f"{_table(rows)}\n\n{_runs(races)}{said}")


def _check(prune: tuple[str, ...], scheme: str | None, options: dict[str, Any]) -> None:
    """That the options go together.

    Raises:
        UsageError: they do not.
    """
    from edgernn.errors import UsageError

    if not prune and scheme is None and options["teacher"] is None:
        raise UsageError("nothing is asked; give --prune, --quantize or both, or a --teacher")
    if options["aware"] and scheme is None:
        raise UsageError("--qat trains for the precision of --quantize SCHEME; give it")
    if options["teacher"] is None and (options["weight"] is not None or options["temperature"] is not None):
        raise UsageError("--distill and --temperature go with a teacher; give --teacher FILE")
    if (options["recipe"] is None) != (options["path"] is None):
        raise UsageError("--finetune RECIPE and --data PATH go together; give both, or neither")
    check(scheme, options)
    for option, given in (
        ("--set", options["settings"]),
        ("--at-once", options["at_once"]),
        ("--qat", options["aware"]),
        ("--teacher", options["teacher"] is not None),
        ("--resume", options["resume"] is not None),
        ("--importance taylor", options["importance"] == "taylor"),
    ):
        if given and options["recipe"] is None:
            raise UsageError(f"{option} goes with a recipe; give --finetune RECIPE and --data PATH")


def _trained(
    graph: "Graph", asked: "Pruning", scheme: str | None, learnt: "Calibration", options: dict[str, Any]
) -> tuple["Graph", dict[str, Any]]:
    """The model pruned, trained further and quantized; and what it was worth on the way."""
    from edgernn.artifact import rnn
    from edgernn.extras import needed

    with needed("fine-tuning"):
        from edgernn.train.compress.finetune import compressed
        from edgernn.train.loop.distillation import Distillation
        from edgernn.train.recipe import load
    given = {name: options[name] for name in ("weight", "temperature") if options[name] is not None}
    distillation = None if options["teacher"] is None else Distillation(rnn.load(options["teacher"]), **given)
    recipe = load(options["recipe"], options["settings"])
    folder = options["resume"]
    try:
        return compressed(
            graph,
            recipe,
            options["path"],
            asked,
            scheme,
            keep=options["keep"],
            by_gradient=options["importance"] == "taylor",
            gradual=not options["at_once"],
            aware=options["aware"],
            distillation=distillation,
            calibration=learnt,
            out=None if folder is None else Path(folder),
        )
    except KeyboardInterrupt:
        kept = f"What is finished is kept in '{folder}': the same command goes on."
        click.echo(kept if folder else "Nothing is kept; with --resume FOLDER the same command goes on.", err=True)
        raise


def _advice(steps: str, metrics: dict[str, Any]) -> str:
    if not metrics:
        return f"{steps}. Accuracy was not measured: give --finetune RECIPE --data PATH"
    before, after = metrics["before"], metrics["after"]
    lost = (after - before) * (1 if metrics["better"] == "minimize" else -1)
    told = f"{metrics['name']} goes from {before:g} to {after:g}"
    if lost > 0.01 * abs(before):
        return f"{steps}. But {told}: prune less, or train longer, before it is used"
    return f"{steps}; {told}"


def _table(rows: list[tuple[str, ...]]) -> str:
    """Five columns, the figures to the right."""
    every = [("", "before", "after", "gain", ""), *rows]
    name, *figures, _ = (max(map(len, column)) for column in zip(*every, strict=True))
    lines = []
    for first, *numbers, note in every:
        cells = [f"{number:>{width}}" for number, width in zip(numbers, figures, strict=True)]
        lines.append("  ".join([f"{first:{name}}", *cells, note]).rstrip())
    return "\n".join(lines)


def _sizes(before: "Size", after: "Size") -> list[tuple[str, ...]]:
    rows = []
    for name, note in NOTES.items():
        old, new = getattr(before, name), getattr(after, name)
        rows.append((name, f"{old:,}", f"{new:,}", "" if name == "zeros" else _times(old, new), note))
    return [*rows, ("precision", before.precision, after.precision, "", "")]


def _ranks(after: "Graph", asked: "Pruning") -> list[tuple[str, ...]]:
    """Which matrices became two, when that was asked."""
    if asked.energy == 1:
        return []
    names = [name.removesuffix(".left") for name in after.tensors if name.endswith(".left")]
    return [("factored", "", f"{len(names)}", "", f"matrices: {', '.join(names)}; others would gain nothing")]


def _metric(metrics: dict[str, Any]) -> list[tuple[str, ...]]:
    if not metrics:
        return []
    values = [f"{metrics[when]:g}" for when in ("before", "after")]
    return [(metrics["name"], *values, "", f"of the test part; {metrics['cut']:g} made as small without training")]


def _alike(alike: "Agreement | None", metrics: dict[str, Any]) -> list[tuple[str, ...]]:
    if alike is None:
        return []
    of, changed = f"of {alike.frames:,} {'test' if metrics else 'calibration'} frames", []
    if alike.changed is not None:
        changed = [("answers changed", "", f"{alike.changed:,}", "", of)]
    snr = "-" if alike.snr_db is None else f"{alike.snr_db:g}"
    return [*changed, ("SNR, dB", "", snr, "", f"of the outputs before to their change, {of}")]


def _runs(races: tuple["Race", ...]) -> str:
    """Which runtimes here run it."""
    able = [race.runtime for race in races if race.faster is not None]
    return f"runs here on {', '.join(able)}, and on numpy as it is; " if able else ""


def _steps(races: tuple["Race", ...]) -> list[tuple[str, ...]]:
    rows = []
    for race in races:
        figures = ["-"] * 3
        if race.faster is not None:
            figures = [f"{race.before_us:.2f}", f"{race.after_us:.2f}", f"{race.faster:.2f} x"]
        rows.append((f"us, {race.runtime}", *figures, race.note))
    return rows


def _times(before: int, after: int) -> str:
    return f"{before / after:.2f} x" if after and before else ""
