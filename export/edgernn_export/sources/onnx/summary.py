"""What must be known of the nodes of an ONNX file before it runs as it is."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import onnx

from edgernn_export.sources.onnx.loading import parsed

RECURRENT = ("GRU", "LSTM", "RNN")
INITIAL_STATE = 5  # the position of a recurrent operator's initial state among its inputs
ROUNDING = ("QuantizeLinear", "MatMulInteger", "ConvInteger", "QLinear", "QAttention")
"""Parts of the names of operators that round to integers."""


@dataclass(frozen=True)
class Summary:
    """What must be known of a file.

    Attributes:
        model: parsed.
        rounds: whether an operator rounds values to integers.
        forgetting: the recurrent nodes of the main graph that begin anew in every call: their initial state does not
            depend on an input.
    """

    model: onnx.ModelProto
    rounds: bool
    forgetting: tuple[onnx.NodeProto, ...]


def summary(data: bytes, name: str) -> Summary:
    """Return the summary of the bytes of a file.

    Raises:
        FileError: they are no ONNX file, are damaged or too large, or weights are in other files.
    """
    model = parsed(name, data)
    nodes = [node for graph in _graphs(model) for node in graph.node]
    nodes += [node for function in model.functions for node in function.node]
    rounds = any(part in node.op_type for node in nodes for part in ROUNDING)
    return Summary(model, rounds, _forgetting(model.graph))


def with_outputs(model: onnx.ModelProto, names: Iterable[str]) -> bytes:
    """Return the bytes of a model whose outputs are these values of its main graph."""
    other = onnx.ModelProto()
    other.CopyFrom(model)
    del other.graph.output[:]
    other.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    data: bytes = other.SerializeToString()
    return data


def _graphs(model: onnx.ModelProto) -> Iterator[onnx.GraphProto]:
    """Yield the main graph and those in nodes."""
    pending = [model.graph]
    pending += [g for function in model.functions for node in function.node for g in _inside(node)]
    while pending:
        graph = pending.pop()
        yield graph
        pending += [each for node in graph.node for each in _inside(node)]


def _inside(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def _forgetting(graph: onnx.GraphProto) -> tuple[onnx.NodeProto, ...]:
    """Return the recurrent nodes whose initial state is absent, or computed from constants alone."""
    constants = {each.name for each in graph.initializer}
    fed = {each.name for each in graph.input} - constants
    forgetting = []
    for node in graph.node:  # sorted, as the format demands
        if node.op_type in RECURRENT:
            initial = node.input[INITIAL_STATE] if len(node.input) > INITIAL_STATE else ""
            if initial not in fed:
                forgetting.append(node)
        read = any(name in fed for name in node.input) or any(_captures(inner, fed) for inner in _inside(node))
        if read and node.op_type not in {"Shape", "Size"}:
            fed.update(node.output)
    return tuple(forgetting)


def _captures(graph: onnx.GraphProto, fed: set[str]) -> bool:
    """Return whether a graph in a node reads one of these values."""
    return any(
        name in fed or any(_captures(inner, fed) for inner in _inside(node))
        for node in graph.node
        for name in (*node.input, *(each.name for each in graph.output))
    )
