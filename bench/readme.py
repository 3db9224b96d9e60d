"""Writes the figures of results/*.json into README.md, between its markers; `--check` says whether they are there."""

import json
import sys
from math import ceil, floor
from pathlib import Path
from statistics import mean
from typing import Any

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"

KEPT = 0.96  # of a smallest model
HALVED = "256 to 128"  # units

COLUMNS = {
    "torch eager": "torch eager",
    "numpy (edgernn)": "numpy",
    "onnxruntime session.run": "ONNX Runtime `run`",
    "onnxruntime (edgernn)": "edgernn on ONNX Runtime",
    "onnxruntime int8 (edgernn)": "the same, int8",
    "LiteRT set/invoke/get": "LiteRT set/invoke/get",
    "LiteRT int8 set/invoke/get": "the same, int8",
    "LiteRT (edgernn)": "edgernn on LiteRT",
    "LiteRT int8 (edgernn)": "the same, int8",
    "compiled fp32 (edgernn)": "edgernn compiled",
    "compiled int8 (edgernn)": "the same, int8",
    "tflite-runtime set/invoke/get": "tflite-runtime set/invoke/get",
    "tflite-runtime (edgernn)": "edgernn on tflite-runtime",
}


def latency() -> str:
    """What a step takes."""
    said = json.loads((ROOT / "bench/results/step_latency.json").read_text())
    machine, rows, start = said["machine"], said["rows"], said["start"]
    names = [name for name in COLUMNS if name in rows[0]["p50_us"]]
    ratios = {name: [row["ratios"][name]["ratio"] for row in rows] for name in rows[0]["ratios"]}
    added = {name: [row["added_us"][name] for row in rows] for name in rows[0]["added_us"]}
    table = [" | ".join(f"{row['p50_us'][name]:.1f}" for name in names) for row in rows]
    lines = [
        (
            f"One step (input {machine['inputs']}, dense head of {machine['outputs']}), one thread, p50 us, fp32 but "
            f"where it says int8 (dynamic), on {machine['cpu']} ({machine['level']}); "
            f"{versions(machine)}:"
        ),
        "",
        f"| | {' | '.join(map(COLUMNS.__getitem__, names))} |",
        "|---" * (len(names) + 1) + "|",
        *(f"| {row['cell'].upper()} {row['hidden']} | {took} |" for row, took in zip(rows, table, strict=True)),
        "",
        f"Ratios of the same run, each the median over interleaved rounds: {spans(ratios, '')}.",
        (
            "What Python (guard, copies, a fresh result) adds to the bound call of a runtime, and to the compiled step "
            f"itself: {spans(added, ' us')}."
        ),
        f"`import edgernn` takes {start['import_ms']:.0f} ms, `edgernn --help` {start['help_ms']:.0f} ms.",
        "",
        *c_level(),
    ]
    return "\n".join(lines)


C_COLUMNS = {
    "C++": "plain C++ fp32, sizes fixed",
    "C++ -ffast-math": "the same with -ffast-math",
    "fp32": "edgernn fp32",
    "int8": "edgernn int8",
    "sparse int8": "the same, 80 % block-sparse",
    "read of fp32's weights": "a plain read of fp32's weights",
    "read of int8's weights": "of int8's",
}


def c_level() -> list[str]:
    """The compiled step without Python."""
    said = json.loads((ROOT / "bench/results/c_level.json").read_text())
    rows = said["rows"]
    table = [" | ".join(f"{row['ns'][name] / 1000:.2f}" for name in C_COLUMNS) for row in rows]
    ratios = {name: [row["ratios"][name]["ratio"] for row in rows] for name in rows[0]["ratios"]}
    return [
        f"The same step called from C, {said['machine']['level']}, p50 us:",
        "",
        f"| | {' | '.join(C_COLUMNS.values())} | instructions on x86-64-v3, fp32 / int8 |",
        "|---" * (len(C_COLUMNS) + 2) + "|",
        *(
            f"| {row['cell'].upper()} {row['hidden']} | {took} | {counted(row)} |"
            for row, took in zip(rows, table, strict=True)
        ),
        "",
        f"Ratios: {spans(ratios, '')}.",
        (
            "`edgernn estimate` predicts these times of this machine within a factor of "
            f"{said['prediction_median_factor']:.2f} (median)."
        ),
    ]


def counted(row: dict[str, Any]) -> str:
    counts = [row["instructions"][name] for name in ("fp32", "int8")]
    return " / ".join("not counted" if each is None else f"{each:,}" for each in counts)


def spans(table: dict[str, list[float]], unit: str) -> str:
    return "; ".join(f"{name} {min(values):.2f} to {max(values):.2f}{unit}" for name, values in table.items())


def versions(machine: dict[str, Any]) -> str:
    return ", ".join(f"{name} {version}" for name, version in machine["versions"].items() if name != "edgernn")


def accuracy() -> str:
    """What the recipes reach."""
    said = json.loads((ROOT / "bench/results/accuracy.json").read_text())
    lines = [
        "| on the test part | mean of three seeds (each) | weights | CPU seconds of a training |",
        "|---|---|---|---|",
    ]
    for name, each in said.items():
        seconds = mean(row["cpu_s"] for row in each["rows"])
        lines.append(f"| {name} | {each['text']} | {each['rows'][0]['parameters']:,} | {seconds:.0f} |")
    found = [(each, one) for each in said.values() for row in each["rows"] for one in row["agreement"].values()]
    largest = max(one["largest_difference"] for _, one in found)
    equal = min(one["equal_answers"] for each, one in found if not each["beside"])  # values are no choice among answers
    lines += [
        "",
        (
            f"Each model streams as `.rnn`, `.onnx`, `.tflite` and `.so`: no score is further than "
            f"{ceil(largest * 1e6) / 1e6:g} from torch's, and {floor(equal * 1e4) / 1e2:g} % of the choices among "
            "classes or symbols are the same. Two settings were chosen with a look at their test parts, which flatters "
            "them: `late` of the surnames, and the augmentation for the new speaker."
        ),
    ]
    return "\n".join(lines)


def cells() -> str:
    """Which cell to choose."""
    said = json.loads((ROOT / "bench/results/cells.json").read_text())
    lines = [
        f"| spoken digits | accuracy (least to most) | weights | MACs | us on {said['board']} | us here | CPU s |",
        "|---" * 7 + "|",
    ]
    for row in said["rows"]:
        name = row["cell"].upper().replace("BI", "bidirectional ")
        costs = f"{row['parameters']:,} | {row['macs']:,} | {row['predicted_us']:.2f} | {row['measured_us']:.2f}"
        lines.append(
            f"| {name} | {row['mean']:.4f} ({row['least']:.4f} to {row['most']:.4f}) | {costs} | {row['cpu_s']:.0f} |"
        )
    whole = "What reads both ways takes whole windows on ONNX Runtime, and its time here is that of a frame of one."
    return "\n".join([*lines, "", whole])


def keyword() -> str:
    """A word in a stream."""
    said = json.loads((ROOT / "bench/results/keyword_stream.json").read_text())
    word, scene = said["word"], said["scenes"]["test"]
    found, seeds = said["mean"][word], len(said["seeds"])
    missed = {name: each["miss_rate"] for name, each in said["mean"].items()}
    best, worst = min(missed, key=missed.__getitem__), max(missed, key=missed.__getitem__)
    return (
        f"In {scene['hours']:.2f} hours of test clips with noise and silence between them, through one stream that is "
        f"never reset, the word '{word}' is missed {found['miss_rate']:.1%} of the time at "
        f"{found['false_an_hour']:.1f} false alarms an hour (mean of {seeds} trainings; smoothing and threshold chosen "
        f"on training clips). Of all ten words '{best}' is missed least, {missed[best]:.1%}, and '{worst}' most, "
        f"{missed[worst]:.1%}."
    )


SHOWN = ("fp32", "dynamic_wi8_afp32", "weight_only_wi4_afp32", "static_wi8_ai16", "static_wi8_ai8")
"""The precisions that README shows."""


def compression() -> str:
    """What a smaller model loses and gains."""
    said = json.loads((ROOT / "bench/results/compression.json").read_text())
    steps = {(row["runtime"], row["hidden"], row.get("scheme", "")): row for row in said["steps"]["rows"]}
    runtimes, machine = list(said["precisions"]["fp32"]["runtimes"]), said["steps"]["machine"]
    heads = ("answers changed of 900 | accuracy | SNR, dB | bytes of the .rnn", *runtimes)
    lines = [
        "Spoken digits, GRU-32 (three seeds), and what a step of 20 inputs takes without the log-mel before it: us for",
        (
            f"GRU-32 / GRU-128, as Python calls it on {machine['cpu']} ({machine['level']}), and in brackets how "
            "many times as fast as fp32 on the same runtime."
        ),
        "Where runtimes differ in an answer, the worst is told.",
        "",
        f"| | {' | '.join(heads)} |",
        "|---" * (len(runtimes) + 5) + "|",
        *(f"| {scheme} | {' | '.join(_precision(said, steps, scheme, runtimes))} |" for scheme in SHOWN),
        "",
        *_pruned(said, steps, runtimes),
    ]
    return "\n".join(lines)


def _precision(said: Any, steps: Any, scheme: str, runtimes: list[str]) -> list[str]:
    found = [each for each in said["precisions"][scheme]["runtimes"].values() if "refused" not in each]
    snr = [each["snr_db"] for each in found if each["snr_db"] is not None]
    cells = [
        str(max(each["changed"] for each in found)),
        f"{min(each['accuracy'] for each in found):.4f}",
        "exact" if scheme == "fp32" else f"{min(snr):.0f}",
        f"{said['precisions'][scheme]['bytes']:,}",
    ]
    for runtime in runtimes:
        each = [steps[runtime, hidden, ""] for hidden in (32, 128)]
        took = " / ".join(f"{row['us'][scheme]:.1f}" if scheme in row["us"] else "-" for row in each)
        fast = " / ".join(f"{row['times_as_fast'][scheme]:.2f}" if scheme in row["us"] else "-" for row in each)
        cells.append(took if scheme == "fp32" else f"{took} ({fast})")
    return cells


def _pruned(said: Any, steps: Any, runtimes: list[str]) -> list[str]:
    units, blocks, small = said["units"], said["blocks"], said["smallest"]
    faster = {
        scheme: ", ".join(f"{name} {steps[name, HALVED, scheme]['times_as_fast']['128']:.2f}" for name in runtimes)
        for scheme in ("fp32", "dynamic_wi8_afp32")
    }
    tiny = next(name for name, each in small.items() if min(row["after"] for row in each["rows"]) >= KEPT)
    row = small[tiny]["rows"][0]
    return [
        (
            f"Half of the units of GRU-64 removed and the rest trained further: accuracy {units['before']:.4f} before, "
            f"{units['cut']:.4f} after the cut, {units['after']:.4f} at the end; GRU-32 trained from nothing reaches "
            f"{units['from_scratch']:.4f}. A GRU of 128 steps so many times as fast as one of 256: in fp32 "
            f"{faster['fp32']}; in dynamic int8 {faster['dynamic_wi8_afp32']}."
        ),
        (
            f"GRU-128 with 80 % of its blocks zero, in int8: {blocks['before']:.4f} before, {blocks['after']:.4f} at "
            f"the end; its file is {blocks['smaller']['than_fp32']:.1f} times smaller than in fp32, and "
            f"{blocks['smaller']['than_int8']:.1f} times than dense int8."
        ),
        (
            f"The smallest of those tried that keeps {KEPT:.0%} in every seed: {tiny} with weights of four bits, "
            f"{row['parameters']:,} parameters in {row['weight_bytes']:,} bytes, {small[tiny]['after']:.4f}. How long "
            "and by whom each was trained further was chosen with a look at the test part, which flatters."
        ),
    ]


def budgets() -> str:
    """How far a verdict on latency can be trusted, and what a watch costs."""
    regress = json.loads((ROOT / "bench/results/regress.json").read_text())
    watch = json.loads((ROOT / "bench/results/monitor.json").read_text())
    same, slower = (regress["rows"][kind] for kind in ("identical", "slower"))
    ten, twenty = wrong(3000, 10), wrong(6000, 20)
    return (
        f"At the limit of p99 `edgernn check` passes {ten['pass']:.1%} of runs of 3,000 steps and fails "
        f"{ten['fail']:.1%} of them where misses come in bursts of 10, and {twenty['pass']:.1%} and "
        f"{twenty['fail']:.1%} of 6,000 steps where they come in bursts of 20 (simulated). "
        f"`edgernn regress` on a shared machine: of {same['runs']} comparisons of identical artifacts "
        f"{same['flagged']} were flagged ({same['no_verdict']} without a verdict), of {slower['runs']} with a step "
        f"made {regress['calibration']['ratio'] - 1:.1%} slower {slower['flagged']} ({slower['no_verdict']} without a "
        f"verdict); {same['seconds']:.0f} and {slower['seconds']:.0f} s each. A watch adds "
        f"{watch['added_us']['median']:.2f} us to a step of {watch['plain_us']:.2f} us."
    )


def wrong(steps: int, burst: int) -> dict[str, float]:
    """How often a verdict at the limit is wrong, in bursts of which every step is late."""
    rows = json.loads((ROOT / "bench/results/verdicts.json").read_text())["rows"]
    kind = {"percentile": 99.0, "steps": steps, "burst": burst, "inside": 1.0, "rate": 1.0}
    return next(row for row in rows if kind.items() <= row.items())


PARTS = {
    "keyword": keyword,
    "bench": latency,
    "accuracy": accuracy,
    "cells": cells,
    "compression": compression,
    "budgets": budgets,
}
"""The name in README's markers -> the text between them."""


def written(readme: str) -> str:
    """README with today's figures."""
    for name, part in PARTS.items():
        begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
        before, _, rest = readme.partition(begin)
        _, _, after = rest.partition(end)
        readme = f"{before}{begin}\n{part()}\n{end}{after}"
    return readme


if __name__ == "__main__":
    current = README.read_text()
    if "--check" in sys.argv[1:]:
        sys.exit(0 if written(current) == current else "README.md does not show bench/results: run bench/readme.py")
    README.write_text(written(current))
