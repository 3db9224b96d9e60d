"""The calls of a functional model, as Keras 2 and Keras 3 write them, in the order in which they can run."""

from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from typing import Any

from edgernn.errors import FileError, UnsupportedError
from edgernn_export.sources.keras.layer import Call, Layer, Reference, Wiring, references

RECURRENT = ("SimpleRNN", "GRU", "LSTM", "RNN", "Bidirectional")


def chained(names: Sequence[str]) -> Wiring:
    """Return the calls of layers in a row, the first of which is the input."""
    calls = [Call(name, 0, (Reference(before),)) for before, name in pairwise(names)]
    return Wiring((names[0],), tuple(calls), ((names[-1], Reference(names[-1])),))


def is_chain(wiring: Wiring) -> bool:
    """Whether each layer takes the result of the one before alone, and the last one's is the answer."""
    names = (*wiring.inputs, *(call.layer for call in wiring.calls))
    taken = [[each.layer for each in references((call.arguments, call.named))] for call in wiring.calls]
    ends = [each.layer for _, each in wiring.outputs]
    return len(set(names)) == len(names) and taken == [[name] for name in names[:-1]] and ends == [names[-1]]


def wired(own: Mapping[str, Any], configs: Sequence[Any], layers: Sequence[Layer], file: str) -> Wiring:
    """Return the calls of a functional model.

    Args:
        own: its configuration.
        configs, layers: those of its layers.
        file: for messages.

    Raises:
        FileError: the calls are none, lack a layer, or run in a circle.
    """
    try:
        calls = {
            (layer.name, i): _call(layer, i, node)
            for config, layer in zip(configs, layers, strict=True)
            for i, node in enumerate(config.get("inbound_nodes") or [])
            if layer.kind != "InputLayer"
        }
        inputs = tuple(each.layer for _, each in _ends(own["input_layers"]))
        outputs = _ends(own["output_layers"])
    except UnsupportedError:
        raise
    except Exception as error:  # anything may stand in a file
        raise FileError(f"'{file}' has calls of layers that are none; save the model again") from error
    known = {layer.name: layer.kind for layer in layers}
    for call in calls.values():
        _check(known, references((call.arguments, call.named)), call.layer, file)
    _check(known, [each for _, each in outputs] + [Reference(name) for name in inputs], "the model", file)
    wanted = {key: {(r.layer, r.node) for r in references((c.arguments, c.named))} for key, c in calls.items()}
    try:
        order = [key for key in TopologicalSorter(wanted).static_order() if key in calls]
    except CycleError as error:
        raise FileError(f"'{file}' has layers that call each other in a circle; save the model again") from error
    return Wiring(inputs, tuple(calls[key] for key in order), tuple(outputs))


def _check(known: Mapping[str, str], taken: Sequence[Reference], by: str, file: str) -> None:
    missing = next((each.layer for each in taken if each.layer not in known), None)
    if missing is not None:
        raise FileError(f"'{file}': {by!r} takes a result of '{missing}', which is no layer; save the model again")


def _ends(value: Any) -> list[tuple[str, Reference]]:
    """Return the inputs or outputs of a model by name: of a dictionary, or of their layers."""
    if isinstance(value, dict):
        return [(str(name), _reference(each)) for name, each in value.items()]
    if len(value) == 3 and isinstance(value[0], str):
        value = [value]
    return [(each[0], _reference(each)) for each in value]


def _reference(value: Any) -> Reference:
    layer, node, index = value
    if not isinstance(layer, str) or not isinstance(node, int) or not isinstance(index, int):
        raise TypeError(f"{value!r} is no tensor")
    return Reference(layer, node, index)


def _call(layer: Layer, node: int, config: Any) -> Call:
    """Return one call: {"args": [...], "kwargs": {...}} of Keras 3, or a list of tensors of Keras 2."""
    if isinstance(config, dict):
        return Call(layer.name, node, tuple(_value(each) for each in config["args"]), _value(config["kwargs"]))
    taken = [_reference(each[:3]) for each in config]
    named: dict[str, Any] = {}
    for each in config:
        named |= {name: _old_value(value) for name, value in (each[3] if len(each) > 3 else {}).items()}
    if layer.kind in RECURRENT and len(taken) > 1:
        return Call(layer.name, node, (taken[0],), {**named, "initial_state": taken[1:]})
    return Call(layer.name, node, (taken[0] if len(taken) == 1 else taken,), named)


def _value(value: Any) -> Any:
    """Return an argument of Keras 3 with its references and slices."""
    if isinstance(value, list):
        return [_value(each) for each in value]
    if not isinstance(value, dict):
        return value
    kind = value.get("class_name")
    if kind == "__keras_tensor__":
        return _reference(value["config"]["keras_history"])
    if kind == "__slice__":
        return slice(*(value["config"][name] for name in ("start", "stop", "step")))
    if kind == "__ellipsis__":
        return ...
    if kind is not None:
        raise UnsupportedError(f"a call has an argument of class '{str(kind)[:80]}'; expected tensors and numbers")
    return {name: _value(each) for name, each in value.items()}


def _old_value(value: Any) -> Any:
    """Return a named argument of Keras 2, whose tensors are [layer, node, index]."""
    if isinstance(value, list):
        if len(value) == 3 and isinstance(value[0], str) and all(isinstance(each, int) for each in value[1:]):
            return Reference(*value)
        return [_old_value(each) for each in value]
    return value
