"""A step as a graph of ONNX."""

from dataclasses import replace

import onnx
from onnx import helper

from edgernn.artifact.manifest import Signature, signature
from edgernn.integer.plan import integer_plan
from edgernn.model.graph import INPUT
from edgernn.model.trace import replay
from edgernn_export.targets.naming import NamedTrace
from edgernn_export.targets.onnx.integers import OnnxIntegerOps
from edgernn_export.targets.onnx.operations import OnnxOps
from edgernn_export.targets.onnx.sums import late, summed

TYPES = {
    "float32": onnx.TensorProto.FLOAT,
    "int8": onnx.TensorProto.INT8,
    "int16": onnx.TensorProto.INT16,
    "int32": onnx.TensorProto.INT32,
}
"""The dtypes of a contract as ONNX calls them."""


def step(planned: NamedTrace) -> onnx.GraphProto:
    """One step: from `x` and each state before it to `y` and each state after it, named as in the contract."""
    integers = integer_plan(planned.graph)
    operations: OnnxOps
    if integers.integer_values:
        operations = OnnxIntegerOps(planned, integers)
    else:
        planned = replace(planned, trace=summed(planned.trace))
        operations = OnnxOps(planned, late(planned.trace))
    replay(planned.trace.operations, operations, {ref.name: ref for ref in planned.ins}, operations.hear)
    for output, ref in planned.outs.items():
        operations.result(output, ref)
    values = infos(signature(planned.manifest))
    ins = [values[INPUT], *(values[ref.name] for ref in planned.ins[1:])]
    outs = [values[name] for name in planned.outs]
    return helper.make_graph(operations.nodes, "step", ins, outs, list(operations.weights.values()))


def infos(said: Signature) -> dict[str, onnx.ValueInfoProto]:
    """The inputs and outputs of a contract as ONNX declares them."""
    return {
        name: helper.make_tensor_value_info(name, TYPES[dtype], list(shape)) for name, (shape, dtype) in said.items()
    }
