"""TFLite: one step as operators that LiteRT and tflite-runtime both have, written without TensorFlow."""

from collections.abc import Mapping

from edgernn.contract import step_signature
from edgernn.graph import Graph
from edgernn.seal import seal
from edgernn.trace import replay
from edgernn_export.targets.place import Place
from edgernn_export.targets.plan import plan
from edgernn_export.targets.tflite.flat import Flat
from edgernn_export.targets.tflite.words import TfliteWords


def render(graph: Graph, stem: str, place: Place) -> Mapping[str, bytes]:
    """The sealed bytes of a `.tflite` file, the same for the same graph."""
    planned = plan(graph)
    flat = Flat()
    words = TfliteWords(planned, flat, place)
    shapes = step_signature(planned.said)
    for ref in planned.ins:
        shape, dtype = shapes[ref.name]
        flat.tensor(ref.name, shape, dtype)
    replay(planned.trace.words, words, {ref.name: ref for ref in planned.ins}, words.hear)
    for output, name in planned.copies.items():
        words.copy(name, output, planned.outs[output].width)
    ins = [ref.name for ref in planned.ins]
    return {f"{stem}.tflite": seal(flat.finish(ins, list(planned.outs), {"edgernn": planned.contract.encode()}))}
