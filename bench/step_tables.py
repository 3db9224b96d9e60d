"""The sections of docs/results.md on what a step costs: by processor, with many streams, spectra, and delta steps."""

from statistics import mean
from typing import Any

from tables import conditions, model, read, table

ONE, TOGETHER = "alone", "16"


def levels() -> list[str]:
    """Dynamic int8 by the level of the processor."""
    results = read("levels")
    rows = results["rows"]
    names = list(rows[0]["ratios"])
    figures = [
        [model(row), *(f"{row['p50_us'][name]:.1f} ({row['ratios'][name]['ratio']:.2f})" for name in names)]
        for row in rows
    ]
    sizes = "; ".join(
        f"{model(row)}: " + ", ".join(f"{size:,} for {name}" for name, size in row["bytes"].items()) for row in rows
    )
    return [
        "## One step by level of processor",
        "",
        (
            "Dynamic int8, median time in microseconds, back to back, and in brackets as a share of that of fp32 by "
            "`session.run`, which uses what the processor has. The levels are in one library, and the last column is "
            f"a library of one level. {conditions(results['machine'])}."
        ),
        "",
        *table(["", *names], figures),
        f"Bytes of the library with the functions for many streams: {sizes}.",
        "",
    ]


def streams() -> list[str]:
    """Many streams at once."""
    results = read("streams")
    rows = results["rows"]
    counts = (ONE, "1", "4", TOGETHER)
    ratios = ("16 / alone", "16 / ONNX Runtime fp32 16", "16 / session.run fp32 16")
    figures = [
        [
            f"{row['model']}, {row['form']}, {row['runtime']}",
            *(f"{row['us'][count]:.2f}" if count in row["us"] else "-" for count in counts),
            *(f"{row['ratios'][name]:.2f}" if name in row["ratios"] else "-" for name in ratios),
        ]
        for row in rows
    ]
    return [
        "## Many streams at once",
        "",
        (
            "Median time in microseconds for each stream, back to back, called from Python: a stream by itself, and 1, "
            "4 and 16 in one call. numpy steps one after another. The ratios are those of sixteen streams in a call. "
            f"{conditions(results['machine'])}."
        ),
        "",
        *table(["", "by itself", "1 in a call", "4", "16", *ratios], figures),
    ]


def spectra() -> list[str]:
    """What features cost in C, and what they lose in integers."""
    rows = [
        [
            row["model"],
            f"{row['constants']:,}",
            f"{row['instructions']:,.0f}",
            f"{row['accuracy']:.4f}" if "accuracy" in row else "-",
        ]
        for row in read("spectra")["rows"]
    ]
    return [
        "## Spectra in C",
        "",
        (
            "Bytes of constants and instructions of a step, counted by callgrind on x86-64-v3: a log-mel of 20 bands "
            "(window 200, fft 256), and GRU-32 on spoken digits with it in front, with the share of right answers on "
            "the test part."
        ),
        "",
        *table(["", "bytes", "instructions", "accuracy"], rows),
    ]


def delta() -> list[str]:
    """Steps that read the columns of what moved."""
    results = read("delta")
    rows = results["rows"]
    kinds = rows[0]["instructions"]
    pairs = {
        name: [(each["before"], each["after"]) for each in (row["accuracy"][name] for row in rows)]
        for name in rows[0]["accuracy"]
    }
    by_seed = ", ".join(f"{before:.4f} and {after:.4f}" for before, after in pairs["fp32"])
    lost = ", ".join(f"{100 * mean(a - b for a, b in each):.2f} points in {name}" for name, each in pairs.items())
    figures = [
        [name, *(f"{mean(row['instructions'][kind][name]['ratio'] for row in rows):.2f}" for kind in kinds)]
        for name in rows[0]["instructions"]["speech"]
    ]
    chosen = "; ".join(
        f"x={layer['x']:.2f}, h={layer['h']:.2f}"
        for layer in (next(each for each in row["thresholds"].values() if each["h"] is not None) for row in rows)
    )
    read_share = ", ".join(
        f"{mean(row['weights_read'][kind] for row in rows):.0%} in {kind}" for kind in rows[0]["weights_read"]
    )
    return [
        "## Delta steps",
        "",
        (
            "GRU-64 on spoken digits, trained without a tenth of the training part, by which `edgernn compress --delta "
            f"{results['machine']['points']}` chose the thresholds before and after it trained with them: by seed "
            f"{chosen} for the GRU. Accuracy on the test part before and after, by seed: {by_seed}; on average {lost} "
            f"are lost. Of the weights {read_share} are read. The table has how many times fewer instructions a step "
            "takes than without thresholds, counted by callgrind, the mean of the seeds; noise is as loud as the "
            "quietest frames. In the last column thresholds are 0: nearly every element moves, so all columns are read."
        ),
        "",
        *table(["", *kinds], figures),
    ]


def webassembly() -> list[str]:
    """A step as WebAssembly."""
    results = read("wasm")
    rows, browser = results["rows"], results["browser"]
    web = next(name for name in rows[0]["step_us"] if "edgernn" not in name)
    figures = [
        [
            f"GRU&nbsp;{row['hidden']}, {who}",
            f"{us:.2f}",
            f"{row['of_fp32'][web] / row['of_fp32'][who]:.1f}",
            *_loaded(row, who, web),
        ]
        for row in rows
        for who, us in row["step_us"].items()
    ]
    versions = rows[0]["versions"]
    return [
        "## One step as WebAssembly",
        "",
        (
            f"In one process of node {versions['node']}, contenders in turn, back to back; median time in "
            f"microseconds. ONNX Runtime Web {versions['web']} has its wasm backend and one thread, and its states "
            "are fed back by JavaScript. What a page loads is the module with the script that runs it, or the files "
            f"of the wasm backend and the model. {conditions(results['machine']).replace(', one pinned thread', '')}."
        ),
        "",
        *table(["", "µs", "times faster than Web", "kB", "times smaller than Web"], figures),
        (
            f"In an AudioWorklet of Chromium {browser['chromium'].partition('.')[0]}, in real time at 48 kHz, a step "
            f"of GRU&nbsp;{browser['hidden']} in fp32 in each quantum of 128 samples: of {browser['steps']:,} steps "
            f"99 % take at most {browser['p99_us']} µs, which is {browser['p99_of_quantum']:.2%} of the quantum, by a "
            f"clock that moves by 5 µs; {browser['untimed']:,} more steps had no time, because the thread of the clock "
            "did not run."
        ),
        "",
    ]


def _loaded(row: dict[str, Any], who: str, web: str) -> tuple[str, str]:
    size = row["bytes"][who]
    return f"{size / 1000:,.0f}", f"{row['bytes'][web] / size:.0f}"
