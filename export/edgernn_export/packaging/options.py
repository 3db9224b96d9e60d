"""What a package says beside what the graph says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from edgernn.budget.verdict import Budget
from edgernn.errors import UsageError
from edgernn.files.spelling import misspelt
from edgernn.model.graph import Graph
from edgernn.package.manifest import Card
from edgernn.package.translation import Translation

FORMATS: Mapping[str, str] = MappingProxyType({"onnx": ".onnx", "so": ".so", "tflite": ".tflite"})
"""A format of PackageOptions.to -> the suffix of its artifacts. The graph is in every package."""


@dataclass(frozen=True)
class PackageOptions:
    """What a `.edge` package holds beside the graph.

    Attributes:
        to: the formats, of "onnx", "so" and "tflite".
        name: of the model; "" for the name of the file.
        model_version: of the model, as its maker counts.
        card: the model card, with the licences of the weights and of the data.
        budgets: the latency budget on a device, by the name of the device.
        recipe: the TOML that the model was trained by.
        data: the fingerprint of the data that it was trained on.
        preferred: formats in the order in which a device tries them, "rnn" among them, and then the others; empty for
            so, tflite, onnx, rnn.
        also: the model in further precisions, the cheapest last, such as `edgernn.quantize` returns it; each is written
            in every format.
        translation: of a decoder, how it is used with its encoder; None for any other model.
        encoder: the graph of that encoder.

    Raises:
        UsageError: a format does not exist, or comes twice; `also` is no tuple of graphs; or an encoder arrived without
            a translation, or with further precisions.
    """

    to: tuple[str, ...] = ()
    name: str = ""
    model_version: str = "0"
    card: Card = field(default_factory=Card)
    budgets: Mapping[str, Budget] = field(default_factory=dict)
    recipe: str = ""
    data: str = ""
    preferred: tuple[str, ...] = ()
    also: tuple[Graph, ...] = ()
    translation: Translation | None = None
    encoder: Graph | None = None

    def __post_init__(self) -> None:
        lists: tuple[tuple[Any, tuple[str, ...]], ...] = (
            (self.to, (*FORMATS,)),
            (self.preferred, (*self.to, "rnn")),
        )
        for names, known in lists:
            if isinstance(names, str) or len({*names}) < len(names):
                raise UsageError(f"formats {names!r} arrived; expected a tuple with each once, such as ('onnx', 'so')")
            for each in names:
                if each not in known:
                    raise UsageError(f"there is no format '{each}' in the package; {misspelt(each, known)}")
        further: Any = self.also
        if not isinstance(further, tuple) or not all(isinstance(each, Graph) for each in further):
            raise UsageError(
                f"also={str(further)[:80]!r} arrived; expected a tuple of graphs, such as (edgernn.quantize(graph),)"
            )
        if (self.translation is None) != (self.encoder is None) or (self.encoder is not None and self.also):
            raise UsageError(
                "a package of a translator has a translation, an encoder and one precision; leave out `also`, or both"
            )
