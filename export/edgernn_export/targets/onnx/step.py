"""A step as a graph of ONNX."""

from dataclasses import replace

import onnx
from onnx import helper

from edgernn.artifact.manifest import STREAMS, Signature, signature
from edgernn.integer.plan import integer_plan
from edgernn.model.graph import INPUT, OUTPUT
from edgernn.model.replay import replay
from edgernn.model.tensor import DYNAMIC
from edgernn_export.targets.naming import NamedTrace, with_heads
from edgernn_export.targets.onnx.integers import OnnxIntegerOps
from edgernn_export.targets.onnx.operations import OnnxOps
from edgernn_export.targets.onnx.sums import late, summed

TYPES = {
    "float32": onnx.TensorProto.FLOAT,
    "int8": onnx.TensorProto.INT8,
    "int16": onnx.TensorProto.INT16,
    "int32": onnx.TensorProto.INT32,
}
"""The dtype of a manifest -> the type of ONNX."""


def step(named: NamedTrace, *, streams: bool = False) -> onnx.GraphProto:
    """One step: from `x` and each state before it to `y` and each state after it, named as in the manifest.

    Args:
        named: the graph and the names of its values.
        streams: whether the first axis is open where a step can take the rows of several streams, `takes_streams`.
    """
    plan = integer_plan(named.graph).narrow
    writer: OnnxOps
    if plan.integer_values:
        named = with_heads(named)
        writer = OnnxIntegerOps(named, plan)
    else:
        fewer = replace(named, trace=summed(named.trace))
        named = with_heads(fewer)
        writer = OnnxOps(named, late(fewer.trace))
    xs, ys = named.parts
    writer.join(INPUT, xs)
    replay(named.trace.operations, writer, {ref.name: ref for ref in named.ins})
    for output, ref in named.outs.items():
        writer.output(output, ref)
    if not named.heads:
        writer.part(OUTPUT, ys)
    values = infos(signature(named.manifest), STREAMS if streams and takes_streams(named) else "")
    ins = [*(values[name] for name in xs or [INPUT]), *(values[ref.name] for ref in named.ins[1:])]
    outs = [values[name] for name in named.result_names]
    return helper.make_graph(writer.nodes, "step", ins, outs, list(writer.weights.values()))


def infos(values: Signature, first: str = "") -> dict[str, onnx.ValueInfoProto]:
    """The inputs and outputs of a manifest as ONNX declares them; `first` is the name of their first axis, if open."""
    return {
        name: helper.make_tensor_value_info(name, TYPES[dtype], [first or shape[0], *shape[1:]])
        for name, (shape, dtype) in values.items()
    }


def takes_streams(named: NamedTrace) -> bool:
    """Whether every operation computes each row by itself.

    The positions of a value are rows too, so `gather` would choose among those of all streams; and the runtime rounds
    the input of a dynamic affine with one scale for all rows.
    """
    return not any(
        op.name == "gather" or (op.name == "affine" and op.args[0].scheme == DYNAMIC) for op in named.trace.operations
    )
