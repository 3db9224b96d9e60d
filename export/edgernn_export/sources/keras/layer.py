"""The layers of a configuration of Keras, as a tree, and the calls in it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Reference:
    """A tensor of a functional model: a result of a call of a layer."""

    layer: str
    node: int = 0
    index: int = 0


@dataclass(frozen=True)
class Call:
    """A call of a layer: its arguments are nested lists of numbers and references."""

    layer: str
    node: int
    arguments: tuple[Any, ...]
    named: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Wiring:
    """The calls of a model, each behind those whose results it takes.

    Attributes:
        inputs: the names of the layers that are inputs.
        calls: of all other layers.
        outputs: a name for each result, and the result.
    """

    inputs: tuple[str, ...]
    calls: tuple[Call, ...]
    outputs: tuple[tuple[str, Reference], ...]


@dataclass(frozen=True)
class Layer:
    """A layer of a configuration.

    Attributes:
        kind: its class in Keras.
        name: its name, unique among its siblings.
        config: its attributes.
        children: the layers in it, by where Keras stores their weights: "cell", or "layers/dense_1".
        wiring: of a model.
    """

    kind: str
    name: str
    config: Mapping[str, Any]
    children: Mapping[str, "Layer"] = field(default_factory=dict)
    wiring: Wiring | None = None

    @property
    def trainable(self) -> bool:
        """Whether its weights are listed as trainable ones."""
        return self.config.get("trainable") is not False

    def named(self, name: str) -> "Layer":
        """Return the child of this name."""
        return next(child for child in self.children.values() if child.name == name)


def leaves(value: Any) -> Iterator[Any]:
    """Return what is in nested lists, tuples and dictionaries."""
    if isinstance(value, list | tuple):
        for each in value:
            yield from leaves(each)
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from leaves(each)
    else:
        yield value


def references(value: Any) -> list[Reference]:
    """Return the references in nested arguments, in order."""
    return [each for each in leaves(value) if isinstance(each, Reference)]
