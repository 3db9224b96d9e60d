"""A file of Keras as a torch module: `read` is what edgernn_export.from_file calls."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from edgernn.errors import FileError, UsageError
from edgernn.files.spelling import misspelt
from edgernn_export.sources.foreign.model import ForeignModel
from edgernn_export.sources.foreign.options import ImportOptions
from edgernn_export.sources.keras.archive import Archive, opened
from edgernn_export.sources.keras.config import Reader
from edgernn_export.sources.keras.inputs import Input, inputs_of
from edgernn_export.sources.keras.layer import Call, Layer, Reference, Wiring
from edgernn_export.sources.keras.layers.building import Building, identifiers
from edgernn_export.sources.keras.layers.recurrent import needs_steps
from edgernn_export.sources.keras.layers.table import KNOWN
from edgernn_export.sources.keras.network import make, network, top_class
from edgernn_export.sources.keras.replay import original_of
from edgernn_export.sources.keras.variables import Weights, weights_of


def read(path: str, options: ImportOptions) -> ForeignModel:
    """Read `.keras` or `.h5`; no code in it is run, and neither Keras nor TensorFlow is needed.

    Raises:
        FileError: the file is damaged, or its weights do not fit its configuration.
        UnsupportedError: it holds a layer or an attribute that cannot stream or is not read, or code.
        UsageError: an option names an input or output that does not exist, or a size is missing.
    """
    archive, model, stored = parsed(path)
    assert model.wiring is not None
    words = identifiers(model.wiring.inputs)
    states = _states(model.wiring, words, options)
    step = any(needs_steps(layer) for layer in _layers(model))
    inputs = inputs_of(path, model, step, options)
    inputs = sorted((_initial(each, words[each.name] in states) for each in inputs), key=lambda each: each.is_state)
    wiring = replace(model.wiring, inputs=tuple(each.name for each in inputs))
    shapes = [tuple(each.example.shape) for each in inputs]
    free = {words[each.name]: each for each in inputs if each.name not in options.constants}
    unsaid = [each.name for each in free.values() if not each.is_state and each.name not in options.inputs]
    if options.inputs and unsaid:
        raise UsageError(f"inputs={options.inputs!r} lacks '{unsaid[0]}'; add it, or name it by states= or constants=")
    b = Building(path, replace(model, wiring=wiring), shapes, archive.version, step, make, (), stored)
    module = network(b, top_class(list(free)))
    constants = {i: each.example for i, each in enumerate(inputs) if each.name in options.constants}
    for i, value in constants.items():
        module.register_buffer(f"constant{i}", value)
    axis = inputs[0].time_axis if options.time_axis is None else options.time_axis
    return ForeignModel(
        name=path,
        module=module.eval(),
        example=tuple(each.example for each in free.values()),
        inputs=tuple(word for word, each in free.items() if not each.is_state),
        outputs=_outputs(wiring, states, options),
        states={word: states[word] for word, each in free.items() if each.is_state},
        time_axis=None if step else axis,
        period_ms=options.period_ms,
        labels=options.labels,
        original=None if step else original_of(path, b.layer, stored, archive.version, constants),
        runtime="Keras",
    )


def parsed(path: str) -> tuple[Archive, Layer, Weights]:
    """Return a file, its model, and the weights of that.

    Raises:
        FileError: the file is damaged, or its weights do not fit its configuration.
        UnsupportedError: it holds code, or a class that is not read.
    """
    archive = opened(path)
    with archive.weights:
        model = Reader(path, sorted(KNOWN)).layer(archive.config)
        if model.wiring is None:
            raise FileError(f"'{path}' is a layer of class '{model.kind}'; expected a Sequential or Functional model")
        stored = weights_of(model, archive)
        return archive, replace(model, wiring=_named(model.wiring)), stored


def _initial(each: Input, is_state: bool) -> Input:
    """Return a state with its initial value, zeros; any other input as it is."""
    return replace(each, example=torch.zeros_like(each.example), is_state=True) if is_state else each


def _layers(layer: Layer) -> Iterator[Layer]:
    yield layer
    for child in layer.children.values():
        yield from _layers(child)


def _named(wiring: Wiring) -> Wiring:
    """Return the calls with a name for each output that is an identifier of its own: that of its layer."""
    names = [name if not each.index else f"{name}_{each.index}" for name, each in wiring.outputs]
    unique: list[str] = []
    for name in names:
        word = identifiers([name])[name]
        unique.append(word if word not in unique else f"{word}_{len(unique)}")
    return replace(wiring, outputs=tuple(zip(unique, (each for _, each in wiring.outputs), strict=True)))


def _states(wiring: Wiring, words: Mapping[str, str], options: ImportOptions) -> dict[str, str]:
    """Return the inputs that are states, and the output that each is in the next call.

    Those are inputs that a recurrent layer takes as its initial states, and whose final states the model returns.
    """
    for name in options.states:
        if name not in words.values():
            raise UsageError(f"states= names '{name}', which is no input; {misspelt(name, list(words.values()))}")
    if options.states:
        return dict(options.states)
    outputs = {each: name for name, each in wiring.outputs}
    states = {}
    for call in wiring.calls:
        for place, each in enumerate(_states_of(call)):
            result = outputs.get(Reference(call.layer, call.node, place + 1))
            if each.layer in wiring.inputs and result is not None:
                states[words[each.layer]] = result
    return states


def _states_of(call: Call) -> Sequence[Reference]:
    value: Any = call.named.get("initial_state") or []
    return [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, Reference)]


def _outputs(wiring: Wiring, states: Mapping[str, str], options: ImportOptions) -> tuple[str, ...]:
    names = [name for name, _ in wiring.outputs]
    for name in options.outputs:
        if name not in names:
            raise UsageError(f"the model has no output '{name}'; {misspelt(name, names)}")
    return options.outputs or tuple(name for name in names if name not in states.values())
