"""`edgernn export`: a model to the files that devices run."""

import importlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from edgernn.graph import Graph


@click.command(no_args_is_help=True)
@click.argument("model")
@click.argument("out", nargs=-1, required=True)
@click.option("--weights", metavar="FILE", help="A .safetensors or .pt state dict to load into the module first.")
@click.option("--example", metavar="SHAPE", help="The shape of one sequence, such as 1x50x40.")
@click.option("--time-axis", type=int, help="Which axis of the example is time, when no layer shows it.")
@click.option("--json", "as_json", is_flag=True, help="Print what was written as JSON.")
def export(
    model: str, out: tuple[str, ...], weights: str | None, example: str | None, time_axis: int | None, as_json: bool
) -> None:
    """Write MODEL as one or more .onnx, .tflite, .so, .c or .rnn files.

    MODEL is a .rnn file, or package.module:factory. The factory takes no arguments and returns a torch module, or a
    pair of the module and an example input; without a pair, give --example. Nothing is written unless every file is
    proved.
    """
    from edgernn import disk, file
    from edgernn_export.translate import render, target_of

    for path in out:
        if Path(path).suffix != ".rnn":
            target_of(path)
    graph = _graph(model, weights, example, time_axis)
    made: dict[str, bytes] = {}
    for path in out:
        made |= {path: file.dumps(graph)} if Path(path).suffix == ".rnn" else render(graph, path)
    for path, data in made.items():
        disk.write(path, data)
    if as_json:
        click.echo(json.dumps({"graph": file.digest(graph), "files": {path: len(data) for path, data in made.items()}}))
    else:
        for path, data in made.items():
            click.echo(f"{path}  {len(data):,} bytes")


def _graph(model: str, weights: str | None, example: str | None, time_axis: int | None) -> "Graph":
    from edgernn.errors import UsageError
    from edgernn.file import load

    if ":" in model:
        return _from_factory(model, weights, example, time_axis)
    if Path(model).suffix != ".rnn":
        raise UsageError(f"'{model}' is no model: give a .rnn file, or a factory as package.module:factory")
    for option, given in (("--weights", weights), ("--example", example), ("--time-axis", time_axis)):
        if given is not None:
            raise UsageError(f"{option} goes with a factory; '{model}' has all that it needs")
    return load(model)


def _from_factory(model: str, weights: str | None, example: str | None, time_axis: int | None) -> "Graph":
    from edgernn.errors import UsageError
    from edgernn_export.translate import from_torch, load_weights, random_example

    made = _factory(model)()
    module, given = made if isinstance(made, tuple) else (made, getattr(made, "example_input_array", None))
    if weights is not None:
        load_weights(module, weights)
    if example is not None:
        given = random_example(_shape(example))
    if given is None:
        raise UsageError(f"'{model}' returns no example; return (module, example) or give --example, such as 1x50x40")
    return from_torch(module.eval(), given, time_axis=time_axis)


def _factory(model: str) -> Any:
    from edgernn.errors import UsageError

    name, _, attribute = model.partition(":")
    sys.path.insert(0, "")  # the user's own modules stand in the current folder
    try:
        found = getattr(importlib.import_module(name), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise UsageError(f"'{model}' cannot be imported: {error}; expected package.module:factory") from error
    if not callable(found):
        raise UsageError(f"'{model}' is a {type(found).__name__}; expected a function that returns a torch module")
    return found


def _shape(text: str) -> tuple[int, ...]:
    from edgernn.errors import UsageError

    parts = text.split("x")
    if not all(part.isdigit() and int(part) > 0 for part in parts):
        raise UsageError(f"--example {text} is no shape; expected numbers above 0 with x between them, such as 1x50x40")
    return tuple(map(int, parts))
