"""One step as WebAssembly in node: float32 and int8 of one GRU side by side, printed as JSON.

Modules take turns, a few steps each, in one process of node, after as many steps that count for nothing: node first
runs code that it has not optimized. Frames are random, so no state comes to rest. Nothing is paced.

    python bench/wasm_step.py --hidden 128
"""

import argparse
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

import edgernn
from edgernn_export import export

INPUTS, CLASSES, FRAMES = 40, 12, 512
SCHEMES = {
    "fp32": "",
    "dynamic int8": "dynamic_wi8_afp32",
    "static int8": "static_wi8_ai8",
    "int8 x int16": "static_wi8_ai16",
}
TIMED = """
import { readFileSync } from "node:fs";
const [rounds, steps, ...names] = JSON.parse(process.argv[2]);
const frames = new Float32Array(new Uint8Array(readFileSync("frames")).buffer);
const sides = [];
for (const name of names) {
  const { instantiate } = await import("./" + name + ".mjs");
  const model = instantiate(readFileSync(name + ".wasm"));
  const width = model.inputs;
  const each = Array.from({ length: frames.length / width }, (_, t) => frames.slice(t * width, (t + 1) * width));
  sides.push({ stream: model.stream(), each, answer: new Float32Array(model.outputs), times: [], at: 0 });
}
for (let round = 0; round < 2 * rounds; ++round)
  for (const side of sides) {
    const begin = process.hrtime.bigint();
    for (let i = 0; i < steps; ++i) side.stream.step(side.each[side.at++ % side.each.length], side.answer);
    if (round >= rounds) side.times.push(Number(process.hrtime.bigint() - begin) / 1000 / steps);
  }
console.log(JSON.stringify(sides.map((side) => side.times)));
"""


def model(hidden: int) -> edgernn.Graph:
    """A GRU with a dense head, as in README; weights are random."""
    random = np.random.default_rng(0)

    def weights(*shape: int) -> edgernn.Tensor:
        return edgernn.Tensor((random.standard_normal(shape) / np.sqrt(shape[-1])).astype(np.float32))

    gru = edgernn.cells.Gru(*(weights(3 * hidden, *width) for width in ((INPUTS,), (hidden,), (), ())))
    head = edgernn.cells.Dense(weights(CLASSES, hidden), weights(CLASSES))
    return edgernn.Graph((edgernn.Layer("gru", gru), edgernn.Layer("out", head)), INPUTS)


def measured(hidden: int, rounds: int, steps: int) -> dict[str, object]:
    """The median time of a step in each precision in microseconds, and its ratio to float32, from the same rounds."""
    frames = np.random.default_rng(1).standard_normal((FRAMES, INPUTS)).astype(np.float32)
    graph = model(hidden)
    ranged = edgernn.calibrate(graph, [frames])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for i, scheme in enumerate(SCHEMES.values()):
            export(edgernn.quantize(ranged, scheme) if scheme else graph, folder / f"m{i}.wasm")
        (folder / "frames").write_bytes(frames.tobytes())
        (folder / "timed.mjs").write_text(TIMED)
        call = ["node", "timed.mjs", json.dumps([rounds, steps, *(f"m{i}" for i in range(len(SCHEMES)))])]
        times = np.array(json.loads(subprocess.check_output(call, cwd=folder)))
    return {
        "hidden": hidden,
        "node": subprocess.check_output(["node", "--version"], text=True).strip(),
        "step_us": {scheme: float(np.median(each)) for scheme, each in zip(SCHEMES, times, strict=True)},
        "of_fp32": {scheme: float(np.median(each / times[0])) for scheme, each in zip(SCHEMES, times, strict=True)},
    }


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--steps", type=int, default=50, help="steps of each module in a round")
    arguments = parser.parse_args()
    if shutil.which("node") is None:
        raise SystemExit("node is not installed")
    print(json.dumps(measured(arguments.hidden, arguments.rounds, arguments.steps), indent=1))


if __name__ == "__main__":
    main()
