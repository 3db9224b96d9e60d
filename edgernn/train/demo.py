"""The model of the demo: a GRU that hears the condition of a motor."""

from collections.abc import Iterator

import torch

from edgernn.graph import Graph
from edgernn.train.classify import Classifier, fit
from edgernn.train.motor import CONDITIONS, PERIOD_MS, Recordings
from edgernn_export.translate import from_torch

EPOCHS, HIDDEN, BEFORE = 25, 32, 24


def untrained(recordings: Recordings) -> Classifier:
    """The model with random weights, always the same, and the statistics of the recordings."""
    torch.manual_seed(0)
    x = torch.from_numpy(recordings.frames)
    return Classifier("gru", x.mean((0, 1)), x.std((0, 1)), HIDDEN, len(CONDITIONS), BEFORE)


def train(model: Classifier, recordings: Recordings) -> Iterator[float]:
    """Train in place; yields the loss of each epoch."""
    x, labels = torch.from_numpy(recordings.frames), torch.from_numpy(recordings.conditions)
    return fit(model, x, torch.full((len(x),), x.shape[1]), labels, epochs=EPOCHS)


def convert(model: Classifier, recordings: Recordings) -> Graph:
    """The trained model as a graph."""
    return from_torch(model, torch.from_numpy(recordings.frames[:1]), period_ms=PERIOD_MS, labels=CONDITIONS)
