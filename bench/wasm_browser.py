"""One step in an AudioWorklet of headless Chromium: a step in each quantum of 128 samples at 48 kHz, in real time.

The thread of audio has no clock. A worker of the page writes the page's clock into shared memory as fast as it can, so
the machine needs a second core. In an isolated page the clock moves by 5 us; a step begins when it has just moved, and
is not timed where it does not move for a while, because the thread of the clock waits for a processor.
"""

import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))
import browser  # noqa: E402  what the tests drive Chromium by
from edgernn.model.graph import Graph  # noqa: E402
from edgernn_export import export  # noqa: E402

RATE_HZ, QUANTUM = 48_000, 128
CLOCK = """
onmessage = ({ data }) => {
  const cell = new Int32Array(data);
  for (;;) Atomics.store(cell, 0, Math.round(performance.now() * 1000));
};
"""
PROCESSOR = """
import { instantiate } from "./m.mjs";
class Timed extends AudioWorkletProcessor {
  constructor({ processorOptions: { bytes, clock, steps } }) {
    super();
    const model = instantiate(bytes);
    this.stream = model.stream();
    const frame = () => Float32Array.from({ length: model.inputs }, () => 2 * Math.random() - 1);
    this.frames = Array.from({ length: 64 }, frame);
    this.answer = new Float32Array(model.outputs);
    this.cell = new Int32Array(clock);
    this.times = new Int32Array(steps);
    this.at = 0;
    this.untimed = 0; // steps while the clock stood still, because its thread did not run
  }
  process() {
    const stale = Atomics.load(this.cell, 0);
    let begin = stale;
    for (let i = 0; begin === stale && i < 1e5; ++i) begin = Atomics.load(this.cell, 0);
    this.stream.step(this.frames[this.at % 64], this.answer);
    if (begin === stale) {
      ++this.untimed;
      return true;
    }
    this.times[this.at++] = Atomics.load(this.cell, 0) - begin;
    if (this.at < this.times.length) return true;
    this.port.postMessage({ times: [...this.times], untimed: this.untimed });
    return false;
  }
}
registerProcessor("timed", Timed);
"""
PAGE = """
const [rate, steps] = arguments;
const clock = new SharedArrayBuffer(4);
new Worker("clock.js").postMessage(clock);
const bytes = await (await fetch("m.wasm")).arrayBuffer();
const context = new AudioContext({ sampleRate: rate });
await context.audioWorklet.addModule("processor.mjs");
const node = new AudioWorkletNode(context, "timed", { processorOptions: { bytes, clock, steps } });
node.connect(context.destination);
await context.resume();
const result = await new Promise((resolve, reject) => {
  node.port.onmessage = ({ data }) => resolve(data);
  node.onprocessorerror = () => reject(new Error("the processor failed"));
});
return { ...result, rate: context.sampleRate, version: navigator.userAgent.match(/Chrome[/]([0-9.]+)/)[1] };
"""


def measured(graph: Graph, steps: int, folder: Path) -> dict[str, object]:
    """The percentiles of the time of a step in microseconds, and the share of a quantum that the 99th takes.

    The first tenth of the steps counts for nothing.
    """
    if browser.MISSING:
        raise SystemExit(browser.MISSING)
    export(graph, folder / "m.wasm")
    files = {"processor.mjs": PROCESSOR, "clock.js": CLOCK, "index.html": "<!doctype html><title>bench</title>"}
    for name, text in files.items():
        (folder / name).write_text(text)
    with browser.served(folder) as address, browser.browser(folder) as session:
        session.open(f"{address}/index.html")
        result = session.script(PAGE, RATE_HZ, steps)
    assert result["rate"] == RATE_HZ
    times = np.array(result["times"][steps // 10 :])
    p50, p99, p999 = np.percentile(times, (50, 99, 99.9), method="higher").tolist()
    quantum_us = 1e6 * QUANTUM / RATE_HZ
    return {
        "steps": len(times),
        "untimed": result["untimed"],
        "mean_us": round(float(times.mean()), 3),
        "p50_us": p50,
        "p99_us": p99,
        "p999_us": p999,
        "p99_of_quantum": round(p99 / quantum_us, 5),
        "chromium": result["version"],
    }
