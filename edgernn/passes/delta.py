"""Delta steps: affines that use the changes of their inputs beyond a threshold alone.

A layer holds each input of its affines as it was last used. An element that has moved since then by no more than the
threshold counts as unchanged. So the sums of the step before can be kept, and only the columns of the elements that
moved are read: compiled steps do so. With the threshold 0 the step is the one without thresholds. D. Neil et al.,
"Delta networks for optimized recurrent network computation" (arXiv:1612.05571).
"""

from collections.abc import Collection
from dataclasses import replace

from edgernn.errors import UsageError
from edgernn.model.graph import PRECISIONS, Graph
from edgernn.model.layer import Layer
from edgernn.passes.keep import check_keep


def delta(graph: Graph, *, x: float | None = None, h: float | None = None, keep: Collection[str] = ()) -> Graph:
    """Return the graph with thresholds for the changes of the inputs of affines; its ranges are dropped.

    Args:
        graph: with float weights.
        x: the threshold of inputs that depend on no state of their layer; None where every change is used.
        h: the threshold of the states of a layer, and of what is computed from them.
        keep: the names of layers that stay as they are. Feature cells, and layers that sweep over a frame, always do.

    Raises:
        GraphError: a threshold below 0 or not finite.
        UsageError: no threshold, a quantized graph, an unknown layer, or no layer with a matrix.
    """
    if x is None and h is None:
        raise UsageError("no threshold arrived; give one for inputs, x=0.1, or for states, h=0.1, or both")
    if graph.precision not in PRECISIONS.values():
        raise UsageError(
            f"a model in {graph.precision} has its integers already; give thresholds to the one that it was made from"
        )
    check_keep(graph, keep)
    of_x, of_h = (None if value is None else float(value) for value in (x, h))

    def changed(layer: Layer) -> Layer:
        exempt = layer.name in keep or layer.cell.exact or layer.sweep or not _has_affine(graph, layer)
        return layer if exempt else replace(layer, delta_x=of_x, delta_h=of_h)

    layers = tuple(map(changed, graph.layers))
    if layers == graph.layers:
        raise UsageError("no layer is left for a threshold: all are kept, compute features, sweep, or have no matrix")
    return replace(graph, layers=layers, ranges={})


def without_thresholds(graph: Graph) -> Graph:
    """Return the graph with layers that use every change."""
    return replace(graph, layers=tuple(replace(each, delta_x=None, delta_h=None) for each in graph.layers))


def has_thresholds(graph: Graph) -> bool:
    """Return whether a layer of a graph has a threshold."""
    return any(layer.delta_x is not None or layer.delta_h is not None for layer in graph.layers)


def _has_affine(graph: Graph, layer: Layer) -> bool:
    return any(op.name == "affine" for op in graph.layer_traces[layer.name].operations)
