"""A step as WebAssembly: in node beside ONNX Runtime Web, and in an AudioWorklet of Chromium. Writes results/wasm.json.

python bench/wasm.py
"""

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import wasm_browser
import wasm_step
from step_tables import webassembly

import results
from machine import USUAL

UNITS = (32, 128)
SPOTTER = 32  # units of the keyword model in the browser


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=600)
    parser.add_argument("--steps", type=int, default=20, help="of each contender in a round")
    parser.add_argument("--quanta", type=int, default=3000, help="timed steps in the browser, one in each quantum")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wasm_step.install_web(folder)
        rows = [wasm_step.measured(hidden, options.rounds, options.steps, folder) for hidden in UNITS]
        graph = replace(wasm_step.model(SPOTTER), period_ms=10.0)
        browser = {"hidden": SPOTTER, **wasm_browser.measured(graph, options.quanta, folder)}
    about = {**USUAL, "pinned": False, "rounds": options.rounds, "steps_per_round": options.steps}
    results.write("wasm", {"rows": rows, "browser": browser}, results.BOTH, **about)
    print("\n".join(webassembly()))


if __name__ == "__main__":
    main()
