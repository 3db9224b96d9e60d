"""The training part of an epoch: every clip augmented anew, then its features."""

from collections.abc import Sequence

import numpy as np

from edgernn.array import Array
from edgernn.cells import LogMel
from edgernn.errors import UsageError
from edgernn.model.graph import Graph
from edgernn.model.layer import Layer
from edgernn.train.data.augment import Augmentation
from edgernn.train.data.features import features
from edgernn.train.data.sequences import Data


class Varied:
    """Augmented clips: raw samples before the log-mel cell, and its frames after it.

    Args:
        data: audio data, whose first feature cell is a log-mel.
        augmentation: the range of each variation.

    Raises:
        UsageError: The data is not audio.
    """

    def __init__(self, data: Data, augmentation: Augmentation) -> None:
        cells = [cell for _, cell in data.exact]
        if not cells or not isinstance(cells[0], LogMel) or data.kind != "class":
            raise UsageError("[augment] needs audio with one class per clip; remove the section, or use the reader wav")
        self._clips: Sequence[Array] = data.train.frames
        self._augmentation = augmentation
        layers = tuple(Layer(name, cell) for name, cell in data.exact)
        self._mel = Graph(layers[:1], data.inputs)
        self._after_mel = Graph(layers[1:], self._mel.outputs) if layers[1:] else None

    def __call__(self, random: np.random.Generator) -> Sequence[Array]:
        """The features of every clip in order, each (time, bands). The time may differ from that of the clip."""
        clips = [self._augmentation.samples(clip, random) for clip in self._clips]
        mels = [self._augmentation.features(mel, random) for mel in features(self._mel, clips)]
        return features(self._after_mel, mels)
