"""`edgernn sensitivity`: what each layer of a model loses by quantization."""

import json
import shlex
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgernn.commands.options import shared
from edgernn.commands.options.calibration import calibration_options, check_calibration, read_calibration
from edgernn.commands.options.evaluation import evaluation_options, find_evaluator
from edgernn.commands.options.types import PATH
from edgernn.commands.progress import status

if TYPE_CHECKING:
    from edgernn.model.graph import Graph
    from edgernn.tune.evaluate import Evaluator
    from edgernn.tune.mixed import Mixed


@click.command(no_args_is_help=True)
@click.argument("model", metavar="MODEL.rnn", type=PATH)
@shared.precision(required=True)
@evaluation_options
@shared.metric_drop(None)
@calibration_options
@shared.as_json
def sensitivity(model: str, precision: str, metric_drop: float | None, as_json: bool, **options: Any) -> None:
    """Measure what each layer loses by quantization.

    The layers of MODEL.rnn are quantized one at a time, and the model is evaluated by the metric of the --recipe.
    Without a recipe the data are frames, .npy or .csv, and the metric is the share of frames with an unchanged choice.
    With --metric-drop the smallest model within it is chosen, and the `edgernn compress` command that makes it is
    printed. Nothing is trained or written.
    """
    from edgernn.artifact import rnn
    from edgernn.tune.mixed import mixed

    check_calibration(precision, options)
    graph = rnn.load(model)
    prepared = _prepare(graph, precision, options)
    evaluator = find_evaluator(graph, options["data"], options["recipe"], options["settings"])
    with status("evaluating", lines=True) as note:
        result = mixed(prepared, precision, evaluator, metric_drop, on_progress=note)
    command = _command(model, precision, result, options) if result.smaller else None
    show = _json if as_json else _text
    click.echo(show(result, evaluator, metric_drop, command))


def _prepare(graph: "Graph", precision: str, options: dict[str, Any]) -> "Graph":
    """Return the model before it is quantized, with the ranges that `edgernn compress` would give it.

    Raises:
        UsageError: a precision of integers without ranges.
        EdgernnError: as the passes raise.
    """
    from edgernn.errors import UsageError
    from edgernn.model.tensor import STATIC
    from edgernn.passes.prepare import prepare
    from edgernn.passes.rounding import rounded

    calibration = read_calibration(graph, options)
    if precision in STATIC and not calibration.sequences and not graph.ranges:
        raise UsageError(
            f"{precision} computes with integers, whose ranges are learned from real frames; give --calibrate FILE"
        )
    prepared = prepare(replace(graph, ranges={}) if calibration.sequences else graph, precision, calibration)
    rounded(prepared, precision)  # an error here comes before the data are read
    return prepared


def _command(model: str, precision: str, mixed: "Mixed", options: dict[str, Any]) -> list[str]:
    """Return the command that makes the chosen model."""
    assert mixed.selection is not None
    out = Path(model).with_name(f"{Path(model).stem}-{precision}.rnn")
    keep = [part for layer in mixed.selection.keep for part in ("--keep", layer)]
    frames = [] if options["calibrate"] is None else ["--calibrate", options["calibrate"]]
    method = options["calibration_method"]
    methods = [] if method == "min-max" else ["--calibration-method", method]
    growing = ["--accept-growing"] if options["accept_growing"] else []
    return ["edgernn", "compress", model, str(out), "--precision", precision, *keep, *frames, *methods, *growing]


def _text(mixed: "Mixed", evaluator: "Evaluator", bound: float | None, command: list[str] | None) -> str:
    rows = [("layer", evaluator.metric, "points lost", "bytes saved")]
    rows += [
        (layer.layer, f"{layer.metric:.4g}", f"{layer.drop:.2f}", f"{layer.saved_bytes:,}") for layer in mixed.layers
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(f"{c:{s}{w}}" for c, s, w in zip(row, "<>>>", widths, strict=True)) for row in rows]
    lines += [
        "",
        f"{evaluator.metric} of {evaluator.data}; the model itself has {evaluator.baseline:.4g}",
        f"bytes of weights; the model itself has {mixed.weight_bytes:,}",
    ]
    if mixed.selection is None:
        return "\n".join(lines)
    if command is None:
        lines.append(f"every quantized layer loses more than {bound:g} points; allow more, or train the model for it:")
        return "\n".join([*lines, "`edgernn compress --qat`"])
    chosen = mixed.selection
    lines.append(
        f"the smallest that loses at most {bound:g} points keeps {', '.join(chosen.keep) or 'no layer'}: "
        f"{evaluator.metric} {chosen.metric:.4g}, {chosen.drop:.2f} points lost, {chosen.weight_bytes:,} bytes"
    )
    lines.append(f"it was chosen by this {evaluator.metric}, which flatters it; this command makes it:")
    return "\n".join([*lines, "", shlex.join(command)])


def _json(mixed: "Mixed", evaluator: "Evaluator", bound: float | None, command: list[str] | None) -> str:
    result = {
        "metric": {
            "name": evaluator.metric,
            "better": evaluator.better,
            "of": evaluator.data,
            "before": evaluator.baseline,
        },
        **asdict(mixed),
        "bound": bound,
        "command": command,
    }
    return json.dumps(result, indent=2)
