"""A training callback that keeps a pattern of zeros in the weights."""

from collections.abc import Collection, Mapping
from typing import Any

import torch
from lightning.pytorch.callbacks import Callback
from torch import nn

from edgernn.model.graph import Graph
from edgernn.model.tensor import Tensor
from edgernn.passes.patterns import Pattern
from edgernn.passes.prune_weights import masks
from edgernn.train.compress.restore import matrices
from edgernn.train.loop.batches import Batch
from edgernn.train.loop.schedules import cubic

STAGES = 20  # of gradual pruning


class Zeros(Callback):
    """Puts a pattern of zeros into the matrices of a network, and restores it after every update.

    Args:
        graph: the converted network, with any weights.
        pattern: the pattern of the zeros.
        keep: layers without zeros.
        gradual: whether zeros are added in STAGES along `schedules.cubic` and chosen anew at each; otherwise all zeros
            are chosen before the first update.

    Raises:
        UsageError, GraphError: The matrices cannot have the pattern.
    """

    def __init__(self, graph: Graph, pattern: Pattern, keep: Collection[str] = (), *, gradual: bool = True) -> None:
        masks(graph, pattern, keep=keep)  # reports errors before the training
        self._graph, self._pattern, self._keep, self._gradual = graph, pattern, keep, gradual
        self._stage = -1
        self._zeros: Mapping[str, torch.Tensor] = {}

    def state_dict(self) -> dict[str, Any]:
        return {"stage": self._stage, "zeros": dict(self._zeros)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._stage, self._zeros = int(state["stage"]), state["zeros"]

    def on_train_start(self, _trainer: Any, module: Any) -> None:
        """Put the first zeros."""
        self._advance(module, 0.0)

    def on_train_batch_end(self, _trainer: Any, module: Any, _outputs: Any, batch: Batch, index: int) -> None:
        """Restore the zeros after an update."""
        if batch.counts:
            self._advance(module, module.progress(index + 1))

    def on_train_end(self, _trainer: Any, module: Any) -> None:
        """Put all zeros, in case the training ended early."""
        self._advance(module, 1.0)

    def _advance(self, module: Any, progress: float) -> None:
        weights = matrices(module.network)
        stage = int(STAGES * cubic(progress)) if self._gradual else STAGES
        if stage > self._stage:
            self._stage, self._zeros = stage, self._chosen(weights, stage / STAGES)
        with torch.no_grad():
            for name, zeros in self._zeros.items():
                weights[name].masked_fill_(zeros.to(weights[name].device), 0.0)

    def _chosen(self, weights: Mapping[str, nn.Parameter], share: float) -> dict[str, torch.Tensor]:
        """The masks of the zeros for the current weights."""
        now = self._graph.with_tensors({name: Tensor(each.detach().cpu().numpy()) for name, each in weights.items()})
        stays = masks(now, self._pattern.at(share), keep=self._keep)
        return {name: torch.from_numpy(~mask).to(weights[name].device) for name, mask in stays.items()}
