"""The inputs of a model: their shapes, and an example of each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import torch

from edgernn.errors import FileError, UsageError
from edgernn.files.spelling import misspelt
from edgernn_export.sources.foreign.options import ImportOptions
from edgernn_export.sources.keras.layer import Layer, Reference, references

STEPS = (17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61)
"""Lengths of the example, of which one is taken that is no size of the model; times the strides over time."""

LONGEST = 1 << 16
LARGEST = 1 << 22


@dataclass(frozen=True)
class Input:
    """An input: its name in the file, an example, its time axis, and whether it is a state."""

    name: str
    example: torch.Tensor
    time_axis: int
    is_state: bool = False


def inputs_of(file: str, model: Layer, step: bool, options: ImportOptions) -> list[Input]:
    """Return the inputs of a model, with random examples.

    A sequence is (1, time, ...). Vectors alone, (batch, features), are frames along the first axis.

    Raises:
        UsageError: a size is open that no option states, or an option names no input.
        FileError: an input has no shape, or a shape out of bounds.
    """
    assert model.wiring is not None
    names = list(model.wiring.inputs)
    for option, named in (("shapes", options.shapes), ("constants", options.constants), ("inputs", options.inputs)):
        for name in named:
            if name not in names:
                raise UsageError(f"{option}= names '{name}', which is no input; {misspelt(name, names)}")
    shapes = {name: _shape(file, model.named(name), options) for name in names}
    symbols = {name: _vocabulary(model, name) for name in names}
    sequences = [name for name in names if len(shapes[name]) > 2 or symbols[name]]
    steps = 1 if step else _steps(model, [size for shape in shapes.values() for size in shape[2:] if size])
    stateful = any(config.get("stateful") for config in _configs(model))  # of calls with one frame, often
    random = torch.Generator().manual_seed(0)
    inputs = []
    for name in names:
        shape, axis = shapes[name], 1 if sequences else 0
        sizes = [1 if axis else steps, *shape[1:]]
        if axis and name in sequences:
            fixed = None if shape[1] == 1 and stateful else shape[1]
            sizes[1] = 1 if step else fixed or steps
        full = _closed(file, name, sizes)
        constant = options.constants.get(name)
        if constant is not None and (name in sequences or not axis):
            raise UsageError(f"constants= names '{name}' of shape {tuple(shape)}; expected a vector beside a sequence")
        example = _example(full, symbols[name], random) if constant is None else torch.full(full, float(constant))
        inputs.append(Input(name, example, axis))
    return inputs


def _closed(file: str, name: str, sizes: Sequence[int | None]) -> list[int]:
    """Return a shape without open sizes, within bounds."""
    full = [size for size in sizes if size is not None]
    if len(full) < len(sizes):
        raise UsageError(
            f"input '{name}' has shape {tuple(sizes)}, which is open on axis {list(sizes).index(None)}; pass its "
            f"shape: shapes={{'{name}': (1, ...)}}"
        )
    if max(full) > LONGEST or prod(full) > LARGEST or min(full) < 1:
        raise FileError(f"'{file}': input '{name}' has shape {tuple(full)}; expected {LARGEST:,} numbers at most")
    return full


def _example(shape: Sequence[int], vocabulary: int, random: torch.Generator) -> torch.Tensor:
    if not vocabulary:
        return torch.randn(*shape, generator=random)
    symbols = torch.arange(prod(shape)).reshape(*shape) % vocabulary
    symbols.view(-1)[-1] = vocabulary - 1
    return symbols


def _shape(file: str, layer: Layer, options: ImportOptions) -> list[int | None]:
    """Return the shape of an input, with its batch axis; None where a size is open."""
    shape: Any = options.shapes.get(layer.name) or next(
        (layer.config[key] for key in ("batch_shape", "batch_input_shape") if layer.config.get(key)), None
    )
    if not isinstance(shape, list | tuple) or not all(each is None or type(each) is int for each in shape):
        raise FileError(
            f"'{file}': input '{layer.name}' has no shape; build the model on data, and save it again, or "
            "say the shape with shapes= (--shape)"
        )
    if not 2 <= len(shape) <= 6:
        raise FileError(f"'{file}': input '{layer.name}' has shape {tuple(shape)}; expected (batch, time, features)")
    return list(shape)


def _vocabulary(model: Layer, name: str) -> int:
    """Return how many symbols an input may be, where an Embedding takes it; 0 of numbers."""
    assert model.wiring is not None
    for call in model.wiring.calls:
        taken = references(call.arguments)
        if Reference(name) not in taken:
            continue
        layer = model.named(call.layer)
        if layer.kind == "TimeDistributed":
            layer = layer.children["layer"]
        if layer.kind == "Embedding":
            size = layer.config.get("input_dim")
            return size if isinstance(size, int) and size > 0 else 0
        if layer.wiring is not None:
            return _vocabulary(layer, layer.wiring.inputs[taken.index(Reference(name))])
    return 0


def _steps(model: Layer, sizes: Sequence[int]) -> int:
    """Return the length of the example: a multiple of the strides over time, longer than what convolutions reach."""
    strides, reach = 1, 0
    for config in _configs(model):
        kernel = _first(config.get("kernel_size") or config.get("pool_size"), 0)
        stride = _first(config.get("strides") or config.get("pool_size"), 1) if kernel else 1
        reach += max(0, kernel - 1) * _first(config.get("dilation_rate"), 1) * strides
        strides *= stride
        if strides > LONGEST or reach > LONGEST:
            return LONGEST
    least = -(-reach // strides)
    length = next((n for n in STEPS if n * strides not in sizes and n not in sizes), STEPS[-1])
    return strides * (length + least)


def _configs(layer: Layer) -> Iterator[Any]:
    yield layer.config
    for child in layer.children.values():
        yield from _configs(child)


def _first(value: Any, default: int) -> int:
    value = value[0] if isinstance(value, list) and value else value
    return value if type(value) is int and 0 < value < LONGEST else default
