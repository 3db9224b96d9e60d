"""A model of Keras run by Keras itself, on its torch backend, to compare what was read with it.

The layers of keras.layers are made anew, of classes that are known and of attributes that are plain values. Keras
does not load the file: it would import modules that a file names.
"""

import inspect
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from edgernn.array import Array
from edgernn.errors import ParityError
from edgernn_export.sources.foreign.model import Replay
from edgernn_export.sources.keras.layer import Layer, Reference, leaves
from edgernn_export.sources.keras.network import arguments, store
from edgernn_export.sources.keras.variables import Weights, listed

BACKEND = "KERAS_BACKEND"

_OTHER = ("dtype", "seed", "name", "trainable", "stateful", "unroll", "layer", "cell", "cells", "layers")
_ENDS = ("_initializer", "_regularizer", "_constraint")


def original_of(
    file: str, model: Layer, stored: Weights, version: tuple[int, ...], constants: Mapping[int, Tensor]
) -> Replay | None:
    """Return the model as Keras runs it; None where Keras does not run on torch here, or computes another function.

    Args:
        file: for messages.
        model: its inputs are in the order of the arguments.
        stored: its weights.
        version: of the Keras that wrote the file; the hard sigmoid of Keras 2 is another function.
        constants: the values of inputs that are the same in every step, by their places.
    """
    if not _is_on_torch() or (version < (3,) and "hard_sigmoid" in leaves(_configs(model))):
        return None
    if any(_holds_model(layer) for layer in model.children.values()):
        return None
    layers: dict[tuple[str, ...], Any] = {}

    def run(taken: Sequence[Array]) -> list[Array]:
        rest = iter([torch.from_numpy(each) for each in taken])
        inputs = [constants[i] if i in constants else next(rest) for i in range(len(taken) + len(constants))]
        try:
            with torch.no_grad():
                return [y.detach().numpy() for y in _called(model, (), stored, layers, inputs)]
        except Exception as error:  # Keras fails in many ways
            raise ParityError(
                f"'{file}' is read, and Keras does not run it: {str(error).strip().splitlines()[:1]}; report this as a "
                f"bug, or unset {BACKEND} to import it without replay"
            ) from error

    return run


def _is_on_torch() -> bool:
    """Whether Keras runs on torch: it is imported so, or the environment says so; its import takes seconds."""
    loaded = sys.modules.get("keras")
    if loaded is not None:
        return bool(loaded.config.backend() == "torch")
    return os.environ.get(BACKEND) == "torch" and find_spec("keras") is not None


def _holds_model(layer: Layer) -> bool:
    """Whether a layer that is no model has one inside, as TimeDistributed may."""
    inside = [_holds_model(each) for each in layer.children.values()]
    return any(inside) or (layer.wiring is None and any(each.wiring for each in layer.children.values()))


def _configs(layer: Layer) -> list[Any]:
    return [layer.config, *(each for child in layer.children.values() for each in _configs(child))]


def _called(
    model: Layer, path: tuple[str, ...], stored: Weights, layers: dict[tuple[str, ...], Any], inputs: Sequence[Any]
) -> list[Any]:
    """Return the results of a model; its layers are made by the first call."""
    wiring, places = model.wiring, {layer.name: place for place, layer in model.children.items()}
    assert wiring is not None
    values = {Reference(name): x for name, x in zip(wiring.inputs, inputs, strict=True)}
    for call in wiring.calls:
        own, layer = (*path, places[call.layer]), model.named(call.layer)
        taken = arguments(call, values)
        if layer.wiring is not None:
            results = _called(layer, own, stored, layers, [x for each in taken for x in _flat(each)])
            store(values, call, results[0] if len(results) == 1 else results)
            continue
        if own not in layers:
            layers[own], made = _function(layer, len(taken))
            layers[own](*taken)  # makes its weights
            weights = [stored[place][name].numpy() for place, name, _ in listed(layer, own)]
            if weights:
                made.set_weights(weights)
            if hasattr(made, "finalize_state"):  # of Normalization, which computes with copies
                made.finalize_state()
        store(values, call, layers[own](*taken))
    return [values[each] for _, each in wiring.outputs]


def _flat(value: Any) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else list(value) if isinstance(value, list) else [value]


def _function(layer: Layer, count: int) -> tuple[Callable[..., Any], Any]:
    """Return how a layer is called, and the layer of Keras; or the operation of keras.ops of its name, and None."""
    keras: Any = import_module("keras")
    if layer.kind == "GetItem":
        return (lambda x, key: x[tuple(key) if isinstance(key, list) else key]), None
    operation = getattr(keras.ops, re.sub("(?<=.)([A-Z])", r"_\1", layer.kind).lower(), None)
    recurrent = "cell" in layer.children
    if operation is not None and (not hasattr(keras.layers, layer.kind) or (count > 1 and not recurrent)):
        return operation, None
    made = _made(keras.layers, layer)
    return (lambda x, *states: made(x, initial_state=list(states) or None)) if recurrent else made, made


def _made(package: Any, layer: Layer) -> Any:
    """Return a layer of this class, with the attributes that its class takes."""
    kind = getattr(package, layer.kind)
    known = set(inspect.signature(kind.__init__).parameters) - set(_OTHER)
    options = {
        name: value[0] if name == "axis" and isinstance(value, list) and len(value) == 1 else _plain(package, value)
        for name, value in layer.config.items()
        if name in known and not name.endswith(_ENDS)
    }
    if "negative_slope" in known and "alpha" in layer.config:
        options["negative_slope"] = layer.config["alpha"]
    if "cell" in layer.children and layer.kind == "RNN":
        options["cell"] = _made(package, layer.children["cell"])
    if layer.kind == "StackedRNNCells":
        options["cells"] = [_made(package, each) for each in layer.children.values()]
    if layer.kind == "TimeDistributed":
        options["layer"] = _made(package, layer.children["layer"])
    return kind(**options)


def _plain(package: Any, value: Any) -> Any:
    """Return an attribute; an activation that is an object as the function or the layer that it names."""
    if not isinstance(value, Mapping):
        return value
    config: Any = value.get("config")
    return config if isinstance(config, str) else _made(package, Layer(str(value["class_name"]), "activation", config))
