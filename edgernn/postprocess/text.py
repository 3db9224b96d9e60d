"""Text generation: sample the next symbol from the scores of a model, and feed it back."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgernn.artifact.manifest import Manifest
from edgernn.errors import StateError, UsageError
from edgernn.files.spelling import misspelt
from edgernn.package.translation import UNKNOWN
from edgernn.runtime.parts import check_each_frame, check_one
from edgernn.runtime.stream import Stream


def generate(
    stream: Stream, symbols: Sequence[str], prompt: Sequence[str], length: int, temperature: float, seed: int
) -> Iterator[str]:
    """Continue a text. The stream reads the prompt from its present state, and then each sampled symbol.

    A symbol is sampled with the probability softmax(scores / temperature), computed in float64; the unknown symbol is
    never sampled. After the last symbol the state has read the whole text, so that another call continues it.

    Args:
        stream: of a program that reads one symbol per step and scores each symbol.
        symbols: the vocabulary, as `text_symbols` returns it.
        prompt: at least one known symbol; a string if symbols are characters.
        length: number of symbols to sample.
        temperature: 1 for the probabilities of the model, less for more likely text, 0 for the most likely symbol.
        seed: of the random numbers.

    Raises:
        UsageError: the prompt is empty or has an unknown symbol, or length, temperature or seed is negative.
        StateError: during sampling, a score is not finite.
    """
    if length < 0 or seed < 0:
        raise UsageError(f"length {length} and seed {seed} arrived; expected at least 0 for both")
    if not 0 <= temperature < math.inf:
        raise UsageError(f"a temperature of {temperature} arrived; expected a number of at least 0, such as 0.7")
    if not prompt:
        raise UsageError("the prompt is empty; expected at least one symbol")
    indices = {symbol: i for i, symbol in enumerate(symbols)}
    for symbol in prompt:
        if symbol not in indices:
            raise UsageError(f"the model does not know {symbol!r} in the prompt; {_known(symbol, symbols)}")
    return _sampled(stream, symbols, [indices[symbol] for symbol in prompt], length, temperature, seed)


def _sampled(
    stream: Stream, symbols: Sequence[str], prompt: Sequence[int], length: int, temperature: float, seed: int
) -> Iterator[str]:
    random = np.random.default_rng(seed)
    allowed = np.array([row for row, symbol in enumerate(symbols) if symbol != UNKNOWN])
    for row in prompt:
        scores = stream.step(np.array([row], np.int32))
    for _ in range(length):
        row = int(allowed[sample(scores[allowed], temperature, random)])
        yield symbols[row]
        scores = stream.step(np.array([row], np.int32))


def sample(scores: NDArray[Any], temperature: float, random: np.random.Generator) -> int:
    """Sample an index of scores (n,) with the probability softmax(scores / temperature); the largest at 0.

    Raises:
        StateError: a score is not finite.
    """
    if not np.isfinite(scores).all():
        raise StateError(f"the scores hold {scores[~np.isfinite(scores)][0]}; reset the stream, and check the model")
    if temperature == 0:
        return int(scores.argmax())
    with np.errstate(over="ignore"):  # at a tiny temperature: exp(-inf) is 0, as intended
        cumulative = np.exp((scores.astype(np.float64) - float(scores.max())) / temperature).cumsum()
    return int(np.searchsorted(cumulative, random.random() * cumulative[-1], side="right"))


def text_symbols(manifest: Manifest, name: str) -> tuple[str, ...]:
    """The vocabulary of a text model.

    Raises:
        UsageError: the model does not read symbols, or does not score the next one.
    """
    check_one(manifest, name, "a text model")
    check_each_frame(manifest, name, "a text model")
    if not manifest.vocabulary_size or not manifest.vocabulary_size == manifest.outputs == len(manifest.labels):
        reads = (
            f"one of {manifest.vocabulary_size} symbols" if manifest.vocabulary_size else f"{manifest.inputs} numbers"
        )
        raise UsageError(
            f"'{name}' is not a text model: it reads {reads} and returns {manifest.outputs} values with "
            f"{len(manifest.labels)} labels; expected a label and a score for each symbol, as in the recipe shakespeare"
        )
    return manifest.labels


def separator(symbols: Sequence[str]) -> str:
    """The separator of the symbols of a text: "" if each is a single character, else a space between tokens."""
    return "" if all(len(symbol) == 1 for symbol in symbols if symbol != UNKNOWN) else " "


def _known(symbol: str, symbols: Sequence[str]) -> str:
    words = [each for each in symbols if each != UNKNOWN]
    return f"there are {''.join(words)!r}" if separator(words) == "" else misspelt(symbol, words[:20])
