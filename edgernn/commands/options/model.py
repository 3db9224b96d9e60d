"""The model of `edgernn export`: a file, a package, or what a factory in Python returns."""

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgernn.commands.options.foreign import load, period_ms, shape_of

if TYPE_CHECKING:
    from edgernn.model.graph import Graph
    from edgernn_export.packaging.graphs import PackagedGraphs


def load_model(model: str, options: dict[str, Any]) -> "PackagedGraphs":
    """Return the graphs of a model, with the options of a factory.

    Raises:
        UsageError: an option is for a factory, and the model is none.
        EdgernnError: the model cannot be loaded or converted.
    """
    from edgernn.errors import UsageError
    from edgernn_export.packaging import graphs

    if ":" in model:
        return graphs.PackagedGraphs(_from_factory(model, **options))
    for option, value in options.items():
        if value is not None:
            raise UsageError(
                f"--{option.replace('_', '-')} needs a factory; '{model}' is a complete model, and `edgernn import` "
                "has options for those of other tools"
            )
    return graphs.load(model) if Path(model).suffix == ".edge" else graphs.PackagedGraphs(load(model))


def _from_factory(
    model: str,
    weights: str | None,
    example: str | None,
    time_axis: int | None,
    period: str | None,
    labels: str | None,
) -> "Graph":
    from edgernn.errors import UsageError
    from edgernn_export.translate import from_torch
    from edgernn_export.weights import load_weights, random_example

    module, sequence = _call(model)
    if weights is not None:
        load_weights(module, weights)
    if example is not None:
        sequence = random_example(shape_of("--example", example))
    if sequence is None:
        raise UsageError(f"'{model}' returns no example; return (module, example) or give --example, such as 1x50x40")
    names = tuple(labels.split(",")) if labels else ()
    return from_torch(module.eval(), sequence, time_axis=time_axis, period_ms=period_ms(period), labels=names)


def _call(model: str) -> tuple[Any, Any]:
    """Call the factory; return its module, and its example or None."""
    from edgernn.errors import UsageError

    name, _, attribute = model.partition(":")
    sys.path.insert(0, "")  # the user's own modules are in the current folder
    try:
        factory = getattr(importlib.import_module(name), attribute)
    except Exception as error:  # the user's own module may fail in any way
        raise UsageError(f"'{model}' cannot be imported: {error}; expected package.module:factory") from error
    if not callable(factory):
        raise UsageError(
            f"'{model}' is of type {type(factory).__name__}; expected a function that returns a torch module"
        )
    try:
        result = factory()
    except Exception as error:  # as above
        raise UsageError(f"'{model}' fails: {type(error).__name__}: {error}; it is called without arguments") from error
    pair = isinstance(result, tuple) and len(result) == 2
    module, example = result if pair else (result, getattr(result, "example_input_array", None))
    if not hasattr(module, "state_dict"):
        raise UsageError(f"'{model}' returns a {type(result).__name__}; expected a torch module, or (module, example)")
    return module, example
