"""A model back into the network that it was converted from, to be trained further."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from edgernn.errors import UsageError
from edgernn.model.cell import dimensions, settings, tensors
from edgernn.model.factored import Factored
from edgernn.model.graph import Graph, Layer
from edgernn.train.convert import to_graph
from edgernn.train.data.sequences import Data
from edgernn.train.network.graph_network import GraphNetwork
from edgernn.train.network.models import Network
from edgernn.train.network.recurrent import Formula, Recurrent, Stateless
from edgernn.train.recipe import Recipe

FUSED: Mapping[str, str] = {"weight_ih_l0": "w", "weight_hh_l0": "u", "bias_ih_l0": "b", "bias_hh_l0": "c"}

FIELDS: Mapping[type[nn.Module], Mapping[str, str]] = {
    nn.Linear: {"weight": "w", "bias": "b"},
    nn.Embedding: {"weight": "table"},
    nn.LayerNorm: {"weight": "gain", "bias": "bias"},
    nn.GRU: FUSED,
    nn.LSTM: FUSED,
    nn.RNN: FUSED,
}
"""A module of torch -> its parameters, and the fields of the cell that it becomes."""


def restore(graph: Graph, recipe: Recipe, data: Data) -> Network:
    """The network of a recipe with the weights of a graph, so that to convert it gives the graph back.

    Args:
        graph: converted from a network of this recipe and data, in float; units may have been removed since, as many
            from each layer, and matrices factored.
        recipe: what it was trained with; the graph says how many hidden units there are.
        data: what it was trained on.

    Returns:
        In eval mode, on the CPU. Where torch adds two biases, the first is the sum and the second zero.

    Raises:
        UsageError: a graph in a smaller precision, or one that such a network does not become; with what differs.
    """
    if recipe.shape.bidirectional or "layers_0.h" not in graph.states:
        raise UsageError(
            f"the model has no layer 'layers_0' that streams, as every model of recipe '{recipe.name}' has; give the "
            "recipe that it was trained with"
        )
    if graph.precision not in {"fp32", "fp64"}:
        raise UsageError(f"a model in {graph.precision} cannot be trained further; give the one that it was made from")
    shape = replace(recipe.shape, hidden=graph.states["layers_0.h"])
    network = Network(shape, data.width, data.outputs, data.vocabulary_size).eval()
    _check(graph.astype("float32"), to_graph(network, data), recipe)
    _factor(network, graph)
    _load(network, graph)
    return network


def names(network: Network) -> dict[str, str]:
    """Each parameter's name, and that of the weight in `Graph.tensors` that it becomes."""
    return {
        f"{path}.{name}": f"{path.replace('.', '_')}.{field}"
        for path, module in network.named_modules()
        for name, field in _fields(module).items()
    }


def matrices(network: Network | GraphNetwork) -> dict[str, nn.Parameter]:
    """The parameters that are matrices, by their names in `Graph.tensors`."""
    if isinstance(network, GraphNetwork):
        return {name: each for name, each in network.named.items() if each.ndim == 2}
    stands = names(network)
    return {stands[name]: each for name, each in network.named_parameters() if name in stands and each.ndim == 2}


def _factor(network: Network, graph: Graph) -> None:
    """Put layers that are trained as products where the graph's weights are factored."""
    paths = {path.replace(".", "_"): path for path, _ in network.named_modules()}
    shape = network.shape
    for layer in graph.layers:
        if not any(isinstance(weight, Factored) for weight in vars(layer.cell).values()):
            continue
        own = (
            Recurrent(layer.cell, dropout=shape.variational, learned=shape.learned_state)
            if layer.cell.states
            else Stateless(layer.cell)
        )
        network.set_submodule(paths[layer.name], own)
    network.eval()


def _load(network: Network, graph: Graph) -> None:
    """Put the weights of a graph into the parameters that become them; zeros where it has none."""
    state = network.state_dict()
    for name, stands in names(network).items():
        found = graph.tensors.get(stands)
        state[name] = (
            torch.zeros_like(state[name]) if found is None else torch.from_numpy(found.dense(np.float32).copy())
        )
    network.load_state_dict(state)


def _fields(module: nn.Module) -> dict[str, str]:
    """The parameters of a module itself, and the fields that they become."""
    return module.weights() if isinstance(module, Formula) else dict(FIELDS.get(type(module), {}))


def _check(graph: Graph, wanted: Graph, recipe: Recipe) -> None:
    """That a network of the recipe becomes such a graph.

    Raises:
        UsageError: it does not; naming the first layer that differs.
    """
    told = f"recipe '{recipe.name}' with this data"
    for mine, theirs in zip(graph.layers, wanted.layers, strict=False):
        if (mine.name, type(mine.cell), mine.inputs) != (theirs.name, type(theirs.cell), theirs.inputs):
            raise UsageError(f"the model has {_said(mine)} where {told} has {_said(theirs)}; give its own recipe")
        if (settings(mine.cell), dimensions(mine.cell)) != (settings(theirs.cell), dimensions(theirs.cell)):
            raise UsageError(
                f"layer '{mine.name}' of the model has {dimensions(mine.cell)}, and that of {told} "
                f"{dimensions(theirs.cell)}; give its own recipe, and prune every recurrent layer alike"
            )
        if mine.cell.exact and tensors(mine.cell) != tensors(theirs.cell):
            raise UsageError(f"layer '{mine.name}' of the model has other figures than {told}; give its own data")
    if len(graph.layers) != len(wanted.layers):
        raise UsageError(f"the model has {len(graph.layers)} layers, and {told} {len(wanted.layers)}; give its own")


def _said(layer: Layer) -> str:
    return f"a {type(layer.cell).__name__} '{layer.name}' that reads {', '.join(layer.inputs)}"
