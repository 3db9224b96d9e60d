"""The networks of these files: a chain of layers with the weights as the file has them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from edgernn.array import Array


@dataclass(frozen=True, eq=False)
class Stage:
    """One layer of a file.

    Attributes:
        kind: the layer and its layout: a key of `modules.MODULES` and of `reference.FORMULAS`.
        name: for layers of the graph.
        weights: float32, with the shapes and the order of gates of the file.
        settings: what the layer has besides weights.
    """

    kind: str
    name: str
    weights: Mapping[str, Array] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Network:
    """A chain of layers: y = out_gain * (chain(in_gain * x) + the first `skip` elements of in_gain * x).

    Attributes:
        inputs: the width of a frame.
        stages: the layers in order.
        skip: how many elements of a frame are added to the output; 0 for none.
        in_gain: a factor.
        out_gain: a factor.
        rate: frames per second; None when the file does not say.
    """

    inputs: int
    stages: tuple[Stage, ...]
    skip: int = 0
    in_gain: float = 1.0
    out_gain: float = 1.0
    rate: float | None = None
