"""`edgernn export`: a model to the files that devices run."""

import importlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from edgernn.model.graph import Graph


@click.command(no_args_is_help=True)
@click.argument("model")
@click.argument("out", nargs=-1, required=True)
@click.option("--weights", metavar="FILE", help="A .safetensors or .pt state dict to load into the module first.")
@click.option("--example", metavar="SHAPE", help="The shape of one sequence, such as 1x50x40.")
@click.option("--time-axis", type=int, help="Which axis of the example is time, when no layer shows it.")
@click.option("--period-ms", type=float, help="The time from one frame to the next, kept with the model.")
@click.option("--labels", metavar="A,B,C", help="A name for each output, kept with the model.")
@click.option(
    "--precision",
    metavar="SCHEME",
    help="Quantize first: fp16, weight_only_wi8_afp32, weight_only_wi4_afp32 or dynamic_wi8_afp32; with ranges, which "
    "`edgernn compress --calibrate` learns, also static_wi8_ai8 or static_wi8_ai16.",
)
@click.option(
    "--keep", metavar="LAYER", multiple=True, help="A layer that --precision leaves as it is; repeat for more."
)
@click.option(
    "--runtime", metavar="PACKAGE", help="What will run the files: tflite-runtime, when it is not ai-edge-litert."
)
@click.option("--device", metavar="NAME", help="The board that will run the files: see `edgernn devices`.")
@click.option("--json", "as_json", is_flag=True, help="Print what was written as JSON.")
def export(
    model: str,
    out: tuple[str, ...],
    precision: str | None,
    keep: tuple[str, ...],
    runtime: str | None,
    device: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Write MODEL as one or more .onnx, .tflite, .so, .c or .rnn files.

    MODEL is a .rnn file, or package.module:factory. The factory takes no arguments and returns a torch module, or a
    pair of the module and an example input; without a pair, give --example. Nothing is written unless every file is
    proved. A .so is compiled for the processor of this machine, or of the board that --device names.
    """
    from edgernn.artifact import rnn
    from edgernn.errors import UsageError
    from edgernn.files import atomic
    from edgernn_export.targets.destination import destination_of
    from edgernn_export.translate import render, target_of

    for path in out:
        if Path(path).suffix != ".rnn":
            target_of(path)
    destinations = {path: destination_of(path, runtime, device) for path in out}
    graph = _quantized(_graph(model, options), precision, keep)
    made: dict[str, bytes] = {}
    for path, destination in destinations.items():
        more = {path: rnn.dumps(graph)} if Path(path).suffix == ".rnn" else render(graph, path, destination)
        for both in made.keys() & more.keys():
            raise UsageError(f"two of the artifacts write '{both}'; choose another name for '{path}'")
        made |= more
    atomic.write_all(made)
    sizes = {path: len(data) for path, data in made.items()}
    if as_json:
        click.echo(json.dumps({"graph": rnn.digest(graph), "precision": graph.precision, "files": sizes}))
    else:
        for path, size in sizes.items():
            click.echo(f"{path}  {size:,} bytes")


def _quantized(graph: "Graph", precision: str | None, keep: tuple[str, ...]) -> "Graph":
    from edgernn.errors import UsageError
    from edgernn.passes.quantize import quantize

    if precision is None:
        if keep:
            raise UsageError(f"--keep {keep[0]} goes with --precision, which is not given")
        return graph
    smaller = quantize(graph, precision, keep=keep)
    if precision not in smaller.precision.split("+"):
        raise UsageError(f"no layer is left to quantize as {precision}: the model stays {smaller.precision}")
    return smaller


def _graph(model: str, options: dict[str, Any]) -> "Graph":
    from edgernn.artifact.rnn import load
    from edgernn.errors import UsageError

    if ":" in model:
        return _from_factory(model, **options)
    if Path(model).suffix != ".rnn":
        raise UsageError(f"'{model}' is no model: give a .rnn file, or a factory as package.module:factory")
    for option, given in options.items():
        if given is not None:
            raise UsageError(f"--{option.replace('_', '-')} goes with a factory; '{model}' has all that it needs")
    return load(model)


def _from_factory(
    model: str,
    weights: str | None,
    example: str | None,
    time_axis: int | None,
    period_ms: float | None,
    labels: str | None,
) -> "Graph":
    from edgernn.errors import UsageError
    from edgernn_export.translate import from_torch, load_weights, random_example

    module, given = _made(model)
    if weights is not None:
        load_weights(module, weights)
    if example is not None:
        given = random_example(_shape(example))
    if given is None:
        raise UsageError(f"'{model}' returns no example; return (module, example) or give --example, such as 1x50x40")
    names = tuple(labels.split(",")) if labels else ()
    return from_torch(module.eval(), given, time_axis=time_axis, period_ms=period_ms, labels=names)


def _made(model: str) -> tuple[Any, Any]:
    """What the factory returns: a module, and an example or None."""
    from edgernn.errors import UsageError

    name, _, attribute = model.partition(":")
    sys.path.insert(0, "")  # the user's own modules stand in the current folder
    try:
        factory = getattr(importlib.import_module(name), attribute)
    except Exception as error:  # the user's own module may fail in any way
        raise UsageError(f"'{model}' cannot be imported: {error}; expected package.module:factory") from error
    if not callable(factory):
        raise UsageError(f"'{model}' is a {type(factory).__name__}; expected a function that returns a torch module")
    try:
        made = factory()
    except Exception as error:  # as above
        raise UsageError(f"'{model}' fails: {type(error).__name__}: {error}; it is called without arguments") from error
    module, given = (
        made if isinstance(made, tuple) and len(made) == 2 else (made, getattr(made, "example_input_array", None))
    )
    if not hasattr(module, "state_dict"):
        raise UsageError(f"'{model}' returns a {type(made).__name__}; expected a torch module, or (module, example)")
    return module, given


def _shape(text: str) -> tuple[int, ...]:
    from edgernn.errors import UsageError

    parts = text.split("x")
    if not all(part.isascii() and part.isdecimal() and 0 < int(part) < 10**6 for part in parts):
        raise UsageError(f"--example {text} is no shape; expected numbers above 0 with x between them, such as 1x50x40")
    return tuple(map(int, parts))
