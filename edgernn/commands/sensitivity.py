"""`edgernn sensitivity`: which layers of a model lose what when they are quantized, and which to keep in float."""

import json
import shlex
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgernn.commands.options.calibration import calibrated, calibration, check
from edgernn.commands.options.evaluation import evaluated, find_evaluator

if TYPE_CHECKING:
    from edgernn.model.graph import Graph
    from edgernn.tune.evaluate import Evaluator
    from edgernn.tune.mixed import Mixed


@click.command(no_args_is_help=True)
@click.argument("model", metavar="MODEL.rnn")
@click.option("--quantize", "scheme", required=True, metavar="SCHEME", help="As `edgernn compress` takes it.")
@evaluated
@click.option("--metric-drop", "bound", type=float, metavar="POINTS", help="Choose too: what may be lost, of 100.")
@calibrated
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def sensitivity(model: str, scheme: str, bound: float | None, as_json: bool, **said: Any) -> None:
    """Tell what every layer of MODEL.rnn loses when only it is quantized, and which to keep in float.

    Models are judged by the metric of the recipe, or without one by the share of frames at which they choose as the
    model does. With --metric-drop the smallest is sought that loses no more, and the `edgernn compress` that makes it
    is told. Nothing is written, and nothing is trained.
    """
    from edgernn.artifact import rnn
    from edgernn.tune.mixed import mixed

    check(scheme, said)
    graph = rnn.load(model)
    ready = _prepare(graph, scheme, said)
    evaluator = find_evaluator(graph, said["path"], said["recipe"], said["settings"])
    found = mixed(ready, scheme, evaluator, bound, on_progress=partial(click.echo, err=True))
    command = _command(model, scheme, found, said) if found.smaller else None
    click.echo(_json(found, evaluator, bound, command) if as_json else _text(found, evaluator, bound, command))


def _prepare(graph: "Graph", scheme: str, said: dict[str, Any]) -> "Graph":
    """The model as it is before it is quantized, with the ranges that `edgernn compress` would give it.

    Raises:
        UsageError: a precision of integers, and no ranges.
        EdgernnError: as the passes say.
    """
    from edgernn.errors import UsageError
    from edgernn.model.tensor import STATIC
    from edgernn.passes.prepare import prepare
    from edgernn.passes.rounding import rounded

    learnt = calibration(graph, said)
    if scheme in STATIC and not learnt.sequences and not graph.ranges:
        raise UsageError(
            f"{scheme} computes with integers, whose ranges are learnt from real frames; give --calibrate FILE"
        )
    made = prepare(replace(graph, ranges={}) if learnt.sequences else graph, scheme, learnt)
    rounded(made, scheme)  # what cannot be is told before the data are read
    return made


def _command(model: str, scheme: str, found: "Mixed", said: dict[str, Any]) -> list[str]:
    """What makes the model that was found."""
    assert found.selection is not None
    out = Path(model).with_name(f"{Path(model).stem}-{scheme}.rnn")
    keep = [part for layer in found.selection.keep for part in ("--keep", layer)]
    shown = [] if said["shown"] is None else ["--calibrate", said["shown"]]
    method = [] if said["method"] == "min-max" else ["--calibration-method", said["method"]]
    growing = ["--accept-growing"] if said["accept_growing"] else []
    return ["edgernn", "compress", model, str(out), "--quantize", scheme, *keep, *shown, *method, *growing]


def _text(found: "Mixed", evaluator: "Evaluator", bound: float | None, command: list[str] | None) -> str:
    rows = [("layer", evaluator.metric, "points lost", "bytes saved")]
    rows += [(each.layer, f"{each.metric:.4g}", f"{each.drop:.2f}", f"{each.saved_bytes:,}") for each in found.layers]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(f"{c:{s}{w}}" for c, s, w in zip(row, "<>>>", widths, strict=True)) for row in rows]
    lines += [
        "",
        f"{evaluator.metric} is of {evaluator.data}, {evaluator.baseline:.4g} for the model as it is",
        f"bytes are of weights, {found.weight_bytes:,} of the model as it is",
    ]
    if found.selection is None:
        return "\n".join(lines)
    if command is None:
        lines.append(f"no layer can be quantized that loses at most {bound:g} points; allow more, or train it further:")
        return "\n".join([*lines, "`edgernn compress --qat` does"])
    kept = found.selection
    lines.append(
        f"the smallest that loses at most {bound:g} points keeps {', '.join(kept.keep) or 'no layer'}: "
        f"{evaluator.metric} {kept.metric:.4g}, {kept.drop:.2f} points lost, {kept.weight_bytes:,} bytes"
    )
    lines.append(f"it was chosen by this {evaluator.metric}, which flatters; this makes it:")
    return "\n".join([*lines, "", shlex.join(command)])


def _json(found: "Mixed", evaluator: "Evaluator", bound: float | None, command: list[str] | None) -> str:
    told = {
        "metric": {
            "name": evaluator.metric,
            "better": evaluator.better,
            "of": evaluator.data,
            "before": evaluator.baseline,
        },
        **asdict(found),
        "bound": bound,
        "command": command,
    }
    return json.dumps(told, indent=2)
