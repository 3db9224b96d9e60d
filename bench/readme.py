"""Writes the figures of results/*.json into README.md, between its markers; `--check` says whether they are there."""

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"

COLUMNS = {
    "torch eager": "torch eager",
    "numpy (edgernn)": "numpy",
    "onnxruntime session.run": "ONNX Runtime `run`",
    "onnxruntime (edgernn)": "edgernn on ONNX Runtime",
    "LiteRT set/invoke/get": "LiteRT set/invoke/get",
    "LiteRT (edgernn)": "edgernn on LiteRT",
    "compiled fp32 (edgernn)": "edgernn compiled, fp32",
    "compiled int8 (edgernn)": "edgernn compiled, dynamic int8",
    "tflite-runtime set/invoke/get": "tflite-runtime set/invoke/get",
    "tflite-runtime (edgernn)": "edgernn on tflite-runtime",
}


def figures() -> str:
    """The part of README that the benchmark writes."""
    said = json.loads((ROOT / "bench/results/step_latency.json").read_text())
    machine, rows, start = said["machine"], said["rows"], said["start"]
    names = [name for name in COLUMNS if name in rows[0]["p50_us"]]
    ratios = {name: [row["ratios"][name]["ratio"] for row in rows] for name in rows[0]["ratios"]}
    added = {name: [row["added_us"][name] for row in rows] for name in rows[0]["added_us"]}
    table = [" | ".join(f"{row['p50_us'][name]:.1f}" for name in names) for row in rows]
    lines = [
        (
            f"One step (input {machine['inputs']}, dense head of {machine['outputs']}), one thread, p50 us, fp32 but "
            f"where it says int8, on {machine['cpu']}; {versions(machine)}:"
        ),
        "",
        f"| | {' | '.join(map(COLUMNS.__getitem__, names))} |",
        "|---" * (len(names) + 1) + "|",
        *(f"| {row['cell'].upper()} {row['hidden']} | {took} |" for row, took in zip(rows, table, strict=True)),
        "",
        f"Ratios of the same run, each the median over interleaved rounds: {spans(ratios, '')}.",
        (
            "What `Stream.step` (guard, copies, a fresh result) adds to the bound call of the runtime: "
            f"{spans(added, ' us')}; most at 256, whose weights push the interpreter out of the cache."
        ),
        f"`import edgernn` takes {start['import_ms']:.0f} ms, `edgernn --help` {start['help_ms']:.0f} ms.",
    ]
    return "\n".join(lines)


def spans(table: dict[str, list[float]], unit: str) -> str:
    return "; ".join(f"{name} {min(values):.2f} to {max(values):.2f}{unit}" for name, values in table.items())


def versions(machine: dict[str, Any]) -> str:
    return ", ".join(f"{name} {version}" for name, version in machine["versions"].items() if name != "edgernn")


def written(readme: str) -> str:
    """README with today's figures."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{figures()}\n{END}{after}"


if __name__ == "__main__":
    current = README.read_text()
    if "--check" in sys.argv[1:]:
        sys.exit(0 if written(current) == current else "README.md does not show bench/results: run bench/readme.py")
    README.write_text(written(current))
