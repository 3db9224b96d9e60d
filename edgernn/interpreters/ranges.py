"""The ranges of all values of a step over real sequences, each from the initial states and with states carried."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgernn.array import Array
from edgernn.interpreters.numpy import NumpyOps, Stepper
from edgernn.model.graph import INPUT, Graph
from edgernn.model.range import Range
from edgernn.process import interrupt

BINS = 2048  # of the histogram of a value, from its smallest to its largest number
PARTS, LEAST = 8, 64  # a run of at least 64 frames is divided into 8 parts, to detect a value that keeps growing
GROWN = 1.25  # the ratio of the largest magnitude in the last part to that in the middle


@dataclass(frozen=True)
class Observation:
    """One value over all frames.

    Attributes:
        low, high: its smallest and its largest number.
        reach: its largest magnitude in each part of the longest runs, in order; empty when these are shorter than
            LEAST.
        counts: the histogram over BINS equal intervals from low to high; None before `count`.
    """

    low: float
    high: float
    reach: tuple[float, ...] = ()
    counts: Array | None = None

    @property
    def grows(self) -> bool:
        """Whether its magnitude grew in each part, and is GROWN times that of the middle in the last."""
        rises = all(after > before for before, after in zip(self.reach, self.reach[1:], strict=False))
        return bool(self.reach) and rises and self.reach[-1] > GROWN * self.reach[PARTS // 2 - 1]


class RangeObserver(Stepper):
    """Runs a graph in float32 and observes all values: many sequences at once, the longest first.

    Args:
        graph: in float.
        sequences: arrays (time, inputs), of any lengths.
    """

    def __init__(self, graph: Graph, sequences: Sequence[Array]) -> None:
        super().__init__(graph, "float32", NumpyOps("float32"))
        self._sequences = sorted(sequences, key=len, reverse=True)

    def frames(self) -> Iterator[Mapping[str, Array]]:
        """The values of each frame by their names, each of shape (sequences of at least this length, width)."""
        states = self.initial_state(len(self._sequences))
        for t in range(len(self._sequences[0])):
            interrupt.check()
            running = sum(len(sequence) > t for sequence in self._sequences)
            x = np.stack([sequence[t] for sequence in self._sequences[:running]])
            with np.errstate(all="ignore"):  # numbers that are not finite are reported where ranges are made
                values = self.values(x, {name: state[:running] for name, state in states.items()})
            states = {state.name: values[state.after.name] for state in self.trace.states}
            yield values

    def observe(self) -> dict[str, Observation]:
        """The smallest and the largest number of each value, and its reach over time."""
        lows: dict[str, list[float]] = {}
        highs: dict[str, list[float]] = {}
        long: dict[str, list[float]] = {}
        longest = sum(2 * len(sequence) > len(self._sequences[0]) for sequence in self._sequences)
        for values in self.frames():
            for name, value in self._numbers(values):
                lows.setdefault(name, []).append(float(value.min()))
                highs.setdefault(name, []).append(float(value.max()))
                long.setdefault(name, []).append(float(np.abs(value[:longest]).max()))
        return {
            name: Observation(float(np.min(lows[name])), float(np.max(highs[name])), _parts(long[name]))
            for name in lows
        }

    def element_ends(self, name: str) -> tuple[Array, Array]:
        """The smallest and the largest number of each element of a value, (width,) each; no step is run for `x`."""
        if name == INPUT:
            each = [(sequence.min(axis=0), sequence.max(axis=0)) for sequence in self._sequences]
        else:
            rows = (values[name].reshape(-1, values[name].shape[-1]) for values in self.frames())
            each = [(value.min(axis=0), value.max(axis=0)) for value in rows]
        lows, highs = zip(*each, strict=True)
        return np.min(lows, axis=0).astype(np.float64), np.max(highs, axis=0).astype(np.float64)

    def with_counts(self, seen: Mapping[str, Observation]) -> dict[str, Observation]:
        """The same with histograms, which takes a second run over all frames."""
        counts = {name: np.zeros(BINS, np.int64) for name in seen}
        for values in self.frames():
            for name, value in self._numbers(values):
                each = seen[name]
                if each.high > each.low and np.isfinite([each.low, each.high]).all():
                    counts[name] += np.histogram(value, BINS, (each.low, each.high))[0]
        return {name: Observation(each.low, each.high, each.reach, counts[name]) for name, each in seen.items()}

    def _numbers(self, values: Mapping[str, Array]) -> Iterator[tuple[str, Array]]:
        return ((name, value) for name, value in values.items() if not (name == INPUT and self.graph.vocabulary_size))


def _parts(reach: Sequence[float]) -> tuple[float, ...]:
    """The largest number in each of PARTS equal parts of a run; empty for a short run."""
    if len(reach) < LEAST:
        return ()
    return tuple(float(np.max(part)) for part in np.array_split(np.array(reach), PARTS))


def min_max(seen: Observation) -> Range:
    """From the smallest to the largest number."""
    return Range(seen.low, seen.high)


def percentile(seen: Observation, outside: float = 1e-4) -> Range:
    """All but a share of `outside` at each end."""
    if seen.counts is None or not seen.counts.any():
        return min_max(seen)
    edges = np.linspace(seen.low, seen.high, BINS + 1)
    below = np.cumsum(seen.counts) / seen.counts.sum()
    first, last = np.searchsorted(below, [outside, 1 - outside])
    return Range(edges[first], edges[min(last + 1, BINS)])


def mse(seen: Observation, steps: int = 255) -> Range:
    """The range for which quantization with `steps` steps has the least mean squared error.

    The error is that of rounding inside the range and of saturation outside. Both ends move in together, by the same
    factor, and not at all where clipping costs more than it gains. The criterion is that of W. Sung et al., "Resiliency
    of deep neural networks under quantization" (arXiv:1511.06488).
    """
    if seen.counts is None or not seen.counts.any():
        return min_max(seen)
    edges = np.linspace(seen.low, seen.high, BINS + 1)
    middle = (edges[1:] + edges[:-1]) / 2

    def loss(share: float) -> float:
        low, high = min(share * seen.low, 0.0), max(share * seen.high, 0.0)
        beyond = middle - np.clip(middle, low, high)
        rounding = ((high - low) / steps) ** 2 / 12
        return float(np.sum(seen.counts * np.where(beyond == 0, rounding, np.square(beyond))))

    best = min(np.linspace(1.0, 0.2, 81), key=loss)
    return Range(best * seen.low, best * seen.high)
