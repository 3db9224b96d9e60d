"""The graphs of a trained encoder and a trained decoder."""

from typing import Any

import torch
from torch import nn

from edgernn.cells import Dense, Embedding, Gru, MemoryAttention
from edgernn.model.graph import Graph
from edgernn.model.layer import Layer
from edgernn.model.tensor import Tensor
from edgernn.train.translation.network import PairNetwork


def to_graphs(network: PairNetwork, memory: int, labels: tuple[str, ...]) -> tuple[Graph, Graph]:
    """The encoder and the decoder of a network in eval mode on the CPU.

    The encoder reads a symbol a step and answers with a position of the memory, or with its state where there is no
    attention. The decoder reads the symbol before and scores the next one, from the states `gru.h` of the encoder,
    `attention.memory` and `attention.mask`.

    Args:
        network: the trained network.
        memory: positions of the memory.
        labels: the symbols that the decoder scores.
    """
    encoder = [*_recurrent(network.source_table, network.layers[0])]
    decoder = [*_recurrent(network.target_table, network.layers[1])]
    if network.memory is not None and network.query is not None:
        encoder.append(Layer("memory", _dense(network.memory)))
        decoder.append(Layer("attention", MemoryAttention(_tensor(network.query.weight), memory)))
    decoder += [Layer("mix", _dense(network.mix, "tanh")), Layer("out", _dense(network.head))]
    return Graph(tuple(encoder), 1), Graph(tuple(decoder), 1, labels=labels)


def _recurrent(table: nn.Embedding, gru: Any) -> tuple[Layer, Layer]:
    weights = (gru.weight_ih_l0, gru.weight_hh_l0, gru.bias_ih_l0, gru.bias_hh_l0)
    return Layer("table", Embedding(_tensor(table.weight))), Layer("gru", Gru(*map(_tensor, weights)))


def _dense(linear: nn.Linear, activation: str = "linear") -> Dense:
    return Dense(_tensor(linear.weight), _tensor(linear.bias), activation)


def _tensor(weights: torch.Tensor) -> Tensor:
    return Tensor(weights.detach().cpu().numpy())
