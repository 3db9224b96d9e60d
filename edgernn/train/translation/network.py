"""The networks of an encoder and a decoder, trained together."""

from dataclasses import dataclass

import torch
from torch import nn

from edgernn.errors import UsageError


@dataclass(frozen=True)
class PairShape:
    """The architecture of an encoder and a decoder, each an embedding and a GRU.

    Attributes:
        hidden: the number of units of each GRU.
        embedding: the width of the embedding of symbols.
        attention: the width of a position of the memory; 0 for a decoder that has only the encoder's last state.
        dropout: the dropout rate behind embeddings and GRUs.
    """

    hidden: int = 64
    embedding: int = 32
    attention: int = 64
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if self.hidden < 1 or self.embedding < 1 or self.attention < 0:
            raise UsageError(
                f"hidden is {self.hidden}, embedding {self.embedding} and attention {self.attention}; expected at "
                "least 1, 1 and 0"
            )
        if not 0 <= self.dropout < 1:
            raise UsageError(f"dropout is {self.dropout}; expected a part of at least 0 and below 1")


class PairNetwork(nn.Module):
    """An encoder, and a decoder that attends to its outputs.

    Attention as in `cells.MemoryAttention`, then a layer with tanh as in M.-T. Luong et al. (arXiv:1508.04025).

    Args:
        shape: the architecture.
        source: the number of symbols that the encoder reads.
        target: the number of symbols that the decoder scores.
    """

    def __init__(self, shape: PairShape, source: int, target: int) -> None:
        super().__init__()
        self.shape = shape
        hidden, width = shape.hidden, shape.attention
        self.source_table, self.target_table = (nn.Embedding(each, shape.embedding) for each in (source, target))
        self.layers = nn.ModuleList(nn.GRU(shape.embedding, hidden, batch_first=True) for _ in range(2))
        self.memory = nn.Linear(hidden, width) if width else None
        self.query = nn.Linear(hidden, width, bias=False) if width else None
        self.mix = nn.Linear(hidden + width, hidden)
        self.head = nn.Linear(hidden, target)
        self.drop = nn.Dropout(shape.dropout)

    def forward(self, source: torch.Tensor, lengths: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Score the symbol after each of a target.

        Args:
            source: int64 (batch, time).
            lengths: int64 (batch,), the symbols of each source without padding.
            target: int64 (batch, steps), from START on.

        Returns:
            (batch, steps, symbols).
        """
        read, _ = self.layers[0](self.drop(self.source_table(source)))
        last = read[torch.arange(len(source)), lengths - 1]
        h, _ = self.layers[1](self.drop(self.target_table(target)), last[None].contiguous())
        if self.memory is not None and self.query is not None:
            positions = self.memory(read)
            scores = self.query(h) @ positions.transpose(1, 2)
            empty = torch.arange(source.shape[1])[None, None, :] >= lengths[:, None, None]
            h = torch.cat([h, scores.masked_fill(empty, float("-inf")).softmax(-1) @ positions], -1)
        y: torch.Tensor = self.head(self.drop(torch.tanh(self.mix(h))))
        return y
