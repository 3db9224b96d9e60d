"""The training part as an epoch meets it: every clip of sound varied anew, then the features of it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgernn.cells import LogMel
from edgernn.errors import UsageError
from edgernn.model.graph import Graph, Layer
from edgernn.train.data.augment import Augmentation
from edgernn.train.data.features import features
from edgernn.train.data.sequences import Data

Array = NDArray[Any]


class Varied:
    """Clips varied by chance: raw samples before the log-mel cell, its frames behind it.

    Args:
        data: of a reader of sound, whose exact cells begin with a log-mel.
        how: how far each variation may go.

    Raises:
        UsageError: the data is no sound.
    """

    def __init__(self, data: Data, how: Augmentation) -> None:
        cells = [cell for _, cell in data.exact]
        if not cells or not isinstance(cells[0], LogMel) or data.kind != "class":
            raise UsageError("[augment] varies recordings of sound, one class each; take it out, or read .wav files")
        self._clips: Sequence[Array] = data.train.frames
        self._how = how
        layers = tuple(Layer(name, cell) for name, cell in data.exact)
        self._mel = Graph(layers[:1], data.inputs)
        self._behind = Graph(layers[1:], self._mel.outputs) if layers[1:] else None

    def __call__(self, random: np.random.Generator) -> Sequence[Array]:
        """The features of every clip, in their order, each (time, bands); the time may differ from the clip's own."""
        clips = [self._how.samples(clip, random) for clip in self._clips]
        mels = [self._how.features(mel, random) for mel in features(self._mel, clips)]
        return features(self._behind, mels)
