"""`edgernn compress`: a smaller model, and what it gains and loses."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgernn.commands.options import shared
from edgernn.commands.options.calibration import calibration_options, check_calibration, read_calibration
from edgernn.commands.options.foreign import load
from edgernn.commands.options.types import PATH, Choice
from edgernn.commands.progress import status

if TYPE_CHECKING:
    from edgernn.model.graph import Graph
    from edgernn.passes.agreement import Agreement
    from edgernn.passes.prepare import Calibration
    from edgernn.passes.pruning import Pruning
    from edgernn.passes.thresholds import DeltaRequest
    from edgernn.train.compare.race import Race, Size

NOTES = {
    "parameters": "",
    "zeros": "weights of matrices",
    "macs": "zeros included",
    "bytes": "of the .rnn file",
}


@click.command(no_args_is_help=True)
@click.argument("model", type=PATH)
@click.argument("out", metavar="OUT.rnn", type=PATH)
@shared.prune
@shared.precision()
@shared.keep
@shared.recipe
@shared.data(required=False)
@shared.settings
@click.option(
    "--delta",
    metavar="WHAT",
    help="Skip inputs that barely change: 0.3 loses at most so many points of the metric, x=0.5,h=0.2 are thresholds.",
)
@click.option(
    "--importance",
    type=Choice(["magnitude", "taylor"]),
    default="magnitude",
    show_default=True,
    help="Choose the units to prune by this; taylor uses gradients.",
)
@click.option("--qat", is_flag=True, help="Fine-tune with the rounding of --precision.")
@click.option("--teacher", type=PATH, metavar="FILE", help="Learn from this larger float model too.")
@click.option(
    "--distill-weight", type=float, metavar="SHARE", show_default="0.5", help="Share of the teacher in the loss."
)
@click.option(
    "--distill-temperature", type=float, show_default="2", help="Divide the scores of both by this, in that loss."
)
@calibration_options
@click.option("--checkpoint", type=PATH, metavar="FOLDER", help="Save the fine-tuning here, and continue from there.")
@click.option("--one-shot", is_flag=True, help="Put all zeros before the fine-tuning, not gradually.")
@shared.as_json
def compress(
    model: str, out: str, prune: tuple[str, ...], precision: str | None, as_json: bool, **options: Any
) -> None:
    """Prune, fine-tune and quantize a model.

    MODEL is a .rnn file, or the file of another tool as `edgernn import` reads it.

    units=0.5 removes hidden units, energy=0.95 factors matrices where that makes them smaller, and blocks=0.8,
    magnitude=0.5 or 2:4 put zeros; one of each kind may be given. With --recipe and --data the model is fine-tuned, and
    the metric of the test part is printed: before, after pruning alone, and at the end. With real frames, of the test
    part or of --calibrate, the number of changed answers is printed too. Steps before and after are timed interleaved,
    on every runtime of this machine; with --delta on random frames, which change more than real ones.
    """
    from edgernn.artifact import rnn
    from edgernn.errors import UsageError
    from edgernn.files import atomic
    from edgernn.passes.agreement import agreement
    from edgernn.passes.pruning import parse_pruning
    from edgernn.passes.thresholds import requested_thresholds
    from edgernn.train.compare.race import advice, race, size
    from edgernn_export.targets.deployed import deployed

    if Path(out).suffix != rnn.SUFFIX:
        raise UsageError(f"a model is written as {rnn.SUFFIX}, not as '{out}'; `edgernn export` makes artifacts of it")
    _check(prune, precision, options)
    graph = load(model)
    atomic.writable(out)
    pruning = parse_pruning([part for each in prune for part in each.split(",")], precision or "")
    thresholds = requested_thresholds(options["delta"], precision, trains=options["recipe"] is not None)
    calibration = read_calibration(graph, options)
    metrics: dict[str, Any] = {}
    # Pruning makes the ranges of the model wrong; calibration frames replace them.
    start = replace(graph, ranges={}) if prune or calibration.sequences or thresholds else graph
    if options["recipe"]:
        after, metrics = _finetune(start, pruning, precision, calibration, options | {"thresholds": thresholds})
    else:
        after = _untrained(start, pruning, precision, calibration, options["keep"], thresholds)
    alike = metrics.pop("agreement", None)
    if alike is None and calibration.sequences:
        alike = agreement(graph, after, calibration.sequences)
    with status("timing steps before and after"):
        sizes, races, files = (size(graph), size(after)), race(graph, after), (deployed(graph), deployed(after))
    summary = _advice(advice(races), metrics)
    atomic.write(out, rnn.dumps(after))
    if as_json:
        steps, (old, new) = [asdict(race) for race in races], map(asdict, sizes)
        result = {"file": out, "before": old, "after": new, "metric": metrics, "steps": steps, "advice": summary}
        result["deployed"] = dict(zip(("before", "after"), files, strict=True))
        click.echo(json.dumps(result | {"alike": None if alike is None else asdict(alike)}, indent=2))
        return
    rows = [*_sizes(*sizes), *_files(*files), *_ranks(after, pruning), *_metric(metrics), *_alike(alike, metrics)]
    rows += _steps(races)
    click.echo(f"{_table(rows)}\n\n{_runs(races)}{summary}")


def _check(prune: tuple[str, ...], precision: str | None, options: dict[str, Any]) -> None:
    """Check that the options fit together.

    Raises:
        UsageError: they do not.
    """
    from edgernn.errors import UsageError

    if not prune and precision is None and options["teacher"] is None and options["delta"] is None:
        raise UsageError("there is nothing to do; give --prune, --precision or both, a --teacher, or --delta")
    if options["qat"] and precision is None:
        raise UsageError("--qat needs the precision to train for; give --precision")
    if options["teacher"] is None and any(options[f"distill_{name}"] is not None for name in ("weight", "temperature")):
        raise UsageError("--distill-weight and --distill-temperature need a teacher; give --teacher FILE")
    if (options["recipe"] is None) != (options["data"] is None):
        raise UsageError("--recipe and --data need each other; give both, or neither")
    check_calibration(precision, options)
    for option, present in (
        ("--set", options["settings"]),
        ("--one-shot", options["one_shot"]),
        ("--qat", options["qat"]),
        ("--teacher", options["teacher"] is not None),
        ("--checkpoint", options["checkpoint"] is not None),
        ("--importance taylor", options["importance"] == "taylor"),
    ):
        if present and options["recipe"] is None:
            raise UsageError(f"{option} needs a recipe; give --recipe RECIPE and --data PATH")


def _untrained(
    graph: "Graph",
    pruning: "Pruning",
    precision: str | None,
    calibration: "Calibration",
    keep: tuple[str, ...],
    thresholds: "DeltaRequest | None",
) -> "Graph":
    """Prune, set thresholds and quantize."""
    from edgernn.passes.delta import delta
    from edgernn.passes.prepare import calibrate_and_quantize
    from edgernn.passes.pruning import apply_pruning

    with status("compressing"):
        small = apply_pruning(graph, pruning, keep=keep)
        small = small if thresholds is None else delta(small, x=thresholds.x, h=thresholds.h, keep=keep)
        return calibrate_and_quantize(small, precision, calibration, keep=keep, warns=True)


def _finetune(
    graph: "Graph", pruning: "Pruning", precision: str | None, calibration: "Calibration", options: dict[str, Any]
) -> tuple["Graph", dict[str, Any]]:
    """Prune, fine-tune and quantize; return the model and its metrics before, between and after."""
    from edgernn.artifact import rnn
    from edgernn.extras import needed

    with needed("fine-tuning"):
        from edgernn.train.compress.finetune import compressed
        from edgernn.train.loop.distillation import Distillation
        from edgernn.train.loop.trainer import Accelerator, is_interactive
        from edgernn.train.recipe import load
    shares = {name: options[f"distill_{name}"] for name in ("weight", "temperature")}
    shares = {name: value for name, value in shares.items() if value is not None}
    distillation = None if options["teacher"] is None else Distillation(rnn.load(options["teacher"]), **shares)
    recipe = load(options["recipe"], options["settings"])
    folder = options["checkpoint"]
    try:
        return compressed(
            graph,
            recipe,
            options["data"],
            pruning,
            precision,
            keep=options["keep"],
            by_gradient=options["importance"] == "taylor",
            gradual=not options["one_shot"],
            aware=options["qat"],
            distillation=distillation,
            calibration=calibration,
            thresholds=options["thresholds"],
            out=None if folder is None else Path(folder),
            accelerator=Accelerator(progress_bar=is_interactive()),
        )
    except KeyboardInterrupt:
        saved = f"Finished epochs are saved in '{folder}': the same command continues."
        click.echo(saved if folder else "Nothing is saved; --checkpoint FOLDER would save it.", err=True)
        raise


def _advice(steps: str, metrics: dict[str, Any]) -> str:
    if not metrics:
        return f"{steps}. Accuracy was not measured: give --recipe RECIPE --data PATH"
    before, after = metrics["before"], metrics["after"]
    lost = (after - before) * (1 if metrics["better"] == "minimize" else -1)
    change = f"{metrics['name']} goes from {before:g} to {after:g}"
    if lost > 0.01 * abs(before):
        return f"{steps}. But {change}: prune less, or train longer, before you use it"
    return f"{steps}; {change}"


def _table(rows: list[tuple[str, ...]]) -> str:
    """Return five columns, the figures aligned to the right."""
    lines_of_cells = [("", "before", "after", "gain", ""), *rows]
    name, *figures, _ = (max(map(len, column)) for column in zip(*lines_of_cells, strict=True))
    lines = []
    for first, *numbers, note in lines_of_cells:
        cells = [f"{number:>{width}}" for number, width in zip(numbers, figures, strict=True)]
        lines.append("  ".join([f"{first:{name}}", *cells, note]).rstrip())
    return "\n".join(lines)


def _sizes(before: "Size", after: "Size") -> list[tuple[str, ...]]:
    rows = []
    for name, note in NOTES.items():
        old, new = getattr(before, name), getattr(after, name)
        rows.append((name, f"{old:,}", f"{new:,}", "" if name == "zeros" else _times(old, new), note))
    return [*rows, ("precision", before.precision, after.precision, "", "")]


def _files(before: dict[str, int | None], after: dict[str, int | None]) -> list[tuple[str, ...]]:
    """Return a row for each format that a device takes."""
    from edgernn_export.targets.deployed import MEANING

    rows = []
    for suffix, old in before.items():
        new, note = after[suffix], MEANING.get(suffix, "")
        figures = ["-" if value is None else f"{value:,}" for value in (old, new)]
        rows.append((f"bytes, {suffix}", *figures, _times(old or 0, new or 0), note))
    return rows


def _ranks(after: "Graph", pruning: "Pruning") -> list[tuple[str, ...]]:
    """Return a row of the factored matrices, where factoring was asked for."""
    if pruning.energy == 1:
        return []
    names = [name.removesuffix(".left") for name in after.tensors if name.endswith(".left")]
    return [("factored", "", f"{len(names)}", "", f"matrices: {', '.join(names)}; factoring the others saves nothing")]


def _metric(metrics: dict[str, Any]) -> list[tuple[str, ...]]:
    if not metrics:
        return []
    values = [f"{metrics[when]:g}" for when in ("before", "after")]
    return [(metrics["name"], *values, "", f"of the test part; {metrics['cut']:g} without fine-tuning")]


def _alike(alike: "Agreement | None", metrics: dict[str, Any]) -> list[tuple[str, ...]]:
    if alike is None:
        return []
    of, changed = f"of {alike.frames:,} {'test' if metrics else 'calibration'} frames", []
    if alike.changed is not None:
        changed = [("answers changed", "", f"{alike.changed:,}", "", of)]
    snr = "-" if alike.snr_db is None else f"{alike.snr_db:g}"
    return [*changed, ("SNR, dB", "", snr, "", f"of the outputs before to their change, {of}")]


def _runs(races: tuple["Race", ...]) -> str:
    """Return the runtimes of this machine that run the model."""
    names = [race.runtime for race in races if race.faster is not None]
    return f"runs here on {', '.join(names)}, and on numpy as it is; " if names else ""


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
