"""One step as WebAssembly in node: each precision of one GRU, and ONNX Runtime Web, in the same process.

Contenders take turns, a few steps each, after as many steps that count for nothing: node first runs code that it has
not optimized. Frames are random, so no state comes to rest. Nothing is paced. ONNX Runtime Web has its wasm backend,
one thread, and the float32 model that edgernn exports; its states go from the result of a step into the next call.
"""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np

import edgernn
from edgernn_export import export
from machine import INPUTS, OUTPUTS

FRAMES = 512
FP32, WEB = "fp32 (edgernn)", "ONNX Runtime Web fp32"
SCHEMES = {
    FP32: "",
    "dynamic int8 (edgernn)": "dynamic_wi8_afp32",
    "static int8 (edgernn)": "static_wi8_ai8",
    "int8 x int16 (edgernn)": "static_wi8_ai16",
}
WEB_FILES = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
"""What a page loads of ONNX Runtime Web for its wasm backend, in its folder `dist`."""

TIMED = """
import { readFileSync } from "node:fs";
import * as ort from "onnxruntime-web";
const [rounds, steps, ...names] = JSON.parse(process.argv[2]);
const frames = new Float32Array(new Uint8Array(readFileSync("frames")).buffer);
const turns = [];
for (const name of names) {
  const { instantiate } = await import("./" + name + ".mjs");
  const model = instantiate(readFileSync(name + ".wasm"));
  const width = model.inputs;
  const each = Array.from({ length: frames.length / width }, (_, t) => frames.slice(t * width, (t + 1) * width));
  const stream = model.stream(), answer = new Float32Array(model.outputs);
  let at = 0;
  turns.push((count) => { while (count--) stream.step(each[at++ % each.length], answer); return answer; });
}
ort.env.wasm.numThreads = 1;
const session = await ort.InferenceSession.create(readFileSync("model.onnx"));
const [x, before] = session.inputNames, [y, after] = session.outputNames;
const width = frames.length / FRAMES;
const tensor = (t) => new ort.Tensor(frames.slice(t * width, (t + 1) * width), [1, width]);
const each = Array.from({ length: FRAMES }, (_, t) => tensor(t));
let state = new ort.Tensor(new Float32Array(HIDDEN), [1, HIDDEN]), at = 0;
turns.push(async (count) => {
  let answer;
  while (count--) {
    const results = await session.run({ [x]: each[at++ % FRAMES], [before]: state });
    state = results[after];
    answer = results[y].data;
  }
  return answer;
});
const sides = turns.map(() => []), last = [];
for (let round = 0; round < 2 * rounds; ++round)
  for (const [i, turn] of turns.entries()) {
    const begin = process.hrtime.bigint();
    last[i] = await turn(steps);
    if (round >= rounds) sides[i].push(Number(process.hrtime.bigint() - begin) / 1000 / steps);
  }
console.log(JSON.stringify({ times: sides, last: last.map((each) => [...each]), web: ort.env.versions.web }));
"""


def install_web(folder: Path) -> None:
    """Put ONNX Runtime Web into a folder, by npm."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise SystemExit("node or npm is not installed: install nodejs and npm")
    subprocess.run(["npm", "install", "--silent", "--ignore-scripts", "onnxruntime-web"], cwd=folder, check=True)


def model(hidden: int) -> edgernn.Graph:
    """A GRU with a dense head, as in README; weights are random."""
    random = np.random.default_rng(0)

    def weights(*shape: int) -> edgernn.Tensor:
        return edgernn.Tensor((random.standard_normal(shape) / np.sqrt(shape[-1])).astype(np.float32))

    gru = edgernn.cells.Gru(*(weights(3 * hidden, *width) for width in ((INPUTS,), (hidden,), (), ())))
    head = edgernn.cells.Dense(weights(OUTPUTS, hidden), weights(OUTPUTS))
    return edgernn.Graph((edgernn.Layer("gru", gru), edgernn.Layer("out", head)), INPUTS)


def measured(hidden: int, rounds: int, steps: int, folder: Path) -> dict[str, object]:
    """The median time of a step of each contender in microseconds, its ratio to float32, and what a page loads.

    Args:
        hidden: units.
        rounds: in which every contender has a turn.
        steps: of a turn.
        folder: where `install_web` put ONNX Runtime Web.
    """
    frames = np.random.default_rng(1).standard_normal((FRAMES, INPUTS)).astype(np.float32)
    graph = model(hidden)
    ranged = edgernn.calibrate(graph, [frames])
    names = [f"m{i}" for i in range(len(SCHEMES))]
    for name, scheme in zip(names, SCHEMES.values(), strict=True):
        export(edgernn.quantize(ranged, scheme) if scheme else graph, folder / f"{name}.wasm")
    export(graph, folder / "model.onnx")
    (folder / "frames").write_bytes(frames.tobytes())
    code = TIMED.replace("FRAMES", str(FRAMES)).replace("HIDDEN", str(hidden))
    (folder / "timed.mjs").write_text(code)
    call = ["node", "timed.mjs", json.dumps([rounds, steps, *names])]
    result = json.loads(subprocess.check_output(call, cwd=folder))
    own, web = result["last"][0], result["last"][-1]
    if not np.allclose(own, web, atol=1e-4):
        raise SystemExit(f"the answers differ: edgernn has {own}, ONNX Runtime Web {web}")
    times = dict(zip((*SCHEMES, WEB), np.array(result["times"]), strict=True))
    sizes = {
        who: sum((folder / f"{name}.{suffix}").stat().st_size for suffix in ("wasm", "mjs"))
        for who, name in zip(SCHEMES, names, strict=True)
    }
    dist = folder / "node_modules/onnxruntime-web/dist"
    files = (*(dist / name for name in WEB_FILES), folder / "model.onnx")
    return {
        "hidden": hidden,
        "step_us": {who: round(float(np.median(each)), 3) for who, each in times.items()},
        "of_fp32": {who: round(float(np.median(each / times[FP32])), 3) for who, each in times.items()},
        "bytes": {**sizes, WEB: sum(path.stat().st_size for path in files)},
        "versions": {"node": subprocess.check_output(["node", "--version"], text=True).strip(), "web": result["web"]},
    }
