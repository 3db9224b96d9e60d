"""TFLite: one step as operators that LiteRT and tflite-runtime both have, written without TensorFlow."""

from collections.abc import Mapping

from edgernn.artifact.checksum import fill
from edgernn.artifact.manifest import step_signature
from edgernn.integer.plan import static
from edgernn.model.graph import Graph
from edgernn.model.tensor import SCHEMES
from edgernn.model.trace import replay
from edgernn_export.targets.destination import Place
from edgernn_export.targets.naming import plan
from edgernn_export.targets.tflite.flat import Flat
from edgernn_export.targets.tflite.integers import IntegerWords
from edgernn_export.targets.tflite.words import TfliteWords


def render(graph: Graph, stem: str, place: Place) -> Mapping[str, bytes]:
    """The bytes, with their checksum, of a `.tflite` file, the same for the same graph."""
    planned, flat = plan(graph, SCHEMES), Flat()
    integers = static(planned.graph)
    words = IntegerWords(planned, flat, place, integers) if integers.whole else TfliteWords(planned, flat, place)
    shapes = step_signature(planned.said)
    for ref in planned.ins:
        words.enter(ref, *shapes[ref.name])
    replay(planned.trace.words, words, {ref.name: ref for ref in planned.ins}, words.hear)
    for output, ref in planned.outs.items():
        words.leave(output, ref)
    ins = [ref.name for ref in planned.ins]
    return {f"{stem}.tflite": fill(flat.finish(ins, list(planned.outs), {"edgernn": planned.contract.encode()}))}
