"""ONNX: one step as a model of opset 17, which every ONNX Runtime since 1.12 (2022) runs."""

from collections.abc import Mapping

import onnx
from onnx import helper

from edgernn.graph import Graph
from edgernn.seal import seal
from edgernn.version import VERSION
from edgernn_export.targets.onnx.words import step
from edgernn_export.targets.place import Place
from edgernn_export.targets.plan import plan

OPSET = 17
IR_VERSION = 8  # that of opset 17


def render(graph: Graph, stem: str, _place: Place) -> Mapping[str, bytes]:
    """The sealed bytes of an `.onnx` file, the same for the same graph."""
    planned = plan(graph)
    return {f"{stem}.onnx": sealed(step(planned), planned.contract)}


def sealed(graph: onnx.GraphProto, contract: str) -> bytes:
    """A whole file around a graph, with the block of JSON that says what it is."""
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="edgernn",
        producer_version=VERSION,
    )
    helper.set_model_props(model, {"edgernn": contract})
    onnx.checker.check_model(model, full_check=True)
    return seal(model.SerializeToString(deterministic=True))
