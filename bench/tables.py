"""The sections of docs/results.md: each reads one file of bench/results and returns Markdown."""

from math import ceil, floor
from statistics import mean
from typing import Any

from results import read as read_result

SMALLEST_SHARE = 0.96  # the accuracy that the smallest model must keep
HALVED = "256 to 128"  # units, in compression.json

FP32 = {
    "torch eager": "PyTorch eager",
    "numpy (edgernn)": "numpy, edgernn",
    "onnxruntime session.run": "ONNX Runtime",
    "onnxruntime (edgernn)": "ONNX Runtime, edgernn",
    "LiteRT set/invoke/get": "LiteRT",
    "LiteRT (edgernn)": "LiteRT, edgernn",
    "tflite-runtime set/invoke/get": "tflite-runtime",
    "tflite-runtime (edgernn)": "tflite-runtime, edgernn",
    "compiled fp32 (edgernn)": "compiled, edgernn",
}
INT8 = {
    "onnxruntime int8 (edgernn)": "ONNX Runtime, edgernn",
    "LiteRT int8 set/invoke/get": "LiteRT",
    "LiteRT int8 (edgernn)": "LiteRT, edgernn",
    "compiled int8 (edgernn)": "compiled, edgernn",
}
FROM_C = {
    "C++": "C++ fp32, sizes fixed",
    "C++ -ffast-math": "the same, -ffast-math",
    "fp32": "edgernn fp32",
    "int8": "edgernn int8",
    "sparse int8": "edgernn int8, 80 % block-sparse",
    "read of fp32's weights": "reading fp32 weights",
    "read of int8's weights": "reading int8 weights",
}
SUFFIXES = (".rnn", ".onnx", ".tflite", ".so")
SCHEMES = ("fp32", "dynamic_wi8_afp32", "weight_only_wi4_afp32", "static_wi8_ai16", "static_wi8_ai8")


def read(name: str) -> Any:
    return read_result(name).table


def table(heads: list[str], rows: list[list[str]]) -> list[str]:
    lines = [f"| {' | '.join(heads)} |", f"|---{'|--:' * (len(heads) - 1)}|"]
    return [*lines, *(f"| {' | '.join(row)} |" for row in rows), ""]


def model(row: dict[str, Any]) -> str:
    return f"{row['cell'].upper()}&nbsp;{row['hidden']}"


def spans(ratios: dict[str, list[float]], head: str, unit: str = "") -> list[str]:
    """The lowest and the highest value of each row of figures, over all models."""
    heads = [head, f"lowest{unit}", f"highest{unit}"]
    return table(heads, [[name, f"{min(values):.2f}", f"{max(values):.2f}"] for name, values in ratios.items()])


def conditions(machine: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items() if name != "edgernn")
    return (
        f"{machine['cpu']} ({machine['level']}), one pinned thread, input {machine['inputs']}, a dense head of "
        f"{machine['outputs']}; {versions}"
    )


def latency() -> list[str]:
    """One step as Python calls it."""
    results = read("step_latency")
    machine, rows, start = results["machine"], results["rows"], results["start"]
    lines = [
        "## One step, called from Python",
        "",
        (
            f"Median time of a step in microseconds. Frames were not paced: steps ran back to back, "
            f"{machine['steps_per_round']} of each contender in turn for {machine['rounds']} rounds. Columns without "
            "edgernn call the runtime directly: `session.run`, or set_tensor, invoke and get_tensor. "
            f"{conditions(machine)}."
        ),
        "",
    ]
    for title, columns in (("fp32", FP32), ("dynamic int8", INT8)):
        known = {name: head for name, head in columns.items() if name in rows[0]["p50_us"]}
        figures = [[model(row), *(f"{row['p50_us'][name]:.1f}" for name in known)] for row in rows]
        lines += table([title, *known.values()], figures)
    ratios = {name: [row["ratios"][name]["ratio"] for row in rows] for name in rows[0]["ratios"]}
    added = {name: [row["added_us"][name] for row in rows] for name in rows[0]["added_us"]}
    return [
        *lines,
        (
            "Ratios of the same run, each the median over the interleaved rounds. They are what to compare; times move "
            "with the machine."
        ),
        "",
        *spans(ratios, "time of the first / time of the second"),
        (
            "What Python (the guard, copies, a fresh result) adds to the bound call of a runtime, and to the compiled "
            "step:"
        ),
        "",
        *spans(added, "added", ", µs"),
        f"`import edgernn` takes {start['import_ms']:.0f} ms and `edgernn --help` {start['help_ms']:.0f} ms.",
        "",
    ]


def paced() -> list[str]:
    """One step when frames come one by one."""
    results = read("paced")
    machine, names = results["machine"], FP32 | {name: f"{head}, int8" for name, head in INT8.items()}
    ways = [(way, percent) for way in ("back to back", "paced", "primed") for percent in ("p50_us", "p99_us")]
    figures = [
        [names[name], *(f"{row[way][percent]:.1f}" for way, percent in ways)] for name, row in results["rows"].items()
    ]
    heads = [f"{results['cell'].upper()}&nbsp;{results['hidden']}, µs", *(f"{way}, {us[:3]}" for way, us in ways)]
    return [
        "## One step when frames come one by one",
        "",
        (
            f"Time from a frame to its answer, called from Python. A frame came every {machine['period_ms']:g} ms, and "
            "every other one was primed: edgernn by `stream.prime()`, the other ways by the same code on a second "
            f"state. {machine['frames']} frames of each kind, of each contender in turn for {machine['rounds']} "
            f"rounds; and steps back to back in the same run. Scheduling was {machine['scheduling']}, with a load of "
            f"{machine['load']:.1f}. {conditions(machine)}."
        ),
        "",
        *table(heads, figures),
    ]


def on_numpy() -> list[str]:
    """A step on numpy, bound to its arrays."""
    results = read("numpy_step")
    rows, machine = results["rows"], results["machine"]
    columns = (
        "fp32 by hand",
        "fp32 bound",
        "fp32 replayed",
        *(f"{scheme} bound" for scheme in SCHEMES[1:] if f"{scheme} bound" in rows[0]["p50_us"]),
    )
    ratios = {name: [row["ratios"][name] for row in rows] for name in rows[0]["ratios"]}
    return [
        "## One step on numpy",
        "",
        (
            "Median time in microseconds, back to back, of the step of a `.rnn` file without its guard: bound once to "
            "arrays that stay; replayed, as the definition is written; and by hand, for one cell with gates side by "
            f"side. Bound and replayed have the same bits. {conditions(machine)}."
        ),
        "",
        *table(["", *columns], [[model(row), *(f"{row['p50_us'][name]:.1f}" for name in columns)] for row in rows]),
        *spans(ratios, "time of the first / time of the second"),
    ]


def from_c() -> list[str]:
    """The compiled step without Python."""
    results = read("c_level")
    rows, machine = results["rows"], results["machine"]
    figures = [[model(row), *(f"{row['ns'][name] / 1000:.2f}" for name in FROM_C), *counted(row)] for row in rows]
    ratios = {name: [row["ratios"][name]["ratio"] for row in rows] for name in rows[0]["ratios"]}
    return [
        "## One step, called from C",
        "",
        (
            "Median time in microseconds, back to back, without Python. The C++ is `bench/c/yardstick.cpp`: plain "
            f"loops over sizes known to the compiler, `-O3 -march=native`. {conditions(machine)}."
        ),
        "",
        *table(["", *FROM_C.values(), "instructions fp32", "int8"], figures),
        *spans(ratios, "time of the first / time of the second"),
        (
            "`edgernn estimate` predicts these times of this machine within a factor of "
            f"{results['prediction_median_factor']:.2f} (median)."
        ),
        "",
    ]


def counted(row: dict[str, Any]) -> list[str]:
    counts = [row["instructions"][name] for name in ("fp32", "int8")]
    return ["not counted" if count is None else f"{count:,}" for count in counts]


def convolutions() -> list[str]:
    """A keyword step with convolutions against one that is written by hand."""
    results = read("convolutions")
    rows = results["rows"]
    figures = [
        [row["size"], *(f"{row['p50_us'][name]:.1f}" for name in rows[0]["p50_us"]), *_to_by_hand(row)] for row in rows
    ]
    return [
        "## A keyword step of two convolutions and a GRU",
        "",
        (
            "Median time of a step in microseconds, called from Python, contenders in turn, back to back: frames were "
            "not paced. The step by hand is `bench/by_hand.py`: ONNX Runtime's own Conv and GRU with explicit states, "
            f"the same weights and answers. {conditions(results['machine'])}."
        ),
        "",
        *table(["", *rows[0]["p50_us"], "compiled fp32 / faster by hand", "int8"], figures),
    ]


def _to_by_hand(row: dict[str, Any]) -> list[str]:
    return [f"{row['to_by_hand'][name]:.2f}" for name in ("compiled fp32 (edgernn)", "compiled int8 (edgernn)")]


def accuracy() -> list[str]:
    """What the recipes reach."""
    tasks = read_result("accuracy").data
    rows = []
    for name, task in tasks.items():
        seconds = mean(row["cpu_s"] for row in task["rows"])
        rows.append([name, task["text"], f"{task['rows'][0]['parameters']:,}", f"{seconds:.0f}"])
    agreements = [(task, one) for task in tasks.values() for row in task["rows"] for one in row["agreement"].values()]
    largest = max(one["largest_difference"] for _, one in agreements)
    # A forecast is no choice among answers, so only the other tasks have equal answers.
    equal = min(one["equal_answers"] for task, one in agreements if not task["beside"])
    return [
        "## Accuracy of the recipes",
        "",
        "On the test part, mean of three seeds (each).",
        "",
        *table(["task", "result", "weights", "CPU seconds of a training"], rows),
        (
            "Each model streams as `.rnn`, `.onnx`, `.tflite` and `.so`: no score is further than "
            f"{ceil(largest * 1e6) / 1e6:g} from that of torch, and {floor(equal * 1e4) / 1e2:g} % of the choices "
            "among classes or symbols are the same. Two settings were chosen with a look at their test parts, which "
            "makes these results optimistic: `late` of the surnames, and the augmentation for the new speaker."
        ),
        "",
    ]


def crnn() -> list[str]:
    """Two convolutions before a GRU, with one head and with two."""
    results = read("crnn")
    first = results["rows"][0]
    rows = []
    for row in results["rows"]:
        each = row["artifacts"].values()
        accuracies = {
            head: (min(one["accuracy"][head] for one in each), max(one["accuracy"][head] for one in each))
            for head in next(iter(each))["accuracy"]
        }
        texts = [
            f"{head} {least:.4f}" + (f" to {most:.4f}" * (most > least)) for head, (least, most) in accuracies.items()
        ]
        size = [f"{one['bytes']:,}" for one in each]
        rows.append([row["task"], row["precision"], f"{row['parameters']:,}", *size, ", ".join(texts)])
    return [
        "## Convolutions before a GRU",
        "",
        (
            "The recipes `spoken-digits-crnn` and `spoken-digits-speakers`: two `Conv2d` with strides over time and "
            f"frequency, a GRU of 64 units, and one dense layer, with one head or two. A step takes "
            f"{first['frames_per_step']} frames, {first['period_ms']:g} ms of raw samples. Bytes of every artifact "
            f"with the features in it: their matrices, {first['feature_weight_bytes']:,} bytes, are in all but `.rnn`, "
            f"which computes them. Accuracy on the {len(SUFFIXES)} runtimes, each on all test clips "
            f"(seed {results['seed']})."
        ),
        "",
        *table(["task", "precision", "weights", *(f"`{suffix}`" for suffix in SUFFIXES), "accuracy"], rows),
    ]


def cells() -> list[str]:
    """Which cell to choose."""
    results = read("cells")
    rows = [
        [
            row["cell"].upper().replace("BI", "bidirectional "),
            f"{row['mean']:.4f} ({row['least']:.4f} to {row['most']:.4f})",
            f"{row['parameters']:,}",
            f"{row['macs']:,}",
            f"{row['predicted_us']:.2f}",
            f"{row['measured_us']:.2f}",
            f"{row['cpu_s']:.0f}",
        ]
        for row in results["rows"]
    ]
    heads = ["spoken digits", "accuracy (lowest to highest)", "weights", "MACs", f"µs on {results['board']}, predicted"]
    return [
        "## Cells side by side",
        "",
        *table([*heads, "µs here, measured", "CPU s"], rows),
        "Bidirectional models take whole windows on ONNX Runtime; their time is that of one frame of a window.",
        "",
    ]


def keyword() -> list[str]:
    """A keyword in a stream that is never reset."""
    results = read("keyword_stream")
    word, scene = results["word"], results["scenes"]["test"]
    chosen, seeds = results["mean"][word], len(results["seeds"])
    missed = {name: each["miss_rate"] for name, each in results["mean"].items()}
    best, worst = min(missed, key=missed.__getitem__), max(missed, key=missed.__getitem__)
    return [
        "## A keyword in a stream",
        "",
        (
            f"{scene['hours']:.2f} hours of test clips with noise and silence between them, through one stream that is "
            f"never reset. The word '{word}' is missed {chosen['miss_rate']:.1%} of the time at "
            f"{chosen['false_an_hour']:.1f} false alarms an hour (mean of {seeds} trainings; smoothing and threshold "
            f"chosen on training clips). Of all ten words '{best}' is missed least, {missed[best]:.1%}, and '{worst}' "
            f"most, {missed[worst]:.1%}."
        ),
        "",
    ]


def compression() -> list[str]:
    """What a smaller model loses and gains."""
    results = read("compression")
    steps = {(row["runtime"], row["hidden"], row.get("scheme", "")): row for row in results["steps"]["rows"]}
    runtimes, machine = list(results["precisions"]["fp32"]["runtimes"]), results["steps"]["machine"]
    losses = [[scheme, *_loss(results, scheme)] for scheme in SCHEMES]
    times = [[scheme, *_times(steps, scheme, runtimes)] for scheme in SCHEMES]
    return [
        "## Precisions",
        "",
        "Spoken digits, GRU-32, three seeds. Where runtimes differ in an answer, the worst is shown.",
        "",
        *table(["", "answers changed of 900", "accuracy", "SNR, dB", "bytes of the .rnn"], losses),
        (
            "A step of 20 inputs, without the log-mel before it, for GRU-32 / GRU-128 in microseconds as Python "
            f"calls it on {machine['cpu']} ({machine['level']}). In brackets: how many times as fast as fp32 on the "
            "same runtime."
        ),
        "",
        *table(["", *runtimes], times),
        "## Pruning",
        "",
        *_pruned(results, steps, runtimes),
        "",
    ]


def _loss(results: Any, scheme: str) -> list[str]:
    entry = results["precisions"][scheme]
    runs = [run for run in entry["runtimes"].values() if "refused" not in run]
    snr = [run["snr_db"] for run in runs if run["snr_db"] is not None]
    return [
        str(max(run["changed"] for run in runs)),
        f"{min(run['accuracy'] for run in runs):.4f}",
        "exact" if scheme == "fp32" else f"{min(snr):.0f}",
        f"{entry['bytes']:,}",
    ]


def _times(steps: Any, scheme: str, runtimes: list[str]) -> list[str]:
    columns = []
    for runtime in runtimes:
        rows = [steps[runtime, hidden, ""] for hidden in (32, 128)]
        times = " / ".join(f"{row['us'][scheme]:.1f}" if scheme in row["us"] else "-" for row in rows)
        ratios = " / ".join(f"{row['times_as_fast'][scheme]:.2f}" if scheme in row["us"] else "-" for row in rows)
        columns.append(times if scheme == "fp32" else f"{times} ({ratios})")
    return columns


def _pruned(results: Any, steps: Any, runtimes: list[str]) -> list[str]:
    units, blocks, small = results["units"], results["blocks"], results["smallest"]
    faster = {
        scheme: ", ".join(f"{name} {steps[name, HALVED, scheme]['times_as_fast']['128']:.2f}" for name in runtimes)
        for scheme in ("fp32", "dynamic_wi8_afp32")
    }
    tiny = next(name for name, each in small.items() if min(row["after"] for row in each["rows"]) >= SMALLEST_SHARE)
    row = small[tiny]["rows"][0]
    return [
        (
            f"- Half of the units of GRU-64 removed and the rest trained further: accuracy {units['before']:.4f} "
            f"before, {units['cut']:.4f} after the cut, {units['after']:.4f} at the end; GRU-32 trained from scratch "
            f"reaches {units['from_scratch']:.4f}."
        ),
        (
            "- A GRU of 128 steps this many times as fast as one of 256: in fp32 "
            f"{faster['fp32']}; in dynamic int8 {faster['dynamic_wi8_afp32']}."
        ),
        (
            f"- GRU-128 with 80 % of its blocks zero, in int8: {blocks['before']:.4f} before, {blocks['after']:.4f} at "
            f"the end; its file is {blocks['smaller']['than_fp32']:.1f} times smaller than in fp32, and "
            f"{blocks['smaller']['than_int8']:.1f} times smaller than dense int8."
        ),
        (
            f"- The smallest that keeps {SMALLEST_SHARE:.0%} in every seed: {tiny} with weights of four bits, "
            f"{row['parameters']:,} parameters in {row['weight_bytes']:,} bytes, {small[tiny]['after']:.4f}. Length "
            "and teacher of each fine-tuning were chosen with a look at the test part, which makes this result "
            "optimistic."
        ),
    ]


def budgets() -> list[str]:
    """How far a verdict on latency can be trusted, and what a monitor costs."""
    regress, monitor = read("regress"), read("monitor")
    same, slower = (regress["rows"][kind] for kind in ("identical", "slower"))
    simulated = [
        [f"{steps:,}", f"bursts of {burst}", f"{rates['pass']:.1%}", f"{rates['fail']:.1%}"]
        for steps, burst in ((3000, 10), (6000, 20))
        for rates in [wrong(steps, burst)]
    ]
    return [
        "## Verdicts on latency",
        "",
        "How often `edgernn check` passes or fails a source that is exactly at the limit of p99 (simulated):",
        "",
        *table(["steps", "misses in", "PASS", "FAIL"], simulated),
        (
            f"`edgernn regress` on a shared machine: of {same['runs']} comparisons of identical artifacts "
            f"{same['flagged']} were flagged ({same['no_verdict']} without a verdict), of {slower['runs']} with a step "
            f"made {regress['calibration']['ratio'] - 1:.1%} slower {slower['flagged']} ({slower['no_verdict']} "
            f"without a verdict); {same['seconds']:.0f} and {slower['seconds']:.0f} s each."
        ),
        "",
        f"A monitor adds {monitor['added_us']['median']:.2f} µs to a step of {monitor['plain_us']:.2f} µs.",
        "",
    ]


def exports() -> list[str]:
    """What an export and a conversion cost."""
    results = read("export")
    files = [
        [
            f"`{row['format']}`" + (f" for {row['board']}" if row["board"] else ""),
            f"{row['bytes'] / 1e6:.1f}",
            f"{row['cpu_s']:.1f}",
            f"{row['wall_s']:.1f}",
            f"{row['times_the_file']:.1f}",
        ]
        for row in results["rows"]
    ]
    examples = [[f"{row['steps']:,}", f"{row['cpu_s']:.2f}", f"{row['wall_s']:.2f}"] for row in results["conversions"]]
    return [
        "## Conversion and export",
        "",
        (
            f"Two layers of GRU-400 between dense layers, {results['weights']:,} weights in float32, proved; "
            f"seconds of processors, compilers included, on {results['machine']['cpu']}. Memory is what the process "
            "grows by, as a multiple of the file."
        ),
        "",
        *table(["", "MB", "CPU s", "s on the clock", "memory"], files),
        "`from_torch` on an LSTM-20, by the length of the example:",
        "",
        *table(["steps", "CPU s", "s on the clock"], examples),
    ]


def wrong(steps: int, burst: int) -> dict[str, float]:
    """How often a verdict at the limit is wrong, in bursts of misses."""
    kind = {"percentile": 99.0, "steps": steps, "burst": burst, "inside": 1.0, "rate": 1.0}
    return next(row for row in read("verdicts")["rows"] if kind.items() <= row.items())
