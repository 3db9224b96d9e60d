"""The proof of a WebAssembly module: node steps it, where node is installed, beside the numpy interpreter."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files as resources
from pathlib import Path

import numpy as np

from edgernn.array import Array
from edgernn.artifact.manifest import Manifest, parse_manifest
from edgernn.device.runtimes import NATIVE
from edgernn.errors import ParityError
from edgernn.files import temporary
from edgernn.model.graph import INPUT, OUTPUT, Graph
from edgernn.process import child, interrupt
from edgernn_export.proof.floats import STEPS, compare, sides

NODE = "node"
OLDEST = "16.4"  # the first version of node with SIMD in WebAssembly


@dataclass(frozen=True)
class Expected:
    """One step of the reference: the states before it, its results by name, and how far others may be from them."""

    before: dict[str, Array]
    results: dict[str, Array]
    bounds: dict[str, float]


def prove(graph: Graph, name: str, files: Mapping[str, bytes]) -> bool:
    """Step a module in node as edgernn_export.proof.floats does a program; return whether node is installed.

    The module has the tolerance of compiled code: the same integers where all values are integers.

    Args:
        graph: the graph that was written.
        name: of the `.wasm` file.
        files: the files of the target, by name.

    Raises:
        ParityError: node cannot run the module, or a result is further from numpy than its tolerance.
    """
    node = shutil.which(NODE)
    if node is None:
        return False
    single, stem = graph.astype("float32"), Path(name).stem
    manifest = parse_manifest(files[name], name)
    reference, bounds, frames = sides(single, NATIVE.name, STEPS)
    states = initial = reference.initial_state()
    steps = []
    for frame in frames:
        interrupt.check()
        y, after = reference.step(frame, states)
        results = {OUTPUT: y, **after}
        steps.append(Expected(states, results, bounds.of(frame, states, results)))
        if not all(np.isfinite(state).all() for state in after.values()):
            break  # nothing is defined for the step after a state that is not finite
        states = after
    sent = b"".join(
        _bytes(manifest, {INPUT: frame}) + _bytes(manifest, each.before)
        for frame, each in zip(frames, steps, strict=False)
    )
    module, script = files[name], files[f"{stem}.mjs"]
    data = replayed(node, name, {"model.wasm": module, "model.mjs": script, "frames": sent})
    _compare(f"'{name}' in node", manifest, data, initial, steps)
    return True


def replayed(node: str, name: str, files: Mapping[str, bytes]) -> bytes:
    """Run the replay in node on these files, and return what it answers.

    Raises:
        ParityError: it fails.
    """
    with temporary.directory() as folder:
        for each, data in files.items():
            (folder / each).write_bytes(data)
        (folder / "replay.mjs").write_bytes(resources("edgernn_export.proof").joinpath("replay.mjs").read_bytes())
        done = child.run([node, "replay.mjs"], folder)
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if "Error" in line] or done.stderr.splitlines()[:1]
            raise ParityError(
                f"'{name}' does not run in node (code {done.returncode}), {' '.join(lines)}; expected node {OLDEST} or "
                "later; else please report the model"
            )
        return (folder / "answers").read_bytes()


def _bytes(manifest: Manifest, values: Mapping[str, Array]) -> bytes:
    """Frames are float32 or symbols, and states what they are in the module."""
    return b"".join(_of_module(manifest, name, value).tobytes() for name, value in values.items())


def _of_module(manifest: Manifest, name: str, value: Array) -> Array:
    if name in manifest.quantization and name != INPUT:
        return manifest.quantization[name].integers(value).astype(manifest.dtype(name))
    return value.astype(np.int32 if name == INPUT and manifest.vocabulary_size else np.float32)


def _compare(
    subject: str, manifest: Manifest, data: bytes, initial: dict[str, Array], steps: Sequence[Expected]
) -> None:
    at = 0

    def taken(values: Mapping[str, Array]) -> dict[str, Array]:
        """The next results of the module as float32, for those of the reference."""
        nonlocal at
        results = {}
        for name, value in values.items():
            qparams = manifest.quantization.get(name) if name != OUTPUT else None
            dtype = np.dtype(manifest.dtype(name) if qparams else np.float32)
            result = np.frombuffer(data, dtype, value.size, at)
            at += result.nbytes
            results[name] = qparams.numbers(result.astype(np.int64)) if qparams else result
        return results

    compare(subject, "at step 0", taken(initial), initial, dict.fromkeys(initial, 0.0))
    for t, step in enumerate(steps):
        compare(subject, f"at step {t}", taken(step.results), step.results, step.bounds)
