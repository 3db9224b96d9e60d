"""A model of Keras as a torch module that calls its layers one after another."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from edgernn.errors import FileError, UnsupportedError
from edgernn_export.sources.keras.layer import Call, Layer, Reference, Wiring, references
from edgernn_export.sources.keras.layers.building import Building, identifiers, on_meta
from edgernn_export.sources.keras.layers.table import build

LARGEST = 1 << 22
"""The largest number of elements of a result on the example."""

_DROPPED = ("mask", "training")


class Network(nn.Module):
    """A model: layers and their calls."""

    def __init__(self, wiring: Wiring, names: Mapping[str, str]) -> None:
        super().__init__()
        self.wiring, self.names = wiring, dict(names)

    def forward(self, *inputs: Any) -> Any:
        """Return the result, or a tuple of several."""
        results = tuple(self.results(inputs).values())
        return results[0] if len(results) == 1 else results

    def results(self, inputs: Sequence[Any]) -> dict[str, Tensor]:
        """Return the results by name."""
        tensors = inputs[0] if len(inputs) == 1 and isinstance(inputs[0], list | tuple | dict) else inputs
        tensors = list(tensors.values()) if isinstance(tensors, dict) else list(tensors)
        values = {Reference(name): x for name, x in zip(self.wiring.inputs, tensors, strict=True)}
        for call in self.wiring.calls:
            store(values, call, self.get_submodule(self.names[call.layer])(*arguments(call, values)))
        return {name: values[each] for name, each in self.wiring.outputs}


def top_class(names: Sequence[str]) -> type[Network]:
    """Return a class of model whose forward has arguments of these names, and returns its results by name.

    Its inputs that are the same in every step are buffers, `constant0` of the first.
    """

    def forward(self: Network, *inputs: Tensor) -> dict[str, Tensor]:
        rest = iter(inputs)
        constants = [getattr(self, f"constant{i}", None) for i in range(len(self.wiring.inputs))]
        return self.results([next(rest) if each is None else each for each in constants])

    parameters = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in ("self", *names)]
    forward.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return type("KerasModel", (Network,), {"forward": forward})


def make(b: Building) -> nn.Module:
    """Build a layer or a model.

    Raises:
        FileError: its weights or attributes do not fit its input.
        UnsupportedError: it cannot stream, or is too large.
    """
    return build(b) if b.layer.wiring is None else network(b, Network)


def network(b: Building, kind: type[Network]) -> Network:
    """Build a model for inputs of these shapes, whose results are computed without values."""
    wiring, places = b.layer.wiring, {layer.name: place for place, layer in b.layer.children.items()}
    assert wiring is not None
    if len(b.shapes) != len(wiring.inputs):
        raise FileError(f"'{b.file}': model '{b.layer.name}' takes {len(wiring.inputs)} inputs, not {len(b.shapes)}")
    module = kind(wiring, identifiers([call.layer for call in wiring.calls]))
    pairs = zip(wiring.inputs, b.shapes, strict=True)
    values = {Reference(name): torch.empty(shape, device="meta") for name, shape in pairs}
    for call in wiring.calls:
        taken = [values[each] for each in references((call.arguments, call.named)) if each in values]
        name = module.names[call.layer]
        if name not in dict(module.named_children()):
            module.add_module(name, make(b.child(places[call.layer], [tuple(x.shape) for x in taken])))
        store(values, call, _shapes(b, b.layer.named(call.layer), module.get_submodule(name), arguments(call, values)))
    missing = next((name for name, each in wiring.outputs if each not in values), None)
    if missing is not None:
        raise FileError(f"'{b.file}': output '{missing}' of '{b.layer.name}' is no result of a layer; save it again")
    return module


def _shapes(b: Building, layer: Layer, module: nn.Module, taken: Sequence[Any]) -> Any:
    """Return the results of a call without values."""
    try:
        results = on_meta(module, tuple(taken), {})
    except (FileError, UnsupportedError):
        raise
    except Exception as error:  # operations of torch refuse shapes in many ways
        raise FileError(
            f"'{b.file}': layer '{layer.name}' ({layer.kind}) does not take shapes "
            f"{[tuple(x.shape) for x in _tensors(taken)]}: {str(error).splitlines()[0][:200]}"
        ) from error
    largest = max((x.numel() for x in _tensors(results)), default=0)
    if largest > LARGEST:
        raise UnsupportedError(
            f"'{b.file}': layer '{layer.name}' answers with {largest:,} numbers on a short sequence; expected "
            f"{LARGEST:,} at most"
        )
    return results


def _tensors(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    return [x for each in value for x in _tensors(each)] if isinstance(value, list | tuple) else []


def arguments(call: Call, values: Mapping[Reference, Any]) -> list[Any]:
    """Return the arguments of a call; initial states follow the others."""

    def resolved(value: Any) -> Any:
        if isinstance(value, Reference):
            if value not in values:
                raise FileError(f"layer '{call.layer}' takes result {value.index} of '{value.layer}', which has none")
            return values[value]
        if isinstance(value, list | tuple):
            return [resolved(each) for each in value]
        return {name: resolved(each) for name, each in value.items()} if isinstance(value, dict) else value

    named = {name: value for name, value in call.named.items() if name not in _DROPPED or value}
    states = named.pop("initial_state", None)
    if any(value is not None for value in named.values()):
        raise UnsupportedError(
            f"layer '{call.layer}' is called with {', '.join(f'{name}=' for name in named)[:200]}; expected tensors "
            "and initial_state= alone"
        )
    states = [] if states is None else resolved(states if isinstance(states, list) else [states])
    return [*resolved(list(call.arguments)), *states]


def store(values: dict[Reference, Any], call: Call, results: Any) -> None:
    """Store the results of a call."""
    several = isinstance(results, tuple | list)
    for i, each in enumerate(results if several else [results]):
        values[Reference(call.layer, call.node, i)] = each
