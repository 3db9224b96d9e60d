"""What every reader gives: sequences with what is asked of them, in a training and a test part."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgernn.cells import Concat, Scale, Slice, Sum
from edgernn.errors import FrameError, UsageError
from edgernn.model.graph import INPUT, Graph, Layer
from edgernn.model.tensor import Tensor
from edgernn.train.data.origin import Origin

Array = NDArray[Any]

KINDS = ("class", "series", "text")
"""What is asked: one class per sequence; values some steps ahead, at every step; the next symbol, at every step."""


@dataclass(frozen=True, eq=False)
class Sequences:
    """Sequences of different lengths.

    Attributes:
        frames: of each (time, inputs) float32, or (time, 1) int32 symbols.
        targets: int64 (sequences,), a class each; or one array per sequence: float32 (time, outputs), values ahead, or
            int64 (time,), the next symbol.
        sources: where each comes from, a file or a line of it, for messages.

    Raises:
        FrameError: lengths that do not fit, an empty sequence, a number that is not finite; naming the source.
    """

    frames: tuple[Array, ...]
    targets: tuple[Array, ...] | Array
    sources: tuple[str, ...]

    def __post_init__(self) -> None:
        counts = len(self.frames), len(self.targets), len(self.sources)
        if len(set(counts)) > 1:
            raise FrameError(
                f"{counts[0]} sequences, {counts[1]} targets and {counts[2]} sources arrived; expected as many"
            )
        for frames, target, source in zip(self.frames, self.targets, self.sources, strict=True):
            _check(frames, target, source)

    def __len__(self) -> int:
        return len(self.frames)

    def taken(self, rows: Array) -> "Sequences":
        """Some of them, by their numbers."""
        targets = self.targets[rows] if isinstance(self.targets, np.ndarray) else tuple(self.targets[i] for i in rows)
        return Sequences(tuple(self.frames[i] for i in rows), targets, tuple(self.sources[i] for i in rows))

    @property
    def steps(self) -> int:
        """The frames of all sequences together."""
        return sum(map(len, self.frames))


@dataclass(frozen=True, eq=False)
class Data:
    """Sequences to learn from and others to judge by, and how a stream must treat its input to meet the same.

    Attributes:
        train, test: no row, and where groups are known no group, is in both.
        kind: one of KINDS.
        inputs: the width of a frame, before the cells of `exact`; 1 for symbols.
        outputs: classes, values ahead or symbols.
        labels: the name of each output, or nothing.
        symbols: what each row of an embedding stands for, in order; nothing for frames of numbers.
        period_ms: from one frame to the next, when it is known.
        exact: (layer name, cell) to put before the network, so that the exported model takes the frames as they are.
        mean, deviation: float32 (outputs,) of the training part's targets, which are stored as standard scores: a
            value is score * deviation + mean; nothing when targets are stored as they are.
        relative: whether that is the change from the first element of the frame at the same step.
        origin: the files that it was read from; None for data that was made, or changed, in memory.
        notes: what a user must know of the data as they were read, a sentence each.

    Raises:
        FrameError: frames or targets that do not fit the widths.
        UsageError: an empty part, or a class without a sequence to learn from.
        GraphError: feature cells that do not fit the frames.
    """

    train: Sequences
    test: Sequences
    kind: str
    inputs: int
    outputs: int
    labels: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()
    period_ms: float | None = None
    exact: tuple[tuple[str, Any], ...] = ()
    mean: Array | None = None
    deviation: Array | None = None
    relative: bool = False
    origin: Origin | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UsageError(f"there is no kind of data '{self.kind}'; there are {', '.join(KINDS)}")
        if self.labels and len(self.labels) != self.outputs:
            raise UsageError(f"{len(self.labels)} labels for {self.outputs} outputs arrived; expected one each")
        for name, part in (("training", self.train), ("test", self.test)):
            if not len(part):
                raise UsageError(f"the {name} part is empty; choose another split")
            for frames, target, source in zip(part.frames, part.targets, part.sources, strict=True):
                self._fits(frames, target, source)
        if self.kind == "class":
            self._has_every_class()
        self.features  # noqa: B018  checks that the cells fit the frames

    @property
    def vocabulary_size(self) -> int:
        """How many symbols a frame may be; 0 for numbers."""
        return len(self.symbols)

    @cached_property
    def features(self) -> Graph | None:
        """The cells of `exact` as a graph; None when there are none."""
        layers = tuple(Layer(name, cell) for name, cell in self.exact)
        return Graph(layers, self.inputs, period_ms=self.period_ms) if layers else None

    @property
    def width(self) -> int:
        """What the network reads: the width of a frame after the cells of `exact`."""
        return self.features.outputs if self.features else self.inputs

    @property
    def behind(self) -> tuple[Layer, ...]:
        """What to put after the network, so that the exported model answers in the units of the data."""
        if self.mean is None or self.deviation is None:
            return ()
        layers = [Layer("unscaled", Scale(Tensor(self.deviation), Tensor(self.mean)))]
        if not self.relative:
            return tuple(layers)
        now = INPUT
        if self.inputs > 1:
            layers.append(Layer("now", Slice(self.inputs, 0, 1), (INPUT,)))
            now = "now"
        if self.outputs > 1:
            layers.append(Layer("each_now", Concat(), (now,) * self.outputs))
            now = "each_now"
        return (*layers, Layer("values", Sum(), ("unscaled", now)))

    def unscaled(self, scores: Array, frames: Array) -> Array:
        """Standard scores (..., outputs) at frames (..., inputs) in the units of the data."""
        if self.mean is None or self.deviation is None:
            return scores
        values: Array = scores * self.deviation + self.mean
        return values + frames[..., :1] if self.relative else values

    def divided(self, share: float, seed: int) -> tuple["Data", Sequences]:
        """Without a part of the training sequences, and that part: the last ones of a series or text, drawn ones else.

        Raises:
            UsageError: too few sequences, or a class without one that is left to learn from.
        """
        n = round(share * len(self.train))
        if not 0 < n < len(self.train):
            raise UsageError(
                f"a validation part of {share:g} of {len(self.train)} sequences is empty or leaves none; choose "
                "another part, or cut the data into more sequences with chunk"
            )
        drawn = self.kind == "class"
        order = np.random.default_rng(seed).permutation(len(self.train)) if drawn else np.arange(len(self.train))
        kept, held = np.sort(order[:-n]), np.sort(order[-n:])
        return replace(self, train=self.train.taken(kept)), self.train.taken(held)

    def _fits(self, frames: Array, target: Array, source: str) -> None:
        if frames.shape[1] != self.inputs:
            raise FrameError(f"{source}: frames of {frames.shape[1]} values arrived; expected {self.inputs}")
        if (frames.dtype == np.int32) != bool(self.symbols):
            raise FrameError(
                f"{source}: frames of {frames.dtype} arrived with {self.vocabulary_size} symbols; int32 has some"
            )
        if self.symbols and not 0 <= frames.min() <= frames.max() < self.vocabulary_size:
            raise FrameError(f"{source}: symbol {frames.max()} arrived; expected 0 to {self.vocabulary_size - 1}")
        if self.kind == "series":
            if target.dtype != np.float32 or target.shape != (len(frames), self.outputs):
                raise FrameError(
                    f"{source}: targets of {target.dtype}{target.shape} arrived; expected float32 "
                    f"{(len(frames), self.outputs)}"
                )
        elif target.shape != (() if self.kind == "class" else (len(frames),)) or target.dtype != np.int64:
            raise FrameError(
                f"{source}: targets of {target.dtype}{target.shape} arrived; expected int64, kind {self.kind}"
            )
        elif not 0 <= target.min() <= target.max() < self.outputs:
            raise FrameError(f"{source}: target {target.max()} arrived; expected 0 to {self.outputs - 1}")

    def _has_every_class(self) -> None:
        known = {int(target) for target in self.train.targets}
        for k in range(self.outputs):
            if k not in known:
                name = self.labels[k] if self.labels else str(k)
                raise UsageError(f"class '{name}' has no sequence in the training part; choose another split")


def numbered(names: Sequence[str]) -> tuple[tuple[str, ...], Array]:
    """The classes among the names, numbers by value before words; and the class of each name, int64 (names,)."""
    labels = tuple(
        sorted(set(names), key=lambda name: (not name.isdecimal(), int(name) if name.isdecimal() else 0, name))
    )
    places = {label: k for k, label in enumerate(labels)}
    return labels, np.array([places[name] for name in names], np.int64)


def _check(frames: Array, target: Array, source: str) -> None:
    if frames.ndim != 2 or not len(frames) or frames.dtype not in (np.float32, np.int32):
        raise FrameError(
            f"{source}: frames of {frames.dtype}{frames.shape} arrived; expected float32 (time, inputs), or int32 "
            "(time, 1), and at least one"
        )
    if np.ndim(target) and len(target) != len(frames):
        raise FrameError(f"{source}: {len(target)} targets for {len(frames)} frames arrived; expected one each")
    for name, numbers in (("frame", frames), ("target", target)):
        finite = np.isfinite(numbers)
        if not finite.all():
            at = np.argwhere(~finite)[0]
            raise FrameError(f"{source}: {name} {at[0]} holds {numbers[tuple(at)]}; mend the data")
