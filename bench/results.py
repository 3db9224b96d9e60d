"""The files of bench/results: one schema for all of them, and one machine for all that a make target measures."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from machine import machine, versions

FOLDER = Path(__file__).parent / "results"

BACK_TO_BACK, PACED, BOTH, UNTIMED = "back to back", "paced", "back to back and paced", "untimed"
PACINGS = (BACK_TO_BACK, PACED, BOTH, UNTIMED)
"""How frames came while steps were timed; "untimed" where no figure depends on how fast the machine is."""

TARGETS: Mapping[str, tuple[str, ...]] = {
    "bench": (
        *("step_latency", "paced", "levels", "streams", "numpy_step", "c_level", "c_footprint"),
        *("convolutions", "monitor", "regress", "verdicts", "export", "wasm"),
    ),
    "accuracy": ("accuracy", "crnn", "keyword_stream", "cells", "spectra", "delta"),
    "compression": ("compression",),
    "denoise": ("denoise",),
    "boards": ("boards",),
    "instructions": ("instructions", "microcontrollers"),
}
"""A make target -> the results that it measures."""


class ResultsError(ValueError):
    """A file of results that has another schema, or that comes from another machine than those beside it."""


@dataclass(frozen=True)
class Result:
    """What a benchmark measured, and where.

    Attributes:
        machine: the processor ("cpu"), the instruction set level of compiled code ("level"), and "python".
        versions: of the packages.
        pacing: one of PACINGS.
        settings: rounds, steps and other options of the benchmark.
        data: the figures.
    """

    machine: Mapping[str, str]
    versions: Mapping[str, str]
    pacing: str
    settings: Mapping[str, Any]
    data: Any

    @property
    def place(self) -> str:
        """The machine in words."""
        return f"{self.machine['cpu']} ({self.machine['level']})"

    @property
    def table(self) -> dict[str, Any]:
        """The figures, with the machine, the versions and the settings under "machine", for the tables."""
        return {**self.data, "machine": {**self.machine, **self.settings, "versions": self.versions}}


def write(path: str | Path, data: Any, pacing: str, **settings: Any) -> Path:
    """Write a file of results; `path` is one, or a name in bench/results."""
    result = Result(machine(), versions(), pacing, settings, data)
    place = FOLDER / f"{path}.json" if isinstance(path, str) else path
    place.parent.mkdir(exist_ok=True)
    place.write_text(text(result))
    print(f"written to {place}")
    return place


def text(result: Result) -> str:
    """The file of a result: rows of a long list are a line each."""
    if not isinstance(result.data, list):
        return json.dumps(asdict(result), indent=1) + "\n"
    head = json.dumps(asdict(result) | {"data": None}, indent=1).removesuffix("null\n}")
    return head + "[\n" + ",\n".join(map(json.dumps, result.data)) + "\n]}\n"


def read(name: str, folder: Path = FOLDER) -> Result:
    """Read a file of results.

    Raises:
        ResultsError: it has another schema.
    """
    content = json.loads((folder / f"{name}.json").read_text())
    fields = {*Result.__dataclass_fields__}
    if not isinstance(content, dict) or content.keys() != fields:
        keys = ", ".join(sorted(content)) if isinstance(content, dict) else f"a {type(content).__name__}"
        raise ResultsError(
            f"{name}.json has {keys}; expected {', '.join(sorted(fields))}: write it with results.write of bench/"
        )
    result = Result(**content)
    if result.pacing not in PACINGS or not {"cpu", "level", "python"} <= result.machine.keys():
        raise ResultsError(
            f"{name}.json is of the pacing '{result.pacing}' and the machine {dict(result.machine)}; expected one of "
            f"{', '.join(PACINGS)}, and cpu, level and python"
        )
    return result


def check_machines(folder: Path = FOLDER) -> None:
    """Refuse times of different machines among the results of a make target.

    Raises:
        ResultsError: the message names a file of each machine.
    """
    for target, names in TARGETS.items():
        timed = [name for name in names if (folder / f"{name}.json").exists()]
        places = {name: result.place for name in timed if (result := read(name, folder)).pacing != UNTIMED}
        first = {place: name for name, place in reversed(places.items())}
        if len(first) > 1:
            each = "; ".join(f"{name}.json was measured on {place}" for place, name in first.items())
            raise ResultsError(f"times of different machines cannot stand in one table: {each}. Run `make {target}`")
