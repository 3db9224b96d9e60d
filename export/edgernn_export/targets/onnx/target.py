"""ONNX: one step as a model of opset 17, which every ONNX Runtime since 1.12 (2022) runs.

Integers of 16 bits need opset 21, and so ONNX Runtime 1.18 (2024).
"""

from collections.abc import Mapping

import onnx
from onnx import helper, numpy_helper

from edgernn.artifact.checksum import fill
from edgernn.model.graph import Graph
from edgernn.model.tensor import SCHEMES
from edgernn.version import VERSION
from edgernn_export.origin import KEY, text_of
from edgernn_export.targets.destination import Destination
from edgernn_export.targets.naming import named_trace
from edgernn_export.targets.onnx.step import step

OPSET, OPSET_OF_16_BITS = 17, 21
IR_VERSIONS = {OPSET: 8, OPSET_OF_16_BITS: 10}


def render(graph: Graph, stem: str, _destination: Destination) -> Mapping[str, bytes]:
    """The bytes, with their checksum, of an `.onnx` file, the same for the same graph."""
    named = named_trace(graph, tuple(SCHEMES))
    written = step(named, streams=True)
    origin = text_of(named.graph, {each.name: numpy_helper.to_array(each) for each in written.initializer})
    return {f"{stem}.onnx": serialized(written, named.manifest_json, origin)}


def serialized(graph: onnx.GraphProto, manifest: str, origin: str = "") -> bytes:
    """The bytes of a file with this graph, its manifest (JSON), and the text of the graph that it was made from."""
    wide = any(tensor.data_type == onnx.TensorProto.INT16 for tensor in graph.initializer)  # zero points
    opset = OPSET_OF_16_BITS if wide else OPSET
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", opset)],
        ir_version=IR_VERSIONS[opset],
        producer_name="edgernn",
        producer_version=VERSION,
    )
    graph.Clear()  # the model has a copy; a large one need not be in memory twice
    helper.set_model_props(model, {"edgernn": manifest, **({KEY: origin} if origin else {})})
    onnx.checker.check_model(model, full_check=True)
    return fill(model.SerializeToString(deterministic=True))
