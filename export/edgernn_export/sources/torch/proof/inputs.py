"""Random input like the example, on which a module and its graph are compared."""

import torch
from torch import Tensor

from edgernn.model.graph import Graph
from edgernn_export.sources.torch.layers.value import Value
from edgernn_export.sources.torch.walk import Walked


def noise(walked: Walked, graph: Graph, steps: int) -> list[Tensor]:
    """Return random input like the example with `steps` steps; without a time axis, on a new first axis."""
    random = torch.Generator().manual_seed(0)
    return [
        _like(example, x, graph, steps, random) for example, x in zip(walked.inputs.tensors, walked.xs, strict=True)
    ]


def _like(like: Tensor, x: Value, graph: Graph, steps: int, random: torch.Generator) -> Tensor:
    shape = (steps, *x.shape) if x.time is None else (*x.shape[: x.time], steps, *x.shape[x.time + 1 :])
    if graph.vocabulary_size:
        return torch.randint(graph.vocabulary_size, shape, generator=random, dtype=like.dtype)
    if like.dtype == torch.bool:
        return torch.randint(2, shape, generator=random).bool()
    if not like.is_floating_point():
        low, high = min(int(like.min()), -100), max(int(like.max()), 100)
        return torch.randint(low, high + 1, shape, generator=random, dtype=like.dtype)
    spread = float(like.std(correction=0)) or 1.0
    return float(like.mean()) + spread * torch.randn(shape, generator=random)


def shuffled(walked: Walked, steps: int) -> list[Tensor]:
    """Return frames of the example in random order."""
    order = torch.randint(walked.x.length, (steps,), generator=torch.Generator().manual_seed(0))
    pairs = zip(walked.inputs.tensors, walked.xs, strict=True)
    return [example.index_select(x.time or 0, order) for example, x in pairs]
