"""The importance of hidden units: the estimated change of the loss without each unit."""

import numpy as np
import torch

from edgernn.array import Array
from edgernn.model.graph import Graph
from edgernn.passes.units import units
from edgernn.process import interrupt
from edgernn.train import run
from edgernn.train.compress.restore import matrices, restore
from edgernn.train.data.sequences import Data
from edgernn.train.loop.batches import epoch
from edgernn.train.loop.sound_loss import SoundLoss
from edgernn.train.loop.task import Task
from edgernn.train.recipe import Recipe

BATCHES = 20  # the largest number of batches of the training part


def taylor(graph: Graph, recipe: Recipe, data: Data, batches: int = BATCHES) -> dict[str, Array]:
    """First-order Taylor scores of the elements of every state, for `edgernn.passes.prune_units`.

    P. Molchanov et al., "Importance estimation for neural network pruning" (arXiv:1906.10771). The value of a unit
    times its gradient, summed over time, equals the sum of weight times gradient over all weights that read the unit.
    The score is the mean square of this sum over batches of the training part, without noise and dropout.

    Args:
        graph: a float model of the recipe.
        recipe: the recipe of its training.
        data: its training data.
        batches: the largest number of batches.

    Raises:
        UsageError: The model does not match the recipe.
    """
    network = restore(graph, recipe, data)
    hidden, weights = units(graph), matrices(network)
    training_data, _ = run.hold_out_validation(recipe, data)
    dataset = run.fixed_dataset(training_data, training_data.train)
    sound = SoundLoss.of(data.transforms)
    task = Task(network, data.kind, dataset, ("training", dataset), recipe.training, heads=data.heads, sound=sound)
    task.eval()
    random = np.random.default_rng(recipe.training.seed)
    size = 1 + max(int(each.max()) for each in (*hidden.axes.values(), *hidden.states.values()))
    total, seen = np.zeros(size), 0
    for batch in epoch(dataset.frames(random), dataset.targets, recipe.training.batching, random):
        interrupt.check()
        if seen == batches:
            break
        loss, _ = task.loss(batch)
        if not batch.counts:  # it was run for the initial states of the next chunk
            continue
        gradients = torch.autograd.grad(loss, list(weights.values()))
        change = np.zeros(size)
        for (name, weight), gradient in zip(weights.items(), gradients, strict=True):
            np.add.at(change, hidden.axes[name, 1], (weight.detach() * gradient).numpy().sum(axis=0))
        total += change**2
        seen += 1
    return {state: total[elements] / seen for state, elements in hidden.states.items()}
