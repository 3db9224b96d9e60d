"""TFLite: one step as operators that LiteRT and tflite-runtime both have, written without TensorFlow."""

from collections.abc import Mapping

from edgernn.artifact.checksum import fill
from edgernn.artifact.manifest import step_signature
from edgernn.integer.plan import integer_plan
from edgernn.model.graph import Graph
from edgernn.model.tensor import SCHEMES
from edgernn.model.trace import replay
from edgernn_export.targets.destination import Destination
from edgernn_export.targets.naming import plan
from edgernn_export.targets.tflite.flat import Flat
from edgernn_export.targets.tflite.integers import TfliteIntegerOps
from edgernn_export.targets.tflite.operations import TfliteOps


def render(graph: Graph, stem: str, destination: Destination) -> Mapping[str, bytes]:
    """The bytes, with their checksum, of a `.tflite` file, the same for the same graph."""
    planned, flat = plan(graph, SCHEMES), Flat()
    integers = integer_plan(planned.graph)
    operations = (
        TfliteIntegerOps(planned, flat, destination, integers)
        if integers.integer_values
        else TfliteOps(planned, flat, destination)
    )
    shapes = step_signature(planned.manifest)
    for ref in planned.ins:
        operations.enter(ref, *shapes[ref.name])
    replay(planned.trace.operations, operations, {ref.name: ref for ref in planned.ins}, operations.hear)
    for output, ref in planned.outs.items():
        operations.leave(output, ref)
    ins = [ref.name for ref in planned.ins]
    return {f"{stem}.tflite": fill(flat.finish(ins, list(planned.outs), {"edgernn": planned.manifest_json.encode()}))}
