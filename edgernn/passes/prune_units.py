"""Pruning of hidden units: units are removed from every matrix, bias and state, which gives a smaller graph."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from edgernn.array import Array
from edgernn.errors import GraphError, UsageError
from edgernn.files.spelling import misspelt
from edgernn.model.graph import Graph
from edgernn.model.tensor import Tensor
from edgernn.passes.keep import check_keep
from edgernn.passes.units import Units, units

Scores = Mapping[str, ArrayLike]
"""A state of `families` -> the importance of each of its elements; the least important are removed first."""


def prune_units(graph: Graph, part: float, *, importance: Scores | None = None, keep: Collection[str] = ()) -> Graph:
    """Return the graph without a part of the hidden units of each recurrent layer.

    A unit is removed from every gate, the recurrent columns, the columns of all readers, biases, gains and initial
    states. Layers that are summed share their units. A unit whose readers have zero weights for it can be removed
    without a change of any output, except where the other units are normalized or are the argument of a softmax.

    Args:
        graph: in any precision.
        part: the part of the units of each layer, at least 0 and below 1; rounded to a whole number of units.
        importance: the importance of each unit, by the names of `families`; by default `magnitudes` of the graph.
        keep: the layers whose units stay.

    Raises:
        UsageError: a part out of bounds, an unknown layer to keep, or scores that do not fit.
        GraphError: a layer would have no units left, or no layer has removable units; the message names the layer.
    """
    if not 0 <= part < 1:
        raise UsageError(f"a part of {part} of the units arrived; expected at least 0 and below 1")
    check_keep(graph, keep)
    structure = units(graph)
    outside = {
        unit for name, each in structure.states.items() if name.partition(".")[0] in keep for unit in each.tolist()
    }
    groups = {name: each for name, each in families(graph, structure).items() if not outside & set(each.tolist())}
    if not groups:
        raise GraphError(_no_units(graph, structure, keep))
    scores = magnitudes(graph, structure) if importance is None else importance
    removed: list[int] = []
    for name, group in groups.items():
        count = round(part * len(group))
        if count == len(group):
            raise GraphError(
                f"layer '{name.partition('.')[0]}' has {count} removable units, and {part:g} of them is all; "
                f"{(count - 1) / count:.3g} leaves one"
            )
        elements = structure.states[name]
        order = np.argsort(_scores(scores, name, len(elements))[_first(elements, group)], kind="stable")
        removed += group[order[:count]].tolist()
    return _without(graph, structure, removed)


def families(graph: Graph, structure: Units | None = None) -> dict[str, Array]:
    """Return the removable units by the state that carries them: the units of layers that read their own state.

    A unit of several states, such as h and c of an LSTM, is listed with the first state. An LSTM with a projection has
    separate units in each state.
    """
    structure = structure or units(graph)
    seen, named = set(structure.fixed), {}
    for name, elements in structure.states.items():
        own = _recurrent(graph, structure, name)
        group = list(dict.fromkeys(unit for unit in elements.tolist() if unit in own and unit not in seen))
        if group:
            named[name] = np.array(group)
            seen |= set(group)
    return named


def magnitudes(graph: Graph, structure: Units | None = None) -> dict[str, Array]:
    """Return the importance of units: the norm of the weights that compute a unit times the norm of those that read it.

    After S. Han et al., "Learning both weights and connections" (arXiv:1506.02626), for units in place of weights.
    """
    structure = structure or units(graph)
    most = 1 + max((int(each.max()) for each in (*structure.axes.values(), *structure.states.values())), default=0)
    squares = np.zeros((2, most))
    for (name, axis), each in structure.axes.items():
        square = graph.tensors[name].dense(np.float64) ** 2
        np.add.at(squares[axis], each, square.sum(axis=1 - axis) if square.ndim == 2 else square)
    norms = np.sqrt(squares[0] * squares[1])
    return {name: norms[elements] for name, elements in structure.states.items()}


def _recurrent(graph: Graph, structure: Units, state: str) -> set[int]:
    """Return the units of a state that are both a row and a column of matrices of its layer."""
    layer = state.partition(".")[0]
    ends: list[set[int]] = [set(), set()]
    for (name, axis), each in structure.axes.items():
        if name.partition(".")[0] == layer and len(graph.tensors[name].shape) == 2:
            ends[axis] |= set(each.tolist())
    return ends[0] & ends[1]


def _first(elements: Array, group: Array) -> Array:
    """Return the first index of each unit of a group among the elements of a state."""
    indices = {unit: i for i, unit in reversed(list(enumerate(elements.tolist())))}
    return np.array([indices[unit] for unit in group.tolist()])


def _without(graph: Graph, structure: Units, removed: Sequence[int]) -> Graph:
    def smaller(name: str, tensor: Tensor) -> Tensor:
        ids = [structure.axes.get((name, axis), np.full(length, -1)) for axis, length in enumerate(tensor.shape)]
        stays = [~np.isin(each, removed) for each in ids]
        scale = None if tensor.scale is None else tensor.scale[stays[0]]
        return Tensor(tensor.stored[np.ix_(*stays)], scale, tensor.scheme)

    return graph.with_tensors({name: smaller(name, tensor) for name, tensor in graph.tensors.items()})


def _scores(importance: Scores, name: str, width: int) -> Array:
    if name not in importance:
        raise UsageError(f"there are no scores of state '{name}'; {misspelt(name, importance)}")
    scores = np.asarray(importance[name], float)
    if scores.shape != (width,) or not np.isfinite(scores).all():
        raise UsageError(f"scores of shape {scores.shape} arrived for state '{name}'; expected {width} finite numbers")
    return scores


def _no_units(graph: Graph, structure: Units, keep: Collection[str]) -> str:
    """Return the reason why no unit can be removed."""
    layers = dict.fromkeys(name.partition(".")[0] for name in graph.states if _recurrent(graph, structure, name))
    if not layers:
        return "no units can be removed: no layer of this model reads its own state"
    names = ", ".join(f"'{name}' ({'kept' if name in keep else 'fixed'})" for name in layers)
    return (
        f"no units can be removed from {names}: a unit is fixed when it is an input or output of the model, or when a "
        "feature cell or a layer of a fixed width reads it; put a Dense layer behind"
    )
