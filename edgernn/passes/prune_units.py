"""Pruning of hidden units: they leave every matrix, bias and state, and what is left is a smaller graph."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from edgernn.errors import GraphError, UsageError
from edgernn.files.toml import misspelt
from edgernn.model.graph import Graph
from edgernn.model.tensor import Array, Tensor
from edgernn.passes import keep as keeping
from edgernn.passes.units import Units, units

Scores = Mapping[str, ArrayLike]
"""A state of `families` -> how much each of its elements is worth; the least go first."""


def prune_units(graph: Graph, part: float, *, importance: Scores | None = None, keep: Collection[str] = ()) -> Graph:
    """The same graph with a part of the hidden units of each recurrent layer removed for real.

    A unit leaves every gate, the recurrent columns, the columns of all that reads it, biases, gains and initial states.
    Layers that are summed share their units. Where what is left is normalized, or is the argument of a softmax, its
    mean is another; elsewhere a unit that nothing weighs can go without a change of any answer.

    Args:
        graph: in any precision.
        part: of the units of each layer, from 0 up to, but not, 1; rounded to a whole number of them.
        importance: by the names of `families`; `magnitudes` of the graph unless given.
        keep: layers whose units stay.

    Raises:
        UsageError: a part that is none, a layer to keep that is not there, or scores that do not fit.
        GraphError: a layer would be left without units, or no layer has units that can go; naming the layer.
    """
    if not 0 <= part < 1:
        raise UsageError(f"a part of {part} of the units arrived; expected one from 0 up to, but not, 1")
    keeping.check(graph, keep)
    found = units(graph)
    kept = {unit for name, each in found.states.items() if name.partition(".")[0] in keep for unit in each.tolist()}
    groups = {name: each for name, each in families(graph, found).items() if not kept & set(each.tolist())}
    if not groups:
        raise GraphError(_nothing(graph, found, keep))
    scores = magnitudes(graph, found) if importance is None else importance
    gone: list[int] = []
    for name, group in groups.items():
        count = round(part * len(group))
        if count == len(group):
            raise GraphError(
                f"layer '{name.partition('.')[0]}' has {count} units that can go, and {part:g} of them is all; "
                f"{(count - 1) / count:.3g} leaves one"
            )
        worth = _scores(scores, name, len(found.states[name]))[_first(found.states[name], group)]
        order = np.argsort(worth, kind="stable")
        gone += group[order[:count]].tolist()
    return _without(graph, found, gone)


def families(graph: Graph, found: Units | None = None) -> dict[str, Array]:
    """The units that can go, by the state that carries them: those of layers that read their own state.

    A unit of several states, as the h and c of an LSTM, is counted with the first; that of an LSTM with a projection
    has units of its own in each.
    """
    found = found or units(graph)
    seen, named = set(found.fixed), {}
    for name, elements in found.states.items():
        own = _recurrent(graph, found, name)
        group = list(dict.fromkeys(unit for unit in elements.tolist() if unit in own and unit not in seen))
        if group:
            named[name] = np.array(group)
            seen |= set(group)
    return named


def magnitudes(graph: Graph, found: Units | None = None) -> dict[str, Array]:
    """The norm of what makes a unit times the norm of what reads it: 0 for a unit that is nothing, or for nothing.

    After S. Han et al., "Learning both weights and connections" (arXiv:1506.02626), for units in place of weights.
    """
    found = found or units(graph)
    most = 1 + max((int(each.max()) for each in (*found.places.values(), *found.states.values())), default=0)
    squares = np.zeros((2, most))
    for (name, axis), each in found.places.items():
        square = graph.tensors[name].dense(np.float64) ** 2
        np.add.at(squares[axis], each, square.sum(axis=1 - axis) if square.ndim == 2 else square)
    worth = np.sqrt(squares[0] * squares[1])
    return {name: worth[elements] for name, elements in found.states.items()}


def _recurrent(graph: Graph, found: Units, state: str) -> set[int]:
    """The units of a state that are a row and a column of its own layer's matrices."""
    layer = state.partition(".")[0]
    ends: list[set[int]] = [set(), set()]
    for (name, axis), each in found.places.items():
        if name.partition(".")[0] == layer and len(graph.tensors[name].shape) == 2:
            ends[axis] |= set(each.tolist())
    return ends[0] & ends[1]


def _first(elements: Array, group: Array) -> Array:
    """Where each unit of a group first stands among the elements of a state."""
    places = {unit: i for i, unit in reversed(list(enumerate(elements.tolist())))}
    return np.array([places[unit] for unit in group.tolist()])


def _without(graph: Graph, found: Units, gone: Sequence[int]) -> Graph:
    def smaller(name: str, tensor: Tensor) -> Tensor:
        ids = [found.places.get((name, axis), np.full(length, -1)) for axis, length in enumerate(tensor.shape)]
        stays = [~np.isin(each, gone) for each in ids]
        scale = None if tensor.scale is None else tensor.scale[stays[0]]
        return Tensor(tensor.stored[np.ix_(*stays)], scale, tensor.scheme)

    return graph.with_tensors({name: smaller(name, tensor) for name, tensor in graph.tensors.items()})


def _scores(given: Scores, name: str, width: int) -> Array:
    if name not in given:
        raise UsageError(f"there are no scores of state '{name}'; {misspelt(name, given)}")
    scores = np.asarray(given[name], float)
    if scores.shape != (width,) or not np.isfinite(scores).all():
        raise UsageError(f"scores of shape {scores.shape} arrived for state '{name}'; expected {width} finite numbers")
    return scores


def _nothing(graph: Graph, found: Units, keep: Collection[str]) -> str:
    """Why no unit can go."""
    layers = dict.fromkeys(name.partition(".")[0] for name in graph.states if _recurrent(graph, found, name))
    if not layers:
        return "no units can go: no layer of this model reads its own state"
    told = ", ".join(f"'{name}' ({'kept' if name in keep else 'fixed'})" for name in layers)
    return (
        f"no units can go from {told}: a unit is fixed when it is the model's input or answer, or when a feature cell "
        "or a layer of a fixed width reads it; put a Dense layer behind"
    )
