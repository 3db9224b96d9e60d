"""A page that runs the model in a browser: a static folder that needs no server and fetches nothing."""

import base64
import json
from importlib.resources import files

from edgernn.model.graph import Graph
from edgernn_export.projects.project import Contents

PAGE = ("index.html", "app.js", "drawing.js", "recording.js", "sources.js", "timing.js")
PROCESSOR, README = "processor.js", "README.txt"
SOUND_HZ = (8000, 192_000)
"""The lowest and the highest rate of samples that are sound."""


def render(contents: Contents) -> dict[str, bytes]:
    """The page, its scripts, the model as text in `model.js`, and the files of the `.wasm` target."""
    stem = contents.name
    model = {
        "name": stem,
        "rate": sample_rate(contents.graph),
        "periodMs": contents.graph.period_ms,
        "script": contents.files[f"{stem}.mjs"].decode(),
        "processor": _template(PROCESSOR),
        "wasm": base64.b64encode(contents.files[f"{stem}.wasm"]).decode(),
    }
    return {
        **{name: _template(name).encode() for name in PAGE},
        "model.js": f"const MODEL = {json.dumps(model, indent=1)};\n".encode(),
        README: _template(README).replace("NAME", stem).encode(),
        **contents.files,
    }


def sample_rate(graph: Graph) -> float | None:
    """The samples per second of a model that takes sound; None for any other.

    Sound is one stream of at least 8,000 numbers per second that come one by one, or whose spectrum is computed.
    """
    if graph.period_ms is None or graph.named_inputs or graph.vocabulary_size:
        return None
    rate = graph.inputs * 1000 / graph.period_ms
    spectral = any(operation.name == "rfft" for operation in graph.trace.operations)
    within = SOUND_HZ[0] <= rate <= SOUND_HZ[1]
    return round(rate, 6) if within and (spectral or graph.inputs == 1) else None


def _template(name: str) -> str:
    return files("edgernn_export.projects").joinpath("templates", "demo", name).read_text(encoding="utf-8")
