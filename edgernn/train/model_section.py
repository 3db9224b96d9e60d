"""The section [model] of a recipe: the shape of the network, with the layers and heads that it names."""

from collections.abc import Mapping
from typing import Any

from edgernn.errors import UsageError
from edgernn.files.document import Document
from edgernn.files.spelling import misspelt
from edgernn.train.fields import EXPECTED, checked, field_types, fits
from edgernn.train.network.before_options import BEFORE, BeforeLayer
from edgernn.train.network.models import Shape

MODEL, LAYERS, HEADS, CELL = "model", "before", "heads", "cell"
LISTS = (LAYERS, HEADS)
"""The keys whose values are no single numbers or words, so that a search cannot vary them."""

MOST_LAYERS = 64


def shape_of(document: Document, section: Mapping[str, Any]) -> Shape:
    """The shape that the section describes.

    Raises:
        FileError: A key or a value is invalid; with its line.
        UsageError: The values do not fit each other.
    """
    table = dict(section)
    before = _layers(document, table.pop(LAYERS, []))
    heads = _heads(document, table.pop(HEADS, {}))
    return Shape(**checked(document, MODEL, table, Shape), before=before, heads=heads)


def _layers(document: Document, tables: Any) -> tuple[BeforeLayer, ...]:
    if not isinstance(tables, list) or not all(isinstance(each, dict) for each in tables) or len(tables) > MOST_LAYERS:
        raise document.error(
            f"'{LAYERS}' is {tables!r}; expected a list of at most {MOST_LAYERS} layers, such as "
            f'[{{ {CELL} = "Conv2d", channels = 16, frames = 3, taps = 3 }}]',
            LAYERS,
            MODEL,
        )
    return tuple(_layer(document, number, table) for number, table in enumerate(tables))


def _layer(document: Document, number: int, table: Mapping[str, Any]) -> BeforeLayer:
    def error(message: str, field: str) -> Exception:
        return document.entry_error(message, MODEL, LAYERS, number, field)

    options = {key: value for key, value in table.items() if key != CELL}
    name = table.get(CELL)
    if not isinstance(name, str):
        raise error(f"layer {number + 1} of {LAYERS} has no {CELL}; add one of {', '.join(BEFORE)}", CELL)
    if name not in BEFORE:
        raise error(f"there is no cell '{name}' to put before a recurrent layer; {misspelt(name, BEFORE)}", CELL)
    kinds = field_types(BEFORE[name])
    for key, value in options.items():
        if key not in kinds:
            raise error(f"a {name} has no '{key}'; {misspelt(key, kinds)}", key)
        if not fits(value, kinds[key]):
            raise error(f"'{key}' is {value!r}; expected {EXPECTED[kinds[key]]}", key)
    try:
        return BEFORE[name](**options)
    except UsageError as wrong:
        raise error(f"layer {number + 1} of {LAYERS}, a {name}: {wrong}", str(wrong).partition(" ")[0]) from wrong


def _heads(document: Document, weights: Any) -> tuple[tuple[str, float], ...]:
    valid = isinstance(weights, dict) and all(fits(each, float) and each > 0 for each in weights.values())
    if not valid or len(weights) == 1:
        raise document.error(
            f"'{HEADS}' is {weights!r}; expected at least two names with the weight of each loss, above 0, such as "
            "{ digit = 1.0, speaker = 0.3 }",
            HEADS,
            MODEL,
        )
    return tuple((name, float(weight)) for name, weight in weights.items())
