"""Translation: an encoder reads a text, and a beam search finds what the decoder makes of its positions."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from edgernn.array import Array
from edgernn.errors import StateError, UsageError
from edgernn.files import atomic
from edgernn.package import contents
from edgernn.package.contents import Package
from edgernn.package.translation import CARRIED, END, MASK, MEMORY, START, UNKNOWN, Translation
from edgernn.package.trust import demanded
from edgernn.runtime import packaged
from edgernn.runtime.program import Program, of_package

MASKED = -30.0
"""What is added to the score of a position that holds nothing: its weight is at most e^-30 of the others'."""


@dataclass(frozen=True)
class Translated:
    """A translated text.

    Attributes:
        text: the best result.
        score: the mean logarithm of the probability of its symbols.
        unknown: the symbols of the source that the model does not know.
        complete: whether the result ended by itself.
    """

    text: str
    score: float
    unknown: tuple[str, ...]
    complete: bool


@dataclass(frozen=True)
class Translator:
    """An encoder and a decoder, each a program on any runtime."""

    encoder: Program
    decoder: Program
    translation: Translation

    def translate(self, text: str, beam: int = 0) -> Translated:
        """Translate a text.

        Args:
            text: of at most `translation.memory` - 1 symbols.
            beam: results that are followed at a time; 0 for that of the translation, 1 takes the most likely symbol at
                every step.

        Raises:
            UsageError: The text is empty or longer than the memory, or the beam is negative.
            StateError: A score is not finite.
        """
        if beam < 0:
            raise UsageError(f"a beam of {beam} arrived; expected at least 1, or 0 for that of the model")
        numbers, unknown = self.translation.numbers(text)
        begin = self._encoded(numbers)
        best = self._search(begin, beam or self.translation.beam)
        symbols = best.symbols[: len(best.symbols) - best.complete]
        return Translated(self.translation.text(symbols), _mean(best), unknown, best.complete)

    def _encoded(self, numbers: Sequence[int]) -> dict[str, Array]:
        """The states in which the decoder begins."""
        stream = self.encoder.stream()
        positions = [stream.step(np.array([number], np.int32)) for number in numbers]
        memory = np.zeros((self.translation.memory, len(positions[0])), np.float32)
        memory[: len(positions)] = positions
        mask = np.full(self.translation.memory, MASKED, np.float32)
        mask[: len(positions)] = 0.0
        carried = {name: value for name, value in stream.state.items() if name.startswith(f"{CARRIED}.")}
        states = {**carried, MEMORY: memory.reshape(-1), MASK: mask}
        return {name: states[name] for name in self.decoder.manifest.states}

    def _search(self, begin: dict[str, Array], width: int) -> "_Result":
        """Follow the `width` most likely results, until none of them is more likely than a complete one."""
        stream, target = self.decoder.stream(), self.translation.target
        end = target.index(END)
        never = [target.index(each) for each in (START, UNKNOWN)]
        results, complete = [_Result((), 0.0, begin)], list[_Result]()
        for _ in range(self.translation.longest):
            further: list[_Result] = []
            for result in results:
                stream.state = result.state
                last = result.symbols[-1] if result.symbols else target.index(START)
                scores = _log_softmax(stream.step(np.array([last], np.int32)))
                scores[never] = -np.inf
                state = stream.state
                further += [
                    _Result((*result.symbols, k), result.total + float(scores[k]), state, complete=k == end)
                    for k in np.argsort(scores)[::-1][:width].tolist()
                ]
            further = sorted(further, key=lambda each: -each.total)[:width]
            complete += [each for each in further if each.complete]
            results = [each for each in further if not each.complete]
            if not results or (complete and max(map(_mean, complete)) >= max(map(_mean, results))):
                break
        return max(complete or results, key=_mean)


@dataclass(frozen=True)
class _Result:
    """Symbols so far, END too, the logarithm of their probability, and the state after them."""

    symbols: tuple[int, ...]
    total: float
    state: dict[str, Array] = field(repr=False)
    complete: bool = False


def _mean(result: _Result) -> float:
    """The logarithm of the probability of a symbol of a result."""
    return result.total / len(result.symbols)


def _log_softmax(scores: Array) -> Array:
    """The logarithms of probabilities, float64.

    Raises:
        StateError: A score is not finite.
    """
    if not np.isfinite(scores).all():
        raise StateError(f"the scores hold {scores[~np.isfinite(scores)][0]}; check the model")
    shifted = scores.astype(np.float64) - float(scores.max())
    logarithms: Array = shifted - np.log(np.exp(shifted).sum())
    return logarithms


def open_translator(
    path: str | os.PathLike[str],
    *,
    threads: int = 1,
    key: str | os.PathLike[str] | None = None,
    min_version: str | None = None,
) -> Translator:
    """Open the package of an encoder and a decoder, each in the best artifact that this machine can run.

    Args:
        path: of a `.edge` package.
        threads: how many threads a runtime may use for a step.
        key: the public key that must have signed it, as `edgernn.open` takes it.
        min_version: the least version that may be signed.

    Raises:
        UsageError: the package has no encoder.
        EdgernnError: as `edgernn.open`.
    """
    name = os.fspath(path)
    return translator_of(contents.read(atomic.read(name), name, demanded(key, min_version)), threads)


def translator_of(package: Package, threads: int = 1) -> Translator:
    """The translator in a package that was read; see `open_translator`."""
    encoder, translation = package.encoder(), package.manifest.translation
    if encoder is None or translation is None:
        raise UsageError(
            f"'{package.name}' is no translator: its package has no encoder; train one by a recipe with the reader "
            "pairs"
        )
    reads, answers = (of_package(each, packaged.best(each, None), threads) for each in (encoder, package))
    return Translator(reads, answers, translation)
