"""ONNX: a whole window, each direction of a stage a Scan around the words of a step."""

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import compose, helper, numpy_helper

from edgernn.artifact.manifest import dump_manifest, signature, window_manifest
from edgernn.interpreters.numpy import Array, Stepper
from edgernn.model.graph import INPUT, OUTPUT, Graph
from edgernn.model.window import Stage, Window
from edgernn_export.targets.destination import Destination
from edgernn_export.targets.naming import plan
from edgernn_export.targets.onnx.step import infos, step
from edgernn_export.targets.onnx.target import serialized

BATCH = 1  # the axis beside time: the words take a batch of one


class Passes:
    """The nodes outside the steps; a value between stages is (time, 1, width), or symbols (time, 1)."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: dict[str, onnx.TensorProto] = {}

    def stage(self, i: int, stage: Stage, x: str) -> str:
        """The name of the answers of a stage that reads x."""
        forward = self.scan(f"stage{i}.forward", stage.forward, x)
        if stage.backward is None:
            return forward
        both = [forward, self.scan(f"stage{i}.backward", stage.backward, x, reverse=True)]
        if stage.merge == "concat":
            return self.node("Concat", both, f"stage{i}.both", axis=BATCH + 1)
        total = self.node("Add", both, f"stage{i}.sum")
        return self.node("Mul", [total, self.store("half", np.array(0.5, np.float32))], f"stage{i}.mean")

    def scan(self, name: str, graph: Graph, x: str, *, reverse: bool = False) -> str:
        """One direction: the step itself as the body, from rest; its names begin with `name`, its weights are in it."""
        planned = plan(graph)
        body = step(planned)
        frame, y = body.input.pop(0), body.output.pop(0)
        body.input.append(frame)  # states come first in a Scan
        body.output.append(y)
        initial_state = Stepper(planned.graph, "float32").initial_state(1)
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
        """A node; the name of its last output."""
        self.nodes.append(helper.make_node(kind, ins, outs, outs[-1], **attributes))
        return outs[-1]

    def store(self, name: str, array: Array) -> str:
        """A constant; its name."""
        self.weights[name] = numpy_helper.from_array(array, name)
        return name

    def axis(self) -> str:
        """The name of the constant that says where the batch is."""
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
