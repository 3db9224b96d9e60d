"""Networks to train: an optional embedding, the layers that a recipe names, recurrent layers, and a head."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from types import MappingProxyType
from typing import Any

import torch
from torch import nn

from edgernn.cells import Embedding, FastGrnn, Gru, LayerNormGru, LayerNormLstm, Lstm, Mgu, Rnn
from edgernn.errors import UsageError
from edgernn.files.spelling import misspelt
from edgernn.model.layer import Layer
from edgernn.model.tensor import Tensor
from edgernn.model.window import MERGES
from edgernn.train.network.before import Before
from edgernn.train.network.before_checks import MAX_WIDTH
from edgernn.train.network.before_options import BeforeLayer, frames_of
from edgernn.train.network.bidirectional import Bidirectional, Direction
from edgernn.train.network.draw import Draw, uniform
from edgernn.train.network.recurrent import Recurrent

MAX_FRAMES = 256  # of a step
MAX_WEIGHTS = 1 << 30  # of the recurrent layers: 4 GB


@dataclass(frozen=True)
class Shape:
    """The architecture of a network.

    Attributes:
        cell: one of TRAINABLE_CELLS.
        hidden: the number of units of each recurrent layer.
        layers: the number of recurrent layers.
        embedding: the width of the embedding of symbols before them; 0 for frames of numbers.
        before: the options of the layers between the frames, or the embedding, and the recurrent layers.
        heads: the weight of the loss of each set of targets, such as { digit = 1.0, speaker = 0.3 }; empty for one set.
        dropout: the dropout rate between the layers and before the head, independent for each element.
        variational: the dropout rate inside the recurrence, with the same units at every step of a sequence.
        residual: whether each layer except the first adds its input to its output.
        norm: whether the output of each layer is normalized.
        learned_state: whether the initial states are parameters instead of zeros.
        bidirectional: "concat" or "mean": each layer has two directions, whose normalized outputs are concatenated or
            averaged; the network takes whole sequences. "" for a network that streams.
    """

    cell: str = "gru"
    hidden: int = 32
    layers: int = 1
    embedding: int = 0
    before: tuple[BeforeLayer, ...] = ()
    heads: tuple[tuple[str, float], ...] = ()
    dropout: float = 0.0
    variational: float = 0.0
    residual: bool = False
    norm: bool = False
    learned_state: bool = False
    bidirectional: str = ""

    def __post_init__(self) -> None:
        if self.cell not in TRAINABLE_CELLS:
            raise UsageError(f"there is no cell '{self.cell}' to train; {misspelt(self.cell, TRAINABLE_CELLS)}")
        for name in ("hidden", "layers"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}; expected at least 1")
        if not 0 <= self.embedding <= MAX_WIDTH:
            raise UsageError(f"embedding is {self.embedding}; expected 0 to {MAX_WIDTH:,}")
        weights = 8 * self.layers * self.hidden**2  # of LSTM, the cell with the most weights
        if weights > MAX_WEIGHTS:
            raise UsageError(
                f"got {self.layers} layers of {self.hidden:,} units with up to {weights:,} weights; expected at most "
                f"{MAX_WEIGHTS:,}"
            )
        for name in ("dropout", "variational"):
            if not 0 <= getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}; expected a part of at least 0 and below 1")
        if self.bidirectional not in {"", *MERGES}:
            raise UsageError(f"bidirectional is '{self.bidirectional}'; {misspelt(self.bidirectional, MERGES)}, or ''")
        if self.frames_per_step > MAX_FRAMES:
            raise UsageError(f"before takes {self.frames_per_step:,} frames in a step; expected at most {MAX_FRAMES}")
        for name in ("bidirectional", "embedding"):
            if self.frames_per_step > 1 and getattr(self, name):
                raise UsageError(
                    f"before has strides over time, so a step takes {self.frames_per_step} frames, and {name} is "
                    f"{getattr(self, name)!r}, which takes one frame after another; remove the strides or {name}"
                )

    @property
    def frames_per_step(self) -> int:
        """The frames that the network takes in a step: the product of the strides over time."""
        return prod(map(frames_of, self.before))

    @property
    def output_width(self) -> int:
        """The width of the output of a recurrent layer, with all its directions."""
        return self.hidden * 2 if self.bidirectional == "concat" else self.hidden


@dataclass(frozen=True)
class TrainableCell:
    """A recurrent cell with initial weights, and torch's fused layer if there is one."""

    cell: Callable[[Draw, int, int], Any]
    fused: Callable[[int, int], nn.Module] | None = None


class Network(nn.Module):
    """A network with scores or values at every step of a sequence.

    Args:
        shape: the architecture.
        inputs: the width of a frame; 1 before an embedding.
        outputs: the number of scores or values per step.
        vocabulary_size: the number of symbols, for an embedding; 0 for frames of numbers.
    """

    def __init__(self, shape: Shape, inputs: int, outputs: int, vocabulary_size: int = 0) -> None:
        super().__init__()
        if bool(vocabulary_size) != bool(shape.embedding):
            raise UsageError(
                f"embedding is {shape.embedding} and the vocabulary size is {vocabulary_size}; expected an embedding "
                "for symbols and none for numbers"
            )
        self.shape = shape
        self.table = nn.Embedding(vocabulary_size, shape.embedding) if vocabulary_size else None
        self.before = Before(shape.before, shape.embedding or inputs)
        widths = [self.before.width, *[shape.output_width] * (shape.layers - 1)]
        if shape.bidirectional:
            self.layers = nn.ModuleList(_both(shape, each, shape.residual and i > 0) for i, each in enumerate(widths))
        else:
            self.layers = nn.ModuleList(_layer(shape, each) for each in widths)
            self.norms = nn.ModuleList(_norm(shape) for _ in widths)
        self.drop = nn.Dropout(shape.dropout)
        self.head = nn.Linear(shape.output_width, outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, time, inputs), or symbols (batch, time) -> (batch, steps, outputs), from the initial states.

        The time is a multiple of `shape.frames_per_step`.
        """
        return self.run(x)[0]

    def run(
        self, x: torch.Tensor, states: list[Any] | None = None, lengths: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, list[Any]]:
        """As `forward`, from given states, one entry per layer that has some; also return the final states.

        A bidirectional network has no states. Its backward direction begins at the end of each sequence, by `lengths`
        (batch,).
        """
        h, after = self.before.run(x if self.table is None else self.table(x), states, lengths)
        if self.shape.bidirectional:
            for layer in self.layers:
                h = self.drop(layer(h, lengths))
            return self.head(h), []
        for i, (layer, norm) in enumerate(zip(self.layers, self.norms, strict=True)):
            y, state = layer(h, None if states is None else states[len(after)])
            y = norm(y)
            h = self.drop(h + y if self.shape.residual and i else y)
            after.append(state)
        scores: torch.Tensor = self.head(h)
        return scores, after


def recurrent_part(network: Network) -> Network:
    """A copy of a network from its recurrent layers to its head."""
    part = copy.deepcopy(network)
    part.table, part.before = None, Before((), network.before.width)
    return part


def layers_before(network: Network) -> tuple[Layer, ...]:
    """The layers of the exported graph before those of `recurrent_part`, with the current weights."""
    if network.table is None:
        return network.before.converted()
    table = Tensor(network.table.weight.detach().cpu().numpy())
    return (Layer("table", Embedding(table)), *network.before.converted())


def detached(states: list[Any]) -> list[Any]:
    """The states of `Network.run`, detached from the graph of the gradient."""
    return [tuple(each.detach() for each in state) if isinstance(state, tuple) else state.detach() for state in states]


def _both(shape: Shape, inputs: int, residual: bool) -> Bidirectional:
    """A layer of two directions. The parts of the input that the two add merge to the whole input."""
    first, last = slice(0, shape.hidden), slice(shape.output_width - shape.hidden, shape.output_width)
    ahead, back = (
        Direction(_layer(shape, inputs), _norm(shape), added if residual else None) for added in (first, last)
    )
    return Bidirectional(ahead, back, shape.bidirectional)


def _norm(shape: Shape) -> nn.Module:
    return nn.LayerNorm(shape.hidden) if shape.norm else nn.Identity()


def _layer(shape: Shape, inputs: int) -> nn.Module:
    """Torch's fused layer, or the formula of the cell if the fused layer does not support the options."""
    kind = TRAINABLE_CELLS[shape.cell]
    if kind.fused is not None and not shape.variational and not shape.learned_state:
        return kind.fused(inputs, shape.hidden)
    return Recurrent(
        kind.cell(uniform(shape.hidden), inputs, shape.hidden),
        dropout=shape.variational,
        learned=shape.learned_state,
    )


def _lstm(draw: Draw, n: int, h: int) -> Lstm:
    return Lstm(draw(4 * h, n), draw(4 * h, h), draw(4 * h))


def _gru(draw: Draw, n: int, h: int) -> Gru:
    return Gru(draw(3 * h, n), draw(3 * h, h), draw(3 * h), draw(3 * h))


def _fastgrnn(draw: Draw, n: int, h: int) -> FastGrnn:
    return FastGrnn(draw(h, n), draw(h, h), draw(h, value=1.0), draw(h), draw(h, value=0.7), draw(h, value=0.01))


def _layer_norm_gru(draw: Draw, n: int, h: int) -> LayerNormGru:
    one = draw(3 * h, value=1.0)
    return LayerNormGru(draw(3 * h, n), draw(3 * h, h), draw(3 * h), draw(3 * h), one, draw(3 * h, value=1.0))


def _layer_norm_lstm(draw: Draw, n: int, h: int) -> LayerNormLstm:
    w, u, b = draw(4 * h, n), draw(4 * h, h), draw(4 * h)
    gain, gain_h, gain_c = draw(4 * h, value=1.0), draw(4 * h, value=1.0), draw(h, value=1.0)
    return LayerNormLstm(w, u, b, gain, gain_h, gain_c, draw(h, value=0.0))


TRAINABLE_CELLS: Mapping[str, TrainableCell] = MappingProxyType(
    {
        "rnn": TrainableCell(lambda w, n, h: Rnn(w(h, n), w(h, h), w(h)), lambda n, h: nn.RNN(n, h, batch_first=True)),
        "rnn_relu": TrainableCell(
            lambda w, n, h: Rnn(w(h, n), w(h, h), w(h), "relu"),
            lambda n, h: nn.RNN(n, h, nonlinearity="relu", batch_first=True),
        ),
        "lstm": TrainableCell(_lstm, lambda n, h: nn.LSTM(n, h, batch_first=True)),
        "gru": TrainableCell(_gru, lambda n, h: nn.GRU(n, h, batch_first=True)),
        "fastgrnn": TrainableCell(_fastgrnn),
        "mgu": TrainableCell(lambda w, n, h: Mgu(w(2 * h, n), w(h, h), w(h, h), w(2 * h))),
        "layer_norm_gru": TrainableCell(_layer_norm_gru),
        "layer_norm_lstm": TrainableCell(_layer_norm_lstm),
    }
)
"""The name of a cell in a recipe -> the cell."""
