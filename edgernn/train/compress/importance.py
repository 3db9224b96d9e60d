"""What each hidden unit is worth, by how much the loss would change without it."""

import numpy as np
import torch

from edgernn.model.graph import Graph
from edgernn.model.tensor import Array
from edgernn.passes.units import units
from edgernn.process import interrupt
from edgernn.train import run
from edgernn.train.compress.restore import matrices, restore
from edgernn.train.data.sequences import Data
from edgernn.train.loop.batches import epoch
from edgernn.train.loop.task import Task
from edgernn.train.recipe import Recipe

BATCHES = 20  # of the training part, at most


def taylor(graph: Graph, recipe: Recipe, data: Data, batches: int = BATCHES) -> dict[str, Array]:
    """First-order Taylor scores of the elements of every state, as `edgernn.passes.prune_units` takes them.

    P. Molchanov et al., "Importance estimation for neural network pruning" (arXiv:1906.10771): a unit's value times the
    gradient that reaches it, summed over time, is the sum of weight times gradient over all that reads the unit; of
    that the mean square over batches of the training part. The network answers as in use: without noise and dropout.

    Args:
        graph: a model of the recipe in float.
        recipe: what it was trained with.
        data: what it was trained on.
        batches: how many to look at, at most.

    Raises:
        UsageError: a model that is not of this recipe.
    """
    network = restore(graph, recipe, data)
    found, weights = units(graph), matrices(network)
    kept, _ = run.divided(recipe, data)
    part = run.part(kept, kept.train)
    task = Task(network, data.kind, part, ("training", part), recipe.training).eval()
    random = np.random.default_rng(recipe.training.seed)
    most = 1 + max(int(each.max()) for each in (*found.axes.values(), *found.states.values()))
    total, seen = np.zeros(most), 0
    for batch in epoch(part.frames(random), part.targets, recipe.training.plan, random):
        interrupt.check()
        if seen == batches:
            break
        loss, _ = task.loss(batch)
        if not batch.counts:  # it was run for the states that the next chunk begins at
            continue
        gradients = torch.autograd.grad(loss, list(weights.values()))
        change = np.zeros(most)
        for (name, weight), gradient in zip(weights.items(), gradients, strict=True):
            np.add.at(change, found.axes[name, 1], (weight.detach() * gradient).numpy().sum(axis=0))
        total += change**2
        seen += 1
    return {state: total[elements] / seen for state, elements in found.states.items()}
