"""The precisions of a package: the names of their members, and what all of them have in common.

The model's own precision has the plain names. The members of a further one have its name after the first part of
theirs: `model.rnn` is the graph, and `model.fp16.rnn` the graph in fp16.
"""

from collections.abc import Mapping
from typing import Any

from edgernn.artifact.manifest import Manifest

QUANTIZATION = frozenset({"graph", "precision", "quantization", "same_bits", "limit"})
"""The fields of a contract in which precisions of one model may differ."""


def member_of(name: str, precision: str) -> str:
    """Return the name of the member of a further precision that is `name` in the model's own."""
    stem, _, rest = name.partition(".")
    return f"{stem}.{precision}.{rest}"


def differing(one: Manifest, other: Manifest) -> dict[str, tuple[Any, Any]]:
    """Return the values of the fields in which two contracts differ; the order of names counts."""
    pairs = {name: (value, getattr(other, name)) for name, value in vars(one).items()}
    return {name: pair for name, pair in pairs.items() if _ordered(pair[0]) != _ordered(pair[1])}


def beyond_quantization(own: Manifest, other: Manifest) -> str:
    """Return in what a further precision differs from the model's own, and must not, in words; "" where in nothing."""
    differ = differing(own, other)
    return "; ".join(
        f"{field} is {str(pair[1])[:80]}, and {str(pair[0])[:80]} in {own.precision}"
        for field, pair in differ.items()
        if field not in QUANTIZATION
    )


def _ordered(value: Any) -> Any:
    return [*value.items()] if isinstance(value, Mapping) else value
