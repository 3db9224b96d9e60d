"""What a board without numpy does: each library with its loader, run by a Python that has nothing else.

    python -S bare.py FOLDER

FOLDER has libraries with their loaders and, for each, a JSON of frames and of the answers that the host computed.
"""

import importlib.util
import json
import sys
from pathlib import Path


def main(folder: Path) -> None:
    for package in ("numpy", "edgernn"):
        assert importlib.util.find_spec(package) is None, f"{package} is installed here"
    goldens, exact, worst = sorted(folder.glob("*.json")), 0, 0.0
    assert goldens, f"there is nothing to check in {folder}"
    for path in goldens:
        golden = json.loads(path.read_text())
        stream = loader(path).Stream(str(path.with_suffix(".so")))
        error = max(
            abs(value - expected)
            for frame, row in zip(golden["frames"], golden["expected"], strict=True)
            for value, expected in zip(flat(stream.step(frame)), row, strict=True)
        )
        assert error <= golden["most"], (path.stem, error, golden["most"])
        exact += golden["most"] == 0
        worst = max(worst, error)
    print(f"without numpy: {len(goldens)} models match, largest error {worst:.1e}, {exact} with the same bits")


def flat(answer) -> list[float]:
    """All numbers of an answer; several outputs side by side."""
    return [value for part in answer.values() for value in part] if isinstance(answer, dict) else list(answer)


def loader(path: Path):
    """The module that was written beside a library."""
    name = "".join(each if each.isascii() and (each.isalnum() or each == "_") else "_" for each in path.stem)
    spec = importlib.util.spec_from_file_location("loader", path.with_name(f"{name}_stream.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


main(Path(sys.argv[1]))
