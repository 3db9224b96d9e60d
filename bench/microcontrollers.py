"""Instructions of a step in C on a Cortex-M, with its kernels and in portable C; writes results/microcontrollers.json.

qemu emulates each processor: every instruction takes as long, and a timer of the board counts them; a loop of known
length shows how many ticks one takes. Nothing is timed. Answers must be the integers of numpy.
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests")]

import edgernn  # noqa: E402
import results  # noqa: E402
from c_level import graph  # noqa: E402
from edgernn.artifact.manifest import graph_manifest  # noqa: E402
from edgernn.interpreters.integer import IntegerStepper  # noqa: E402
from edgernn.model.graph import INPUT, OUTPUT  # noqa: E402
from edgernn_export import export  # noqa: E402
from machine import INPUTS, OUTPUTS  # noqa: E402
from ways import Way, cortex_m  # noqa: E402

MODELS = (("gru", 32), ("gru", 64), ("gru", 128), ("lstm", 64))
SCHEMES = ("static_wi8_ai8", "static_wi8_ai16")
PROCESSORS = ("cortex-m4", "cortex-m55")
LEVELS = ("-O2", "-O3")
GOALS = {("cortex-m4", "static_wi8_ai8"): 0.5, ("cortex-m55", "static_wi8_ai8"): 0.25}
"""The part of the portable instructions that a step with the kernels may take; no other has a goal."""
SHIFT = 6  # of qemu: an instruction takes 2^6 ns, longer than a tick of the timer
STEPS = 20


def main() -> None:
    rows = []
    for cell, hidden in MODELS:
        frames = np.random.default_rng(1).standard_normal((512, INPUTS)).astype(np.float32)
        ranged = edgernn.calibrate(graph(cell, hidden), [frames])
        for scheme in SCHEMES:
            quantized = edgernn.quantize(ranged, scheme)
            for processor in PROCESSORS:
                for level in LEVELS:
                    rows.append({"cell": cell, "hidden": hidden, "precision": scheme, "processor": processor})
                    rows[-1] |= measured(quantized, frames[:STEPS], processor, level)
                    print(*rows[-1].values())
    settings = {"compiler": version("arm-none-eabi-gcc"), "emulator": version("qemu-system-arm"), "steps": STEPS}
    results.write("microcontrollers", rows, results.UNTIMED, inputs=INPUTS, outputs=OUTPUTS, **settings)
    missed = [row for row in rows if row["at_most"] and row["part"] > row["at_most"]]
    if missed:
        raise SystemExit(f"more instructions than the goal: {missed}")


def measured(quantized: edgernn.Graph, frames: Any, processor: str, level: str) -> dict[str, Any]:
    """The instructions of a step in portable C and with the kernels, whose answers are those of numpy."""
    kernels = instructions(quantized, frames, processor, level)
    portable = instructions(quantized, frames, processor, level, "-DEDGERNN_PORTABLE")
    goal = GOALS.get((processor, quantized.layers[0].scheme))
    part = round(kernels / portable, 4)
    return {"optimized": level, "portable": portable, "kernels": kernels, "part": part, "at_most": goal}


def instructions(quantized: edgernn.Graph, frames: Any, processor: str, level: str, *options: str) -> float:
    """The mean over the steps of a stream."""
    manifest, stepper = graph_manifest(quantized.astype("float32")), IntegerStepper(quantized)
    taken = manifest.quantization[INPUT].integers(frames).astype(manifest.dtype(INPUT))
    states, answers = stepper.initial_state(), []
    for frame in frames:
        y, states = stepper.step(frame, states)
        answers.append(manifest.quantization[OUTPUT].integers(y).astype(manifest.dtype(OUTPUT)))
    way = cortex_m(processor, *options)
    if not isinstance(way, Way):
        raise SystemExit(way)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        export(quantized, folder / "model.c")
        (folder / "frames.h").write_text(array(taken))
        (folder / "main.c").write_bytes((HERE / "c/cortex_m.c").read_bytes())
        counting = (*way.runner[:-1], "-icount", f"shift={SHIFT}", way.runner[-1])
        call = [*way.compiler, "-Werror", level, "main.c", "model.c", "-o", "program"]
        subprocess.run(call, cwd=folder, check=True)
        done = subprocess.run([*counting, "program"], cwd=folder, capture_output=True, text=True, check=True)
    (ticks, known), *steps = (line.split() for line in done.stdout.splitlines())
    if [each for _, each in steps] != [y.tobytes().hex() for y in answers]:
        raise SystemExit(f"{processor} answers with other integers than numpy")
    return round(float(np.mean([int(each) for each, _ in steps])) * int(known) / int(ticks), 1)


def array(taken: Any) -> str:
    """The frames as C."""
    lines = (", ".join(map(str, frame)) for frame in taken.tolist())
    rows = "".join(f"    {{{line}}},\n" for line in lines)
    return f"static const {taken.dtype}_t frames[][{taken.shape[1]}] = {{\n{rows}}};\n"


def version(program: str) -> str:
    """The first line that a program prints about itself."""
    return subprocess.check_output([program, "--version"], text=True).splitlines()[0]


if __name__ == "__main__":
    main()
