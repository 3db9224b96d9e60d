"""What a builder gets: the attributes and weights of a layer, and the shapes of what it is called with."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from keyword import iskeyword
from typing import Any

import torch
from torch import Tensor, nn

from edgernn.errors import FileError, UnsupportedError
from edgernn_export.sources.keras.layer import Layer
from edgernn_export.sources.keras.variables import Weights

Shape = tuple[int, ...]

IGNORED = frozenset(
    {
        "name", "trainable", "dtype", "seed", "batch_input_shape", "batch_shape", "batch_size", "activity_regularizer",
        "stateful", "unroll", "implementation", "zero_output_for_mask", "supports_masking", "sparse", "ragged",
        "input_dtype", "input_shape",
    }
)  # fmt: skip
"""Attributes that change no answer of a model that is not trained."""

_IGNORED_ENDS = ("_initializer", "_regularizer", "_constraint")
_FLOAT32 = (None, "float32", "float64")


@dataclass
class Building:
    """A layer that is being built.

    Attributes:
        file: its file, for messages.
        layer: its configuration.
        shapes: of the tensors that it is called with; the first axis is the batch, of 1.
        version: of the Keras that wrote the file.
        step: whether the model takes one frame, since a state is computed by operations.
        make: builds a layer; for the layers in this one.
        path: where its weights are in `stored`, the weights of the model.
        read: the attributes that were read.
    """

    file: str
    layer: Layer
    shapes: Sequence[Shape]
    version: tuple[int, ...]
    step: bool
    make: "Builder"
    path: tuple[str, ...]
    stored: Weights
    read: set[str] = field(default_factory=set)

    @property
    def weights(self) -> Mapping[str, Tensor]:
        """Its own weights by name."""
        return self.stored.get(self.path, {})

    def child(self, place: str, shapes: Sequence[Shape]) -> "Building":
        """Return a layer in this one, by where its weights are, for tensors of these shapes."""
        layer, path = self.layer.children[place], (*self.path, place)
        return replace(self, layer=layer, shapes=shapes, path=path, read=set())

    @property
    def shape(self) -> Shape:
        """The shape of the first tensor."""
        return self.shapes[0]

    def get(self, name: str, default: Any = None) -> Any:
        """Return an attribute."""
        self.read.add(name)
        return self.layer.config.get(name, default)

    def number(self, name: str, default: float | None = None) -> float:
        """Return an attribute that is a number."""
        value = self.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.refuse(name, "expected a number", FileError)
        return float(value)

    def sizes(self, name: str, axes: int, default: Any = 1) -> tuple[int, ...]:
        """Return an attribute that is a whole number above 0 for each of so many axes, or one for all."""
        value = self.get(name, default)
        value = default if value is None else value
        numbers = list(value) if isinstance(value, list | tuple) else [value] * axes
        if len(numbers) != axes or not all(isinstance(each, int) and 0 < each < 1 << 16 for each in numbers):
            raise self.refuse(name, f"expected {axes} whole numbers above 0", FileError)
        return tuple(numbers)

    def axis(self, name: str, default: int = -1) -> int:
        """Return an attribute that is one axis, from 0 on."""
        value = self.get(name, default)
        value = value[0] if isinstance(value, list) and len(value) == 1 else value
        if not isinstance(value, int) or not -len(self.shape) <= value < len(self.shape):
            raise self.refuse(name, f"expected one axis of {self.shape}")
        return value % len(self.shape)

    def expect(self, name: str, *values: Any, hint: str = "") -> None:
        """Refuse an attribute that is present and none of these values."""
        value = self.get(name, values[0])
        if value not in values:
            raise self.refuse(name, hint or f"expected {' or '.join(map(repr, values))}")

    def weight(self, name: str, shape: Sequence[int] | None = None) -> Tensor:
        """Return a weight; `shape` is the one that it must have."""
        weight = self.weights[name]
        if shape is not None and tuple(weight.shape) != tuple(shape):
            raise FileError(
                f"'{self.file}': weight '{name}' of layer '{self.layer.name}' ({self.layer.kind}) has shape "
                f"{tuple(weight.shape)}; its attributes and input need {tuple(shape)}; save the model again"
            )
        return weight

    def refuse(self, attribute: str, why: str, kind: type[Exception] = UnsupportedError) -> Exception:
        """Return the error that refuses an attribute of this layer."""
        value = repr(self.layer.config.get(attribute))
        return kind(f"'{self.file}': layer '{self.layer.name}' ({self.layer.kind}) has {attribute}={value[:80]}: {why}")

    def check_read(self) -> None:
        """Refuse attributes that no builder knows, and that may change the answer."""
        dtype: Any = self.layer.config.get("dtype")
        if isinstance(dtype, Mapping):
            inner = dtype.get("config")
            dtype = (
                inner.get("name") if isinstance(inner, Mapping) and len(inner) == 1 else str(dtype.get("class_name"))
            )
        if dtype not in _FLOAT32 and self.layer.kind != "Embedding":
            raise self.refuse(
                "dtype", "it does not compute in float32; load the model, set the policy, and save it again"
            )
        for name, value in self.layer.config.items():
            known = name in self.read or name in IGNORED or name.endswith(_IGNORED_ENDS)
            if not known and value not in (None, False):
                raise self.refuse(name, "this attribute is not known; save the model without it")


class Formula(nn.Module):
    """A layer that is one expression of its arguments and its weights."""

    def __init__(self, function: Callable[..., Any], **weights: Tensor | None) -> None:
        super().__init__()
        self.function, self.names = function, tuple(weights)
        for name, weight in weights.items():
            self.register_buffer(name, weight)

    def forward(self, *args: Any) -> Any:
        """Apply the function to the arguments and the weights."""
        return self.function(*args, **{name: getattr(self, name) for name in self.names})


Builder = Callable[[Building], nn.Module]


def identity(b: Building) -> nn.Module:
    """Build a layer that passes on what it takes, as those for training do."""
    b.read |= set(b.layer.config)
    return Formula(lambda x: x)


def on_meta(module: nn.Module, arguments: Any, named: Mapping[str, Any]) -> Any:
    """Return the results of a module without values: shapes alone, which cost nothing."""
    held = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    shapes = {name: torch.empty_like(tensor, device="meta") for name, tensor in held.items()}
    return torch.func.functional_call(module, shapes, arguments, dict(named))


def identifiers(names: Sequence[str]) -> dict[str, str]:
    """Return a Python identifier for each name."""
    unique: dict[str, str] = {}
    for name in dict.fromkeys(names):
        word = re.sub(r"\W", "_", name, flags=re.ASCII)[:64]
        taken = hasattr(nn.Module, word) or iskeyword(word)
        word = word if re.match("[A-Za-z]", word) and not taken else f"layer_{word}"
        number, own = 2, word
        while own in unique.values() or own in {"wiring", "names", "results"}:
            own, number = f"{word}_{number}", number + 1
        unique[name] = own
    return unique
