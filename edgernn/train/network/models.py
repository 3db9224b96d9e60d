"""Networks to train: an embedding or a dense layer, recurrent layers, a head; streamable unless bidirectional."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import nn

from edgernn.cells import FastGrnn, Gru, LayerNormGru, LayerNormLstm, Lstm, Mgu, Rnn
from edgernn.errors import UsageError
from edgernn.files.spelling import misspelt
from edgernn.model.tensor import Tensor
from edgernn.model.window import MERGES
from edgernn.train.network.bidirectional import Bidirectional, Direction
from edgernn.train.network.recurrent import Recurrent

Draw = Callable[..., Tensor]


WIDEST = 1 << 16  # of an embedding or a dense layer
MOST_WEIGHTS = 1 << 30  # of the recurrent layers: 4 GB


@dataclass(frozen=True)
class Shape:
    """What a network is made of.

    Attributes:
        cell: one of KINDS.
        hidden: units of each recurrent layer.
        layers: how many of them.
        embedding: width of the table before them, for symbols; 0 for frames of numbers.
        dense: units of a dense layer with relu before them; 0 for none.
        dropout: between the layers and before the head, for each element by itself.
        variational: inside the recurrence, the same units at every step of a sequence.
        residual: whether each layer but the first adds what it reads.
        norm: whether each layer's output is normalized.
        learned_state: whether the states begin at a parameter and not at zero.
        bidirectional: "concat" or "mean" where each layer is two, one of which reads backwards, and whose normalized
            outputs are put side by side or averaged; such a network takes whole sequences. "" for one that streams.
    """

    cell: str = "gru"
    hidden: int = 32
    layers: int = 1
    embedding: int = 0
    dense: int = 0
    dropout: float = 0.0
    variational: float = 0.0
    residual: bool = False
    norm: bool = False
    learned_state: bool = False
    bidirectional: str = ""

    def __post_init__(self) -> None:
        if self.cell not in KINDS:
            raise UsageError(f"there is no cell '{self.cell}' to train; {misspelt(self.cell, KINDS)}")
        for name in ("hidden", "layers"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}; expected at least 1")
        for name in ("embedding", "dense"):
            if not 0 <= getattr(self, name) <= WIDEST:
                raise UsageError(f"{name} is {getattr(self, name)}; expected 0 to {WIDEST:,}")
        weights = 8 * self.layers * self.hidden**2  # of LSTM, and nothing has more
        if weights > MOST_WEIGHTS:
            raise UsageError(
                f"{self.layers} layers of {self.hidden:,} units arrived, up to {weights:,} weights; expected "
                f"{MOST_WEIGHTS:,} at most"
            )
        for name in ("dropout", "variational"):
            if not 0 <= getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}; expected a part from 0 up to, but not, 1")
        if self.bidirectional not in {"", *MERGES}:
            raise UsageError(f"bidirectional is '{self.bidirectional}'; {misspelt(self.bidirectional, MERGES)}, or ''")

    @property
    def across(self) -> int:
        """The width of what a recurrent layer answers, all its directions together."""
        return self.hidden * 2 if self.bidirectional == "concat" else self.hidden


@dataclass(frozen=True)
class Kind:
    """A recurrent layer by its name: torch's fused one where there is one, and the cell with weights to begin with."""

    cell: Callable[[Draw, int, int], Any]
    fused: Callable[[int, int], nn.Module] | None = None


class Network(nn.Module):
    """Scores or values at every step of a sequence, and the states after it.

    Args:
        shape: what it is made of.
        inputs: the width of a frame; 1 before an embedding.
        outputs: scores or values per step.
        rows: symbols that a frame may be, for an embedding; 0 for numbers.
    """

    def __init__(self, shape: Shape, inputs: int, outputs: int, rows: int = 0) -> None:
        super().__init__()
        if bool(rows) != bool(shape.embedding):
            raise UsageError(
                f"embedding is {shape.embedding} and the data has {rows} symbols; symbols, and only they, need one"
            )
        self.shape = shape
        self.table = nn.Embedding(rows, shape.embedding) if rows else None
        width = shape.embedding or inputs
        self.before = nn.Sequential(nn.Linear(width, shape.dense), nn.ReLU()) if shape.dense else nn.Identity()
        widths = [shape.dense or width, *[shape.across] * (shape.layers - 1)]
        if shape.bidirectional:
            self.layers = nn.ModuleList(_both(shape, each, shape.residual and i > 0) for i, each in enumerate(widths))
        else:
            self.layers = nn.ModuleList(_layer(shape, each) for each in widths)
            self.norms = nn.ModuleList(_norm(shape) for _ in widths)
        self.drop = nn.Dropout(shape.dropout)
        self.head = nn.Linear(shape.across, outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, time, inputs), or symbols (batch, time) -> (batch, time, outputs), from rest."""
        return self.run(x)[0]

    def run(
        self, x: torch.Tensor, states: list[Any] | None = None, lengths: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, list[Any]]:
        """The same from given states, one entry per recurrent layer; and the states after the last step.

        A bidirectional network carries none. It reads backwards from where each sequence ends, by `lengths` (batch,).
        """
        h = self.before(x if self.table is None else self.table(x))
        after: list[Any] = []
        if self.shape.bidirectional:
            for layer in self.layers:
                h = self.drop(layer(h, lengths))
            return self.head(h), after
        for i, (layer, norm) in enumerate(zip(self.layers, self.norms, strict=True)):
            y, state = layer(h, None if states is None else states[i])
            y = norm(y)
            h = self.drop(h + y if self.shape.residual and i else y)
            after.append(state)
        scores: torch.Tensor = self.head(h)
        return scores, after


def detached(states: list[Any]) -> list[Any]:
    """States cut off from their past, as `Network.run` returns them: where a truncated gradient ends."""
    return [tuple(each.detach() for each in state) if isinstance(state, tuple) else state.detach() for state in states]


def _both(shape: Shape, inputs: int, residual: bool) -> Bidirectional:
    """A layer of two directions; what each adds of its input is, once merged, the input as it was."""
    first, last = slice(0, shape.hidden), slice(shape.across - shape.hidden, shape.across)
    ahead, back = (
        Direction(_layer(shape, inputs), _norm(shape), added if residual else None) for added in (first, last)
    )
    return Bidirectional(ahead, back, shape.bidirectional)


def _norm(shape: Shape) -> nn.Module:
    return nn.LayerNorm(shape.hidden) if shape.norm else nn.Identity()


def _layer(shape: Shape, inputs: int) -> nn.Module:
    """Torch's fused layer where nothing happens inside the recurrence, else the cell's own formula."""
    kind = KINDS[shape.cell]
    if kind.fused is not None and not shape.variational and not shape.learned_state:
        return kind.fused(inputs, shape.hidden)
    return Recurrent(
        kind.cell(_uniform(shape.hidden), inputs, shape.hidden),
        dropout=shape.variational,
        learned=shape.learned_state,
    )


def _uniform(hidden: int) -> Draw:
    """Weights as torch's own recurrent layers begin with, from torch's generator."""

    def draw(*shape: int, value: float | None = None) -> Tensor:
        if value is not None:
            return Tensor(np.full(shape, value, np.float32))
        return Tensor(((torch.rand(shape) * 2 - 1) / hidden**0.5).numpy())

    return draw


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


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "rnn": Kind(lambda w, n, h: Rnn(w(h, n), w(h, h), w(h)), lambda n, h: nn.RNN(n, h, batch_first=True)),
        "rnn_relu": Kind(
            lambda w, n, h: Rnn(w(h, n), w(h, h), w(h), "relu"),
            lambda n, h: nn.RNN(n, h, nonlinearity="relu", batch_first=True),
        ),
        "lstm": Kind(_lstm, lambda n, h: nn.LSTM(n, h, batch_first=True)),
        "gru": Kind(_gru, lambda n, h: nn.GRU(n, h, batch_first=True)),
        "fastgrnn": Kind(_fastgrnn),
        "mgu": Kind(lambda w, n, h: Mgu(w(2 * h, n), w(h, h), w(h, h), w(2 * h))),
        "layer_norm_gru": Kind(_layer_norm_gru),
        "layer_norm_lstm": Kind(_layer_norm_lstm),
    }
)
"""The names of cells in a recipe."""
