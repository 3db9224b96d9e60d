"""Convert a model back to the network that it was converted from, for further training."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from edgernn.errors import UsageError
from edgernn.model.cell import dimensions, settings, tensors
from edgernn.model.factored import Factored
from edgernn.model.graph import Graph
from edgernn.model.layer import Layer
from edgernn.train.convert import to_graph
from edgernn.train.data.sequences import Data
from edgernn.train.network.before_options import folded
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
"""A torch module -> its parameters and their fields in the converted cell."""


def restore(graph: Graph, recipe: Recipe, data: Data) -> Network:
    """The network of a recipe with the weights of a graph. Converting it gives the graph.

    Args:
        graph: a float model of this recipe and data. Units may have been removed, equally from each layer, and matrices
            factored.
        recipe: the recipe of its training; the number of hidden units is that of the graph.
        data: its training data.

    Returns:
        The network in eval mode on the CPU. If torch adds two biases, the first is the sum and the second 0. Batch
        normalizations are in the weights.

    Raises:
        UsageError: The graph is quantized, or does not match the recipe; with the difference.
    """
    if recipe.shape.bidirectional or "layers_0.h" not in graph.states:
        raise UsageError(
            f"the model has no streaming layer 'layers_0', which models of recipe '{recipe.name}' have; give the "
            "recipe of its training"
        )
    if graph.precision not in {"fp32", "fp64"}:
        raise UsageError(
            f"a model in {graph.precision} cannot be trained; give the float model that it was quantized from"
        )
    before = tuple(map(folded, recipe.shape.before))
    shape = replace(recipe.shape, hidden=graph.states["layers_0.h"], before=before)
    network = Network(shape, data.width, data.outputs, data.vocabulary_size).eval()
    _check(graph.astype("float32"), to_graph(network, data), recipe)
    _factor(network, graph)
    _load(network, graph)
    return network


def names(network: Network) -> dict[str, str]:
    """The name of each parameter -> the name of its weight in `Graph.tensors`."""
    return {
        f"{path}.{name}": f"{path.replace('.', '_')}.{field}"
        for path, module in network.named_modules()
        for name, field in _fields(module).items()
    }


def matrices(network: Network | GraphNetwork) -> dict[str, nn.Parameter]:
    """The matrices among the parameters, by their names in `Graph.tensors`."""
    if isinstance(network, GraphNetwork):
        return {name: each for name, each in network.named.items() if each.ndim == 2}
    targets = names(network)
    return {targets[name]: each for name, each in network.named_parameters() if name in targets and each.ndim == 2}


def _factor(network: Network, graph: Graph) -> None:
    """Replace layers whose weights are factored in the graph by trainable factored layers."""
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
    """Load the weights of a graph into the parameters; 0 for parameters without a weight."""
    state = network.state_dict()
    for name, target in names(network).items():
        weight = graph.tensors.get(target)
        state[name] = (
            torch.zeros_like(state[name]) if weight is None else torch.from_numpy(weight.dense(np.float32).copy())
        )
    network.load_state_dict(state)


def _fields(module: nn.Module) -> dict[str, str]:
    """The parameters of a module itself -> their fields in the converted cell."""
    return module.weights() if isinstance(module, Formula) else dict(FIELDS.get(type(module), {}))


def _check(graph: Graph, expected: Graph, recipe: Recipe) -> None:
    """Check that a network of the recipe converts to such a graph.

    Raises:
        UsageError: It does not; with the first layer that differs.
    """
    origin = f"recipe '{recipe.name}' with this data"
    for layer, other in zip(graph.layers, expected.layers, strict=False):
        if (layer.name, type(layer.cell), layer.inputs) != (other.name, type(other.cell), other.inputs):
            raise UsageError(
                f"the model has {_layer_text(layer)} where {origin} has {_layer_text(other)}; give the recipe of "
                "the model"
            )
        if (settings(layer.cell), dimensions(layer.cell)) != (settings(other.cell), dimensions(other.cell)):
            raise UsageError(
                f"layer '{layer.name}' of the model has {dimensions(layer.cell)}, and that of {origin} "
                f"{dimensions(other.cell)}; give the recipe of the model, and prune all recurrent layers equally"
            )
        if layer.cell.exact and tensors(layer.cell) != tensors(other.cell):
            raise UsageError(
                f"layer '{layer.name}' of the model differs from that of {origin}; give the data of the model"
            )
    if len(graph.layers) != len(expected.layers):
        raise UsageError(
            f"the model has {len(graph.layers)} layers, and {origin} has {len(expected.layers)}; give the recipe of "
            "the model"
        )


def _layer_text(layer: Layer) -> str:
    return f"a {type(layer.cell).__name__} '{layer.name}' with the inputs {', '.join(layer.inputs)}"
