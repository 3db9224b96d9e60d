"""What `make boards` executed where: the table of README, and the sections of docs/results.md."""

from typing import Any

from tables import model, read, table

PROFILES = (
    "ten Linux boards and eight microcontrollers have a [profile](devices/README.md) with a source for every figure; "
    "none was at hand to time a step on"
)

OPENED = ("edgernn.open", "several levels", "unchecked")


def _by(rows: list[dict[str, Any]], key: str) -> dict[str, list[dict[str, Any]]]:
    """The rows of each value of a column, in order."""
    return {value: [row for row in rows if row[key] == value] for value in dict.fromkeys(row[key] for row in rows)}


def summary() -> str:
    """The table of README."""
    results = read("boards")
    lines = [
        f"| executed by `make boards`, in qemu {results['machine']['qemu']} | |",
        "|---|---|",
    ]
    for name, rows in _by(results["boards"], "board").items():
        runtimes = [row["runtime"] for row in rows if "models" in row]
        runs = ", ".join(each for each in runtimes if each != "without numpy")
        lines.append(
            f"| {name} ({rows[0]['core']}) | the wheel: {runs}, numpy and compiled, {rows[0]['models']} models; a "
            "Python without numpy |"
        )
    steps = _by(results["steps"], "processor")
    others = ", ".join(f"{name} ({rows[0]['core']})" for name, rows in steps.items())
    precisions = len(next(iter(steps.values())))
    lines += [
        f"| {others} | compiled steps in {precisions} precisions, the same bits where they are promised |",
        (
            "| elsewhere | x86-64 from SSE2 to AVX-512 VNNI is run by the tests (AVX-VNNI in another encoding); "
            f"{PROFILES} |"
        ),
    ]
    return "\n".join(lines)


def boards() -> list[str]:
    """What ran on emulated boards, and on processors of every kind."""
    results = read("boards")
    wheels = [
        [
            f"{row['board']}, {row['core']}",
            row["runtime"],
            str(row["models"]),
            f"{row['exact']:,}",
            f"{row['error']:.0e}",
        ]
        for row in results["boards"]
        if "models" in row
    ]
    crashes = [
        f"{row['runtime']} on {row['board']} crashes at the first step of {', '.join(row['crashing'])}, which run "
        "there on numpy and compiled, and in its reference kernels.\n"
        for row in results["boards"]
        if row.get("crashing")
    ]
    refused = [
        [f"{row['board']}, {row['core']}", *(_short(row[name]) for name in OPENED)]
        for row in results["boards"]
        if "unchecked" in row
    ]
    steps = _by(results["steps"], "processor")
    precisions = [row["precision"] for row in next(iter(steps.values()))]
    cells = [[f"{name}, {rows[0]['core']}", *(_cell(row) for row in rows)] for name, rows in steps.items()]
    return [
        "## Executed where",
        "",
        (
            f"By `make boards`, in qemu {results['machine']['qemu']}: it shows bits and refusals, and nothing of time. "
            "The wheel is installed as pip chooses for the board; the host hands over artifacts and answers. A result "
            "is one vector of one step; those with the same bits are on numpy and compiled, where the manifest "
            "promises them. The error of float is that of the largest value, or of 1, after 40 steps."
        ),
        "",
        *table(["", "runtime, with numpy and compiled", "models", "results with the same bits", "error"], wheels),
        *crashes,
        "A library compiled for dot products, as each processor opens it:",
        "",
        *table(["", "`edgernn.open`", "with a level for each", "its code, called unchecked"], refused),
        (
            f"Compiled steps, by ziglang {results['machine']['ziglang']} and without any other C library: of the "
            "numbers in all answers and states, how many are promised to be the same bits, and are; and the largest "
            "error of the others."
        ),
        "",
        *table(["", *precisions], cells),
    ]


def _short(text: str) -> str:
    """The end of a message, which says what is missing."""
    return f"refused: {text.partition(' needs ')[2].partition(';')[0]}" if text.startswith("refused:") else text


def _cell(row: dict[str, Any]) -> str:
    share = row["exact"] / row["results"]
    bits = "all equal" if share == 1 else f"{share:.0%} equal, else " if share else ""
    return bits if share == 1 else f"{bits}{row['error']:.0e}"


SHOWN = ("fp32", "static_wi8_ai8", "static_wi8_ai16")


def counted() -> list[str]:
    """Instructions of a step on emulated processors, beside those of LiteRT on the same ones."""
    results = read("instructions")
    rows, peers = results["rows"], results["machine"]["peers"]
    names = [*rows[0]["instructions"]]
    counts = [
        [f"{model(row)}, {row['precision']}", *(_thousands(row["instructions"][name]) for name in names)]
        for row in rows
        if row["hidden"] in (32, 128) and row["precision"] in SHOWN
    ]
    beside = [
        [f"{model(row)}, {row['precision']}", *(_part(row, level) for level in peers)]
        for row in rows
        if all(row["peer"].values())
    ]
    return [
        "## Instructions of a step on other processors",
        "",
        (
            "Thousands of instructions of a step in C, as emulators execute it: Linux boards in qemu with a plugin, "
            "microcontrollers as the firmware of `edgernn export`, WebAssembly in wasmtime. A count is the same in "
            "every run; how long an instruction takes, no emulator shows. RV32IMC computes floats by calls."
        ),
        "",
        *table(["", *names], counts),
        (
            "The part of the instructions of `invoke`, called from Python on the same emulated processor, that the "
            f"step in C takes: {', '.join(f'{runtime} on {level}' for level, runtime in peers.items())}."
        ),
        "",
        *table(["", *peers], beside),
    ]


def _thousands(instructions: float | None) -> str:
    return "does not fit" if instructions is None else f"{instructions / 1000:,.1f}"


def _part(row: dict[str, Any], level: str) -> str:
    return f"{row['instructions'][level] / row['peer'][level]:.2f}"
