"""The result of every reader: sequences with targets, in a training and a test part."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from edgernn.array import Array
from edgernn.cells import Concat, Scale, Slice, Sum
from edgernn.errors import FrameError, UsageError
from edgernn.model.graph import INPUT, Graph
from edgernn.model.layer import Layer
from edgernn.model.parts import checked, slices
from edgernn.model.tensor import Tensor
from edgernn.train.data.origin import Origin
from edgernn.train.data.sound import Transforms

DATA_KINDS = ("class", "series", "text", "sound")
"""The kinds of targets: one class per sequence; future values at every step; the next symbol at every step; the speech
and the noise in the sound of every step."""


@dataclass(frozen=True, eq=False)
class Sequences:
    """Sequences of different lengths.

    Attributes:
        frames: one array per sequence: float32 (time, inputs), or int32 (time, 1) symbols.
        targets: int64 (sequences,) classes, or (sequences, sets) with several sets of classes; or one array per
            sequence: float32 (time, outputs) future values, int64 (time,) next symbols, or float32 (time, 2 * inputs +
            1): the samples of the speech, those of the noise, and 1 where there is voice.
        sources: the origin of each sequence, a file or a line of it, for messages.

    Raises:
        FrameError: The lengths do not match, a sequence is empty, or a number is not finite; with the source.
    """

    frames: tuple[Array, ...]
    targets: tuple[Array, ...] | Array
    sources: tuple[str, ...]

    def __post_init__(self) -> None:
        counts = len(self.frames), len(self.targets), len(self.sources)
        if len(set(counts)) > 1:
            raise FrameError(
                f"got {counts[0]} sequences, {counts[1]} targets and {counts[2]} sources; expected equal counts"
            )
        stepwise = not isinstance(self.targets, np.ndarray)
        for frames, target, source in zip(self.frames, self.targets, self.sources, strict=True):
            _check(frames, target, source, stepwise)

    def __len__(self) -> int:
        return len(self.frames)

    def select(self, rows: Array) -> "Sequences":
        """A subset, by the indices of the sequences."""
        targets = self.targets[rows] if isinstance(self.targets, np.ndarray) else tuple(self.targets[i] for i in rows)
        return Sequences(tuple(self.frames[i] for i in rows), targets, tuple(self.sources[i] for i in rows))

    def in_whole_steps(self, count: int) -> "Sequences":
        """Each sequence of classes without its last frames that are no whole step of `count` frames.

        Raises:
            UsageError: A sequence is shorter than a step.
        """
        for frames, source in zip(self.frames, self.sources, strict=True):
            if len(frames) < count:
                raise UsageError(
                    f"{source}: got {len(frames)} frames, and a step takes {count}; remove it, or lower the strides "
                    "over time"
                )
        return replace(self, frames=tuple(x[: len(x) // count * count] for x in self.frames))

    @property
    def steps(self) -> int:
        """The number of frames of all sequences."""
        return sum(map(len, self.frames))


@dataclass(frozen=True, eq=False)
class Data:
    """The training part and the test part, with the feature cells and the scaling of the targets.

    Attributes:
        train, test: no row, and no group if groups are known, is in both.
        kind: one of DATA_KINDS.
        inputs: the width of a frame before the feature cells; 1 for symbols.
        outputs: the number of classes, future values or symbols; for sound the scores of the network.
        labels: the names of the outputs; may be empty.
        heads: several sets of classes: the name of each and its number of outputs, which follow one another; empty for
            a single set.
        symbols: the symbol of each row of an embedding; empty for frames of numbers.
        period_ms: the time between frames, if known.
        exact: the feature cells: (layer name, cell) before the network, so that the exported model takes raw frames.
        mean, deviation: float32 (outputs,) statistics of the targets of the training part. Targets are stored as
            standard scores: value = score * deviation + mean. None if targets are stored unscaled.
        relative: whether that value is the change from the first element of the frame at the same step.
        origin: the files that the data was read from; None for data that was created or changed in memory.
        notes: warnings about the data, one sentence each.
        transforms: the cells before and after the network, for the kind "sound" alone.

    Raises:
        FrameError: Frames or targets do not match the widths.
        UsageError: A part is empty, or a class has no sequence in the training part.
        GraphError: The feature cells do not match the frames.
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
    heads: Mapping[str, int] = field(default_factory=dict)
    transforms: Transforms | None = None

    def __post_init__(self) -> None:
        if self.kind not in DATA_KINDS or (self.kind == "sound") != (self.transforms is not None):
            raise UsageError(f"there is no kind of data '{self.kind}'; expected one of {', '.join(DATA_KINDS)}")
        object.__setattr__(self, "heads", dict(checked("outputs", self.heads, self.outputs)))
        if self.heads and self.kind != "class":
            raise UsageError(f"got the targets {', '.join(self.heads)} of kind '{self.kind}'; expected classes")
        if self.labels and len(self.labels) != self.outputs:
            raise UsageError(f"got {len(self.labels)} labels for {self.outputs} outputs; expected one label each")
        for name, part in (("training", self.train), ("test", self.test)):
            if not len(part):
                raise UsageError(f"the {name} part is empty; choose another split")
            for frames, target, source in zip(part.frames, part.targets, part.sources, strict=True):
                self._fits(frames, target, source)
        if self.kind == "class":
            self._has_every_class()
        self.features  # noqa: B018  checks that the cells match the frames

    @property
    def vocabulary_size(self) -> int:
        """The number of symbols; 0 for frames of numbers."""
        return len(self.symbols)

    @cached_property
    def features(self) -> Graph | None:
        """The feature cells as a graph; None without feature cells."""
        layers = tuple(Layer(name, cell) for name, cell in self.exact)
        return Graph(layers, self.inputs, period_ms=self.period_ms) if layers else None

    @property
    def width(self) -> int:
        """The number of inputs of the network: the width of a frame after the feature cells."""
        return self.features.outputs if self.features else self.inputs

    @property
    def output_layers(self) -> tuple[Layer, ...]:
        """The layers after the network that convert its outputs to the units of the data."""
        if self.transforms is not None:
            return self.transforms.layers
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
        """Convert standard scores (..., outputs) at frames (..., inputs) to the units of the data."""
        if self.mean is None or self.deviation is None:
            return scores
        values: Array = scores * self.deviation + self.mean
        return values + frames[..., :1] if self.relative else values

    @property
    def named_outputs(self) -> Mapping[str, int]:
        """The width of each output of the model, where it has several."""
        return self.heads if self.transforms is None else self.transforms.outputs

    @property
    def delay_frames(self) -> int:
        """By how many frames the outputs of the model are late."""
        return 0 if self.transforms is None else self.transforms.delay_frames

    @property
    def parts(self) -> dict[str, slice]:
        """The outputs of each set of targets by its name; of a single set, all of them by the name ""."""
        return slices(self.heads) or {"": slice(0, self.outputs)}

    def stepwise(self, part: Sequences) -> list[Array]:
        """The targets of each sequence of a part, for every step: as they are, or (1, sets) for several sets."""
        return [target[None] for target in part.targets] if self.heads else list(part.targets)

    def in_whole_steps(self, count: int) -> "Data":
        """The data without the last frames of each sequence that are no whole step of `count` frames, as in a stream.

        Raises:
            UsageError: There are targets for every frame, or a sequence is shorter than a step.
        """
        if count == 1:
            return self
        if self.kind != "class":
            raise UsageError(
                f"before has strides over time, so a step takes {count} frames and answers once, and there are targets "
                f"of kind '{self.kind}' for every frame; remove the strides"
            )
        return replace(self, train=self.train.in_whole_steps(count), test=self.test.in_whole_steps(count))

    def hold_out(self, share: float, seed: int) -> tuple["Data", Sequences]:
        """Hold out a part of the training sequences: the last ones of a series or text, random ones otherwise.

        Raises:
            UsageError: There are too few sequences, or a class has no remaining sequence.
        """
        n = round(share * len(self.train))
        if not 0 < n < len(self.train):
            raise UsageError(
                f"a validation part of {share:g} of {len(self.train)} sequences is empty or leaves none for training; "
                "choose another part, or cut the data into more sequences with chunk"
            )
        random = self.kind in ("class", "sound")
        order = np.random.default_rng(seed).permutation(len(self.train)) if random else np.arange(len(self.train))
        remaining, held = np.sort(order[:-n]), np.sort(order[-n:])
        return replace(self, train=self.train.select(remaining)), self.train.select(held)

    def _fits(self, frames: Array, target: Array, source: str) -> None:
        if frames.shape[1] != self.inputs:
            raise FrameError(f"{source}: got frames of {frames.shape[1]} values; expected {self.inputs}")
        if (frames.dtype == np.int32) != bool(self.symbols):
            raise FrameError(
                f"{source}: got frames of {frames.dtype} and a vocabulary of {self.vocabulary_size} symbols; expected "
                "int32 with a vocabulary, float32 without"
            )
        if self.symbols and not 0 <= frames.min() <= frames.max() < self.vocabulary_size:
            raise FrameError(f"{source}: got symbol {frames.max()}; expected 0 to {self.vocabulary_size - 1}")
        if self.kind in ("series", "sound"):
            expected = len(frames), self.outputs if self.kind == "series" else 2 * self.inputs + 1
            if target.dtype != np.float32 or target.shape != expected:
                raise FrameError(f"{source}: got targets of {target.dtype}{target.shape}; expected float32 {expected}")
            return
        shape = (len(frames),) if self.kind == "text" else (len(self.heads),) if self.heads else ()
        if target.shape != shape or target.dtype != np.int64:
            raise FrameError(
                f"{source}: got targets of {target.dtype}{target.shape}; expected int64{shape} for kind '{self.kind}'"
            )
        most = np.array(list(self.heads.values()) or [self.outputs])
        if not ((target >= 0) & (target < most)).all():
            raise FrameError(f"{source}: got target {target.max()}; expected 0 to {' or '.join(map(str, most - 1))}")

    def _has_every_class(self) -> None:
        sets = np.asarray(self.train.targets).reshape(len(self.train), -1).T
        for known, (head, part) in zip(sets, self.parts.items(), strict=True):
            names = self.labels[part] or tuple(map(str, range(self.outputs)[part]))
            missing = sorted(set(range(len(names))) - set(known.tolist()))
            if missing:
                name = f"'{names[missing[0]]}'" + (f" of '{head}'" if head else "")
                raise UsageError(f"class {name} has no sequence in the training part; choose another split")


def number_labels(names: Sequence[str]) -> tuple[tuple[str, ...], Array]:
    """The sorted classes, numbers by value before text; and the class index of each name, int64 (names,)."""
    labels = tuple(
        sorted(set(names), key=lambda name: (not name.isdecimal(), int(name) if name.isdecimal() else 0, name))
    )
    places = {label: k for k, label in enumerate(labels)}
    return labels, np.array([places[name] for name in names], np.int64)


def _check(frames: Array, target: Array, source: str, stepwise: bool) -> None:
    if frames.ndim != 2 or not len(frames) or frames.dtype not in (np.float32, np.int32):
        raise FrameError(
            f"{source}: got frames of {frames.dtype}{frames.shape}; expected float32 (time, inputs) or int32 (time, 1) "
            "with at least one step"
        )
    if stepwise and np.ndim(target) and len(target) != len(frames):
        raise FrameError(f"{source}: got {len(target)} targets for {len(frames)} frames; expected one target each")
    for name, numbers in (("frame", frames), ("target", target)):
        finite = np.isfinite(numbers)
        if not finite.all():
            at = np.argwhere(~finite)[0]
            raise FrameError(f"{source}: {name} {at[0]} has the value {numbers[tuple(at)]}; expected finite numbers")
