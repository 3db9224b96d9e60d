"""Instructions of a step in C on every kind of processor, as emulators execute it; writes results/instructions.json.

Boards with an operating system: qemu with a plugin that counts. Microcontrollers: the firmware of `edgernn export`, by
`make run`. WebAssembly: the fuel of wasmtime, one for each instruction. tflite-runtime is counted on the same
emulated board: `invoke` alone, from Python. Nothing is timed, and no count says how long a step takes.
"""

import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests")]

import edgernn  # noqa: E402
import results  # noqa: E402
from c_level import CELLS, SIZES, graph  # noqa: E402
from edgernn.device import isa  # noqa: E402
from edgernn.errors import UnsupportedError  # noqa: E402
from edgernn_export import export, export_project  # noqa: E402
from edgernn_export.counting.count import count  # noqa: E402
from edgernn_export.targets.c.compiler import for_this_machine, shared_library  # noqa: E402
from emulated.processors import BOARDS  # noqa: E402
from emulated.system import site_packages, system  # noqa: E402
from machine import INPUTS, OUTPUTS  # noqa: E402

SCHEMES = ("", "dynamic_wi8_afp32", "static_wi8_ai8", "static_wi8_ai16")
LEVELS = ("aarch64", "aarch64-dotprod", "armv7-neon")
FIRMWARE = {"Cortex-M4": "stm32f407", "Cortex-M7": "stm32h743", "Cortex-M55": "stm32n657", "RV32IMC": "esp32c3"}
"""Processor -> the board whose firmware is counted."""
PEERS = {  # level -> board of tests/emulated, its runtime, and where its Interpreter is
    "armv7-neon": ("armv7", "tflite-runtime", "tflite_runtime.interpreter"),
}
INVOKED = """
import sys
from {module} import Interpreter
interpreter = Interpreter(sys.argv[1], num_threads=1)
interpreter.allocate_tensors()
for _ in range(int(sys.argv[2])):
    interpreter.invoke()
"""
COMPARED = [(cell, hidden, scheme) for cell in CELLS for hidden in (32, 128) for scheme in ("", "static_wi8_ai8")]
"""The models that a peer is counted on; each takes half a minute."""
STEPS, INVOCATIONS = 50, 200


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:
        place = Path(folder)
        models = [(cell, hidden, scheme) for cell in CELLS for hidden in SIZES for scheme in SCHEMES]
        rows = list(pool.map(partial(row, place), models))
        invoked = {level: peers(place, level, pool) for level in PEERS}
    for each in rows:
        each["peer"] = {level: counts.get(name(each)) for level, counts in invoked.items()}
    settings = {"steps": STEPS, "invocations": INVOCATIONS, "peers": {level: peer[1] for level, peer in PEERS.items()}}
    emulators = {tool: version(tool) for tool in ("qemu-aarch64", "qemu-system-arm", "qemu-system-riscv32")}
    results.write(
        "instructions", {"rows": rows}, results.UNTIMED, inputs=INPUTS, outputs=OUTPUTS, emulators=emulators, **settings
    )


def row(place: Path, model: tuple[str, int, str]) -> dict[str, Any]:
    """The counts of a model in a precision by processor; None where it does not fit."""
    cell, hidden, scheme = model
    form = precise(cell, hidden, scheme)
    found = {"cell": cell, "hidden": hidden, "precision": scheme or "fp32"}
    counts: dict[str, float | None] = {level: count(form, frames(), level).instructions for level in LEVELS}
    counts |= {processor: firmware(place, form, name(found), board) for processor, board in FIRMWARE.items()}
    counts["wasm32"] = web_assembly(place, form, name(found))
    print(*found.values(), counts, flush=True)
    return found | {"instructions": counts}


def name(model: dict[str, Any]) -> str:
    """The name of a model in files."""
    return f"{model['cell']}{model['hidden']}-{model['precision']}"


def frames() -> np.ndarray:
    """What streams take."""
    return np.random.default_rng(1).standard_normal((STEPS, INPUTS)).astype(np.float32)


def precise(cell: str, hidden: int, scheme: str) -> edgernn.Graph:
    """A model of the benchmarks in a precision."""
    plain = graph(cell, hidden)
    return edgernn.quantize(edgernn.calibrate(plain, [frames()]), scheme) if scheme else plain


def firmware(place: Path, form: edgernn.Graph, model: str, board: str) -> float | None:
    """The mean instructions of a step in the firmware for a board; None where it does not fit."""
    folder = place / f"{model}-{board}"
    try:
        export_project(form, folder, "firmware", device=board)
    except UnsupportedError as error:
        print(f"{model} on {board}: {error}")
        return None
    printed = subprocess.run(["make", "-s", "run"], cwd=folder, check=True, capture_output=True, text=True).stdout
    figure = re.search(r"^instructions_mean (\d+)$", printed, re.MULTILINE)
    assert figure, printed
    return float(figure[1])


def web_assembly(place: Path, form: edgernn.Graph, model: str) -> float:
    """The instructions of a step as WebAssembly, with frames of zeros."""
    import wasmtime

    export(form, place / f"{model}.wasm")
    config = wasmtime.Config()
    config.consume_fuel = True
    store = wasmtime.Store(wasmtime.Engine(config))
    store.set_fuel(1 << 60)
    instance = wasmtime.Instance(store, wasmtime.Module.from_file(store.engine, str(place / f"{model}.wasm")), [])
    functions = instance.exports(store)
    functions["_initialize"](store)
    stream = -(-functions["__heap_base"].value(store) // 64) * 64
    missing = stream + functions["edgernn_size"](store) - functions["memory"].data_len(store)
    if missing > 0:
        functions["memory"].grow(store, -(-missing // 65536))
    functions["edgernn_reset"](store, stream)
    functions["edgernn_advance"](store, stream)
    before = store.get_fuel()
    for _ in range(STEPS):
        functions["edgernn_advance"](store, stream)
    return (before - store.get_fuel()) / STEPS


def peers(place: Path, level: str, pool: ThreadPoolExecutor) -> dict[str, float]:
    """The instructions of `invoke` on an emulated board, by model."""
    board, runtime, module = PEERS[level]
    here, (wheel,) = system(board, BOARDS[board]), (HERE.parent / ".cache/dist").glob("*.whl")
    packages = site_packages(here.board, runtime, wheel)
    library = place / "plugin.so"
    source = (HERE.parent / "export/edgernn_export/counting/templates/plugin.c").read_text()
    library.write_bytes(shared_library(source, for_this_machine(isa.level(isa.best()))))

    def invoked(model: tuple[str, int, str]) -> tuple[str, float]:
        known = name({"cell": model[0], "hidden": model[1], "precision": model[2] or "fp32"})
        path = place / f"{known}-{runtime}.tflite"
        export(precise(*model), path, runtime=runtime)
        few, more = (executed(here, packages, module, path, n, library) for n in (10, 10 + INVOCATIONS))
        return known, (more - few) / INVOCATIONS

    return dict(pool.map(invoked, COMPARED))


def executed(here: Any, packages: Path, module: str, model: Path, invocations: int, library: Path) -> int:
    """The instructions of a Python on a board that invokes a model, in one thread."""
    call, environment = here.python("-c", INVOKED.format(module=module), model, invocations, packages=packages)
    emulator = re.sub(r"-static$", "", call[0])  # the static one takes no plugins
    report = library.with_name(f"{model.stem}-{invocations}")
    call = [emulator, "-plugin", f"{library},out={report}", *call[1:]]
    subprocess.run(call, env=environment | {"PYTHONHASHSEED": "0"}, check=True, capture_output=True)
    return int(report.read_text())


def version(tool: str) -> str:
    """The first line of what a program says of itself."""
    return subprocess.run([tool, "--version"], check=True, capture_output=True, text=True).stdout.splitlines()[0]


if __name__ == "__main__":
    main()
