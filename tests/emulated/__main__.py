"""`make boards`: the wheel and compiled steps on the processors of boards, in qemu; writes bench/results/boards.json.

    python -m emulated [--only WORD] [--no-write]

Exits with 1 where a board computes something else than the host, and with 2 where a program is missing.
"""

import argparse
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any

from emulated import prepared, pythons, steps
from emulated.debian import PreparationError, ran
from emulated.processors import BOARDS, PROCESSORS, MissingProgramError, emulator
from emulated.system import ROOT, site_packages, system

sys.path.insert(0, str(ROOT / "bench"))
import results

WORKERS = 2


def python_boards(only: str, wheel: Path) -> list[dict[str, Any]]:
    """A row for each board and runtime."""
    boards = {name: board for name, board in BOARDS.items() if only in name}
    systems = {name: system(name, board) for name, board in boards.items()}
    for board in boards.values():
        for runtime in board.runtimes:
            site_packages(board, runtime, wheel)  # what cannot be installed is seen before anything is compiled
    folders = prepared.for_boards(boards)

    def of_board(name: str) -> list[dict[str, Any]]:
        board, here, folder = boards[name], systems[name], folders[name]
        common = {"board": name, "core": board.processor.title, "profile": board.device}
        rows = [{**common, **row} for row in pythons.checked(here, folder, wheel)]
        if (folder / prepared.DOT_PRODUCTS).exists():
            rows.append({**common, "runtime": "dot products", **pythons.refusals(here, folder, wheel)})
        return _shown(rows)

    with ThreadPoolExecutor(WORKERS) as pool:
        return [row for rows in pool.map(of_board, boards) for row in rows]


def compiled_steps(only: str) -> list[dict[str, Any]]:
    """A row for each processor and precision."""
    chosen = [(name, precision) for name, precision in product(PROCESSORS, steps.PRECISIONS) if only in name]
    for name, precision in chosen:
        emulator(PROCESSORS[name])  # all of them are there, before any compiles
        steps.cases(precision)
    with ThreadPoolExecutor(WORKERS) as pool:

        def of_processor(each: tuple[str, str]) -> list[dict[str, Any]]:
            name, precision = each
            row = steps.compared(PROCESSORS[name], precision)
            return _shown([{"processor": name, "core": PROCESSORS[name].title, "precision": precision, **row}])

        return [row for rows in pool.map(of_processor, chosen) for row in rows]


def _shown(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for row in rows:
        print(", ".join(f"{value}" for value in row.values()), flush=True)
    return rows


def _wheel() -> Path:
    wheels = sorted((ROOT / ".cache/dist").glob("*.whl"))
    if not wheels:
        raise MissingProgramError("there is no wheel in .cache/dist: `make dist` builds it")
    return wheels[-1]


def main() -> int:
    parser = argparse.ArgumentParser(prog="emulated", description=__doc__)
    parser.add_argument("--only", default="", metavar="WORD", help="boards and processors with this in their name")
    parser.add_argument("--no-write", action="store_true", help="write no results")
    options = parser.parse_args()
    started = time.monotonic()
    try:
        data = {"boards": python_boards(options.only, _wheel()), "steps": compiled_steps(options.only)}
    except MissingProgramError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    except (PreparationError, pythons.BoardError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    print(f"all boards agree with the host, after {time.monotonic() - started:.0f} s")
    if not options.only and not options.no_write:
        results.write("boards", data, results.UNTIMED, qemu=_qemu(), ziglang=version("ziglang"))
    return 0


def _qemu() -> str:
    """The version of the emulator."""
    return ran([emulator(BOARDS["armv7"].processor)[0], "--version"]).split()[2]


if __name__ == "__main__":
    sys.exit(main())
