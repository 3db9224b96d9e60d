"""ONNX: a whole window. Each direction of a stage is a Scan over the operations of a step."""

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import compose, helper, numpy_helper

from edgernn.array import Array
from edgernn.artifact.manifest import dump_manifest, signature, window_manifest
from edgernn.interpreters.numpy import Stepper
from edgernn.model.graph import INPUT, OUTPUT, Graph
from edgernn.model.window import Stage, Window
from edgernn_export.targets.destination import Destination
from edgernn_export.targets.naming import named_trace
from edgernn_export.targets.onnx.step import infos, step
from edgernn_export.targets.onnx.target import serialized

BATCH = 1  # the axis after time; a step has a batch of one


class Passes:
    """The nodes outside the steps; a value between stages is (time, 1, width), or symbols (time, 1)."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: dict[str, onnx.TensorProto] = {}

    def stage(self, i: int, stage: Stage, x: str) -> str:
        """The name of the outputs of a stage that reads x."""
        forward = self.scan(f"stage{i}.forward", stage.forward, x)
        if stage.backward is None:
            return forward
        both = [forward, self.scan(f"stage{i}.backward", stage.backward, x, reverse=True)]
        if stage.merge == "concat":
            return self.node("Concat", both, f"stage{i}.both", axis=BATCH + 1)
        total = self.node("Add", both, f"stage{i}.sum")
        return self.node("Mul", [total, self.store("half", np.array(0.5, np.float32))], f"stage{i}.mean")

    def scan(self, name: str, graph: Graph, x: str, *, reverse: bool = False) -> str:
        """One direction, from the initial state. The step is the body; the names in it start with `name`."""
        named = named_trace(graph)
        body = step(named)
        frame, y = body.input.pop(0), body.output.pop(0)
        body.input.append(frame)  # states come first in a Scan
        body.output.append(y)
        initial_state = Stepper(named.graph, "float32").initial_state(1)
        states = [self.store(f"{name}.{state}", array) for state, array in initial_state.items()]
        return self.node(
            "Scan",
            [*states, x],
            *(f"{state}.after" for state in states),
            f"{name}.{OUTPUT}",
            body=compose.add_prefix_graph(body, f"{name}/"),
            num_scan_inputs=1,
            scan_input_directions=[int(reverse)],
            scan_output_directions=[int(reverse)],
        )

    def node(self, kind: str, ins: list[str], *outs: str, **attributes: object) -> str:
        """Add a node; the name of its last output."""
        self.nodes.append(helper.make_node(kind, ins, outs, outs[-1], **attributes))
        return outs[-1]

    def store(self, name: str, array: Array) -> str:
        """Add a constant; its name."""
        self.weights[name] = numpy_helper.from_array(array, name)
        return name

    def axis(self) -> str:
        """The name of the constant that holds the axis of the batch."""
        return self.store("batch", np.array([BATCH], np.int64))


def render(window: Window, stem: str, _destination: Destination) -> Mapping[str, bytes]:
    """The bytes, with their checksum, of an `.onnx` file, the same for the same window."""
    manifest, passes = window_manifest(window.astype("float32")), Passes()
    value = INPUT if manifest.vocabulary_size else passes.node("Unsqueeze", [INPUT, passes.axis()], "frames")
    for i, stage in enumerate(window.stages):
        value = passes.stage(i, stage, value)
    if window.pooled:
        passes.node("ReduceMean", [value], OUTPUT, axes=[0], keepdims=0)
    else:
        passes.node("Squeeze", [value, passes.axis()], OUTPUT)
    values = infos(signature(manifest))
    graph = helper.make_graph(passes.nodes, "window", [values[INPUT]], [values[OUTPUT]], [*passes.weights.values()])
    return {f"{stem}.onnx": serialized(graph, dump_manifest(manifest))}
