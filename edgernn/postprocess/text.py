"""Text from a model that scores the next symbol: drawn one symbol at a time, each fed back with the carried state."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgernn.artifact.manifest import Manifest
from edgernn.errors import StateError, UsageError
from edgernn.files.spelling import misspelt
from edgernn.runtime.stream import Stream

UNKNOWN = "<unknown>"  # the symbol for whatever the training part does not have


def generate(
    stream: Stream, symbols: Sequence[str], prompt: Sequence[str], length: int, temperature: float, seed: int
) -> Iterator[str]:
    """Go on with a text: the prompt enters the stream from the state that it is in, then each symbol that is drawn.

    A symbol is drawn with the probability softmax(scores / temperature), computed in float64; the unknown symbol never
    is. When the last symbol is taken the state has seen the whole text, so that another call goes on.

    Args:
        stream: of a program that reads one symbol and scores each.
        symbols: what its rows stand for, as `text_symbols` gives them.
        prompt: symbols that the model knows, at least one; a string where symbols are characters.
        length: how many symbols to draw.
        temperature: 1 for the model's own probabilities, less for safer text, 0 for the most likely symbol.
        seed: of the draws.

    Raises:
        UsageError: an empty prompt, one with a symbol that is not known, a negative length, temperature or seed.
        StateError: while drawing, the scores are no numbers.
    """
    if length < 0 or seed < 0:
        raise UsageError(f"length {length} and seed {seed} arrived; expected both at least 0")
    if not 0 <= temperature < math.inf:
        raise UsageError(f"a temperature of {temperature} arrived; expected a number of at least 0, such as 0.7")
    if not prompt:
        raise UsageError("the prompt is empty; expected at least one symbol to go on from")
    indices = {symbol: i for i, symbol in enumerate(symbols)}
    for symbol in prompt:
        if symbol not in indices:
            raise UsageError(f"the model does not know {symbol!r} of the prompt; {_known(symbol, symbols)}")
    return _drawn(stream, symbols, [indices[symbol] for symbol in prompt], length, temperature, seed)


def _drawn(
    stream: Stream, symbols: Sequence[str], prompt: Sequence[int], length: int, temperature: float, seed: int
) -> Iterator[str]:
    random = np.random.default_rng(seed)
    allowed = np.array([row for row, symbol in enumerate(symbols) if symbol != UNKNOWN])
    for row in prompt:
        scores = stream.step(np.array([row], np.int32))
    for _ in range(length):
        row = int(allowed[draw(scores[allowed], temperature, random)])
        yield symbols[row]
        scores = stream.step(np.array([row], np.int32))


def draw(scores: NDArray[Any], temperature: float, random: np.random.Generator) -> int:
    """One of the places in scores (n,), with the probability softmax(scores / temperature); the largest at 0.

    Raises:
        StateError: the scores are no numbers.
    """
    if not np.isfinite(scores).all():
        raise StateError(f"the scores hold {scores[~np.isfinite(scores)][0]}; reset the stream, and look at the model")
    if temperature == 0:
        return int(scores.argmax())
    with np.errstate(over="ignore"):  # far below the largest at a tiny temperature: exp(-inf) is 0, as it should be
        until = np.exp((scores.astype(np.float64) - float(scores.max())) / temperature).cumsum()
    return int(np.searchsorted(until, random.random() * until[-1], side="right"))


def text_symbols(manifest: Manifest, name: str) -> tuple[str, ...]:
    """What the rows of a text model stand for.

    Raises:
        UsageError: the model reads no symbols, or scores something else than the next one.
    """
    if not manifest.vocabulary_size or not manifest.vocabulary_size == manifest.outputs == len(manifest.labels):
        reads = (
            f"one of {manifest.vocabulary_size} symbols" if manifest.vocabulary_size else f"{manifest.inputs} numbers"
        )
        raise UsageError(
            f"'{name}' is no text model: it reads {reads} and answers {manifest.outputs} values with "
            f"{len(manifest.labels)} labels; expected a label and a score for each symbol, as the recipe shakespeare "
            "makes it"
        )
    return manifest.labels


def between(symbols: Sequence[str]) -> str:
    """What joins the symbols of a text: nothing where each is a single character, else, between tokens, a space."""
    return "" if all(len(symbol) == 1 for symbol in symbols if symbol != UNKNOWN) else " "


def _known(symbol: str, symbols: Sequence[str]) -> str:
    words = [each for each in symbols if each != UNKNOWN]
    return f"there are {''.join(words)!r}" if between(words) == "" else misspelt(symbol, words[:20])
