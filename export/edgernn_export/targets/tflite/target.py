"""TFLite: one step, in operators that both LiteRT and tflite-runtime have, written without TensorFlow."""

from collections.abc import Mapping

from edgernn.artifact.checksum import fill
from edgernn.artifact.manifest import step_signature, whole_signature
from edgernn.integer.plan import integer_plan
from edgernn.model.graph import INPUT, OUTPUT, Graph
from edgernn.model.replay import replay
from edgernn.model.tensor import SCHEMES
from edgernn_export.origin import KEY, text_of
from edgernn_export.targets.destination import Destination
from edgernn_export.targets.naming import named_trace, with_heads
from edgernn_export.targets.tflite.flat import Flat
from edgernn_export.targets.tflite.integers import TfliteIntegerOps
from edgernn_export.targets.tflite.operations import TfliteOps


def render(graph: Graph, stem: str, destination: Destination) -> Mapping[str, bytes]:
    """The bytes, with their checksum, of a `.tflite` file, the same for the same graph."""
    named, flat = with_heads(named_trace(graph, SCHEMES)), Flat()
    plan = integer_plan(named.graph).narrow
    writer = (
        TfliteIntegerOps(named, flat, destination, plan) if plan.integer_values else TfliteOps(named, flat, destination)
    )
    xs, ys = named.parts
    shapes = {**step_signature(named.manifest), **whole_signature(named.manifest)}
    for ref in named.ins:
        writer.input(ref, *shapes[ref.name])
    writer.join(INPUT, xs)
    replay(named.trace.operations, writer, {ref.name: ref for ref in named.ins})
    for output, ref in named.outs.items():
        writer.output(output, ref)
    if not named.heads:
        writer.part(OUTPUT, ys)
    ins = [*(xs or [INPUT]), *(ref.name for ref in named.ins[1:])]
    origin = text_of(named.graph, flat.constants)
    metadata = {"edgernn": named.manifest_json, **({KEY: origin} if origin else {})}
    texts = {name: text.encode() for name, text in metadata.items()}
    return {f"{stem}.tflite": fill(flat.finish(ins, named.result_names, texts))}
