"""Writes docs/results.md, the figures of README.md and docs/speed.svg from results/*.json, and what is supported.

Results of one make target that were measured on different machines are refused. With `--check` nothing is written, and
the exit code is 1 where one of them does not show bench/results.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import board_tables
import sound_tables
import step_tables

import tables
from results import ResultsError, check_machines
from tables import conditions, read

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))
import supported  # noqa: E402  the table of what from_torch reads, whose entries are tests

README, RESULTS, PICTURE = ROOT / "README.md", ROOT / "docs/results.md", ROOT / "docs/speed.svg"
KINDS = ROOT / "docs/reference/supported.md"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
SUPPORTED = ("<!-- supported: begin -->", "<!-- supported: end -->")
EXECUTED = ("<!-- boards: begin -->", "<!-- boards: end -->")

SHOWN = {("gru", 32): "GRU, 32 units", ("gru", 128): "GRU, 128 units"}
"""The models of the picture."""

BARS = {
    "torch eager": "PyTorch, eager",
    "onnxruntime session.run": "ONNX Runtime, session.run",
    "tflite-runtime set/invoke/get": "tflite-runtime, set/invoke/get",
    "LiteRT set/invoke/get": "LiteRT, set/invoke/get",
    "onnxruntime (edgernn)": "edgernn on ONNX Runtime",
    "LiteRT (edgernn)": "edgernn on LiteRT",
    "compiled fp32 (edgernn)": "edgernn, compiled",
    "compiled int8 (edgernn)": "edgernn, compiled, int8",
}

STEPPED = {
    "torch eager": "PyTorch, eager",
    "onnxruntime session.run": "ONNX Runtime, `session.run`",
    "onnxruntime (edgernn)": "edgernn on ONNX Runtime",
    "LiteRT set/invoke/get": "LiteRT, set / invoke / get",
    "LiteRT (edgernn)": "edgernn on LiteRT",
    "compiled fp32 (edgernn)": "edgernn, compiled",
    "compiled int8 (edgernn)": "edgernn, compiled, int8",
}
"""The rows of the table of README."""

SECTIONS = (
    *(tables.paced, tables.latency, tables.on_numpy, tables.from_c, step_tables.levels, step_tables.streams),
    *(step_tables.webassembly, step_tables.delta, step_tables.spectra),
    *(tables.convolutions, tables.compression, tables.accuracy, tables.crnn),
    *(
        tables.cells,
        tables.keyword,
        sound_tables.denoising,
        tables.budgets,
        tables.exports,
        board_tables.boards,
        board_tables.counted,
    ),
)
"""The sections of docs/results.md, in order."""

RATIOS = ("compiled int8 / session.run", "compiled fp32 / LiteRT fp32")

STYLE = """
    text { font: 13px system-ui, sans-serif; fill: #1f2328 }
    .head { font-weight: 600 } .note { font-size: 12px; fill: #59636e }
    .card { fill: #ffffff; stroke: #d1d9e0 } .peer { fill: #9aa4af } .ours { fill: #2f81d6 }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3 } .note { fill: #9198a1 } .card { fill: #151b23; stroke: #3d444d } .peer { fill: #6e7681 }
    }
"""
WIDTH, LEFT, PANEL, ROW, TOP = 860, 224, 300, 24, 62


def picture(results: Mapping[str, Any]) -> str:
    """The speed of one step as bars: an SVG with a background of its own, for light and dark pages."""
    height = TOP + ROW * len(BARS) + 34
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
            'aria-label="Time of one streaming step, in microseconds">'
        ),
        f"  <style>{STYLE}  </style>",
        f'  <rect class="card" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="8"/>',
        '  <text class="head" x="16" y="26">One step in microseconds, called from Python</text>',
        *(f'  <text x="16" y="{TOP + ROW * i + 15}">{label}</text>' for i, label in enumerate(BARS.values())),
    ]
    for panel, (kind, title) in enumerate(SHOWN.items()):
        times = next(row for row in results["rows"] if (row["cell"], row["hidden"]) == kind)["p50_us"]
        x, longest = LEFT + panel * (PANEL + 18), max(times[name] for name in BARS)
        parts.append(f'  <text class="head" x="{x}" y="50">{title}</text>')
        for i, name in enumerate(BARS):
            width = max(1.0, times[name] / longest * (PANEL - 48))
            y, style = TOP + ROW * i, "ours" if "edgernn" in name else "peer"
            parts.append(f'  <rect class="{style}" x="{x}" y="{y + 3}" width="{width:.1f}" height="{ROW - 7}" rx="2"/>')
            parts.append(f'  <text x="{x + width + 6:.1f}" y="{y + 16}">{times[name]:.1f}</text>')
    where = conditions(results["machine"]).partition(",")[0]
    note = f"fp32 unless int8 is named; medians of steps back to back on one core of {where}; frames not paced"
    parts.append(f'  <text class="note" x="16" y="{height - 14}">{note}</text>')
    return "\n".join([*parts, "</svg>", ""])


def figures(results: Mapping[str, Any], paced: Mapping[str, Any]) -> str:
    """The part of README with figures: the picture, and the table of steps whose frames are paced."""
    machine, rows = paced["machine"], paced["rows"]
    int8, fp32 = ([each["ratios"][name]["ratio"] for each in results["rows"]] for name in RATIOS)
    lines = [
        "![Time of one streaming step](docs/speed.svg)",
        "",
        (
            f"| GRU {paced['hidden']}, one step, µs | a frame every {machine['period_ms']:g} ms: median | p99 "
            "| primed: median | p99 | in a loop |"
        ),
        "|---|--:|--:|--:|--:|--:|",
    ]
    for name, title in STEPPED.items():
        us = (rows[name][way][percent] for way in ("paced", "primed") for percent in ("p50_us", "p99_us"))
        loop = rows[name]["back to back"]["p50_us"]
        lines.append(f"| {title} | {' | '.join(f'{each:.0f}' for each in us)} | {loop:.1f} |")
    return "\n".join(
        [
            *lines,
            "",
            (
                "From a frame to its answer on a shared machine "
                f"({conditions(machine).partition(';')[0]}), contenders in turn. A step that waits for its frame finds "
                "cold caches; `stream.prime()` warms them just before. The others have no such call, and ran on a "
                "second state. In loops of GRU and LSTM of 32 to 256 units the compiled int8 step takes "
                f"{min(int8):.2f} to {max(int8):.2f} of `session.run`, fp32 {min(fp32):.2f} to {max(fp32):.2f} of "
                "LiteRT; [all results](docs/results.md)."
            ),
        ]
    )


def results_page() -> str:
    """docs/results.md."""
    head = [
        "# Results",
        "",
        (
            "This page is written by `make bench`, `make accuracy`, `make denoise`, `make compression` and `make "
            "boards` from `bench/results`; a test fails where it shows anything else. [How a latency claim is "
            "made](explanation/latency.md) says what the times mean."
        ),
        "",
    ]
    return "\n".join([*head, *(line for section in SECTIONS for line in section())]).rstrip() + "\n"


def between(text: str, begin: str, block: str, end: str) -> str:
    """The text with a block between two marks."""
    before, _, rest = text.partition(begin)
    return f"{before}{begin}\n{block}\n{end}{rest.partition(end)[2]}"


def pages() -> dict[Path, str]:
    """Every file that shows results -> what it should hold."""
    results = read("step_latency")
    text = between(README.read_text(), BEGIN, figures(results, read("paced")), END)
    text = between(text, EXECUTED[0], board_tables.summary(), EXECUTED[1])
    return {
        README: between(text, SUPPORTED[0], supported.summary(), SUPPORTED[1]),
        KINDS: supported.page(),
        RESULTS: results_page(),
        PICTURE: picture(results),
    }


if __name__ == "__main__":
    stale = [path for path, text in pages().items() if not path.exists() or path.read_text() != text]
    if "--check" in sys.argv[1:] and stale:
        sys.exit(f"{', '.join(path.name for path in stale)} do not show bench/results: run bench/readme.py")
    if "--check" not in sys.argv[1:]:
        try:
            check_machines()
        except ResultsError as error:
            sys.exit(f"nothing was written: {error}")
    for path in stale:
        path.write_text(pages()[path])
