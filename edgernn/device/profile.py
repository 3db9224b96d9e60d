"""The profile of a board: a TOML file in which every figure has its source, read strictly."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Any

from edgernn.device.isa import LEVELS, MICROCONTROLLERS
from edgernn.device.rates import SECTION as BUDGETS, StepRate, read as read_uses
from edgernn.files.document import Document, parse
from edgernn.files.spelling import closest, misspelt

UNKNOWN = "unknown"
TABLE = '{ value = ..., source = "..." }'


@dataclass(frozen=True)
class Figure:
    """What is known of a board in one respect; `source` is a name in the profile's table of sources."""

    value: Any
    source: str


@dataclass(frozen=True)
class Profile:
    """What a file says: figures that are unknown are left out; sources are citations by their names.

    `uses` are those that the file states, and no others; a use is a choice and no figure, so it needs no source.
    """

    title: str
    figures: Mapping[str, Figure]
    sources: Mapping[str, str]
    rates: Mapping[str, StepRate] = field(default_factory=dict)


@dataclass(frozen=True)
class Kind:
    """The values that a figure may have, in words and as a test."""

    words: str
    allows: Callable[[Any], bool]


def _whole(low: int, high: int, unit: str = "") -> Kind:
    words = f"a whole number{unit and f' of {unit}'} from {low} to {high}"
    return Kind(words, lambda value: type(value) is int and low <= value <= high)


def _text(pattern: str, words: str) -> Kind:
    return Kind(words, lambda value: isinstance(value, str) and value != UNKNOWN and bool(re.fullmatch(pattern, value)))


def _some(names: tuple[str, ...]) -> Kind:
    words = f"a list of some of {', '.join(names)}"
    return Kind(words, lambda value: isinstance(value, list) and len(set(map(str, value)) & {*names}) == len(value))


_KIB = _whole(0, 1 << 20, "KiB")
_TRIPLE = r"[a-z0-9_]+-linux-[a-z0-9]+(\.\d+\.\d+)?"
_YES = Kind("true or false", lambda value: isinstance(value, bool))


def _one(names: Iterable[str]) -> Kind:
    known = tuple(names)
    return Kind(f"one of {', '.join(known)}", lambda value: isinstance(value, str) and value in known)


FIGURES: Mapping[str, Mapping[str, Kind]] = MappingProxyType(
    {
        "processor": {
            "core": _text(r"\S.*", "the name of the core"),
            "cores": _whole(1, 4096),
            "clock_mhz": _whole(1, 10_000, "MHz"),
            "level": _one(LEVELS),
            "l1d_kib": _whole(1, 1 << 20, "KiB"),
            "l2_kib": _KIB,
            "l3_kib": _KIB,
            "shared": _some(("l1d", "l2", "l3")),
        },
        "memory": {
            "ram_mib": _whole(1, 1 << 24, "MiB"),
            "mb_per_s": _whole(1, 10_000_000, "MB/s"),
        },
        "system": {
            "python": _text(r"3\.\d+", 'a version such as "3.13"'),
            "triple": _text(_TRIPLE, 'what zig calls a target, such as "aarch64-linux-gnu.2.36"'),
            "cpu": _text(r"[a-z0-9_]+", 'what zig calls a processor, such as "cortex_a72"'),
            "governor": _text(r"[a-z]+", 'what rules the clock, such as "performance"'),
        },
        "runtimes": dict.fromkeys(("numpy", "onnxruntime", "ai-edge-litert", "tflite-runtime"), _YES),
        "microcontroller": {
            "flash_kib": _whole(1, 1 << 20, "KiB"),
            "sram_kib": _whole(1, 1 << 20, "KiB"),
            "fpu": _one(("none", "single", "double")),
            "dsp": _YES,
            "isa": _one(MICROCONTROLLERS),
        },
    }
)
"""Section -> figure -> the values that it may have. No two sections have a figure of the same name."""

MICROCONTROLLER = ("core", "cores", "clock_mhz", *FIGURES["microcontroller"])
"""All that the profile of a microcontroller has: it runs no system, and nothing but C."""

COMPUTER = tuple(key for section in FIGURES if section != "microcontroller" for key in FIGURES[section])


def read(data: bytes, path: str) -> Profile:
    """Read a profile.

    Args:
        data: the bytes of the file.
        path: its name, for messages.

    Raises:
        FileError: no TOML, an unknown key, an impossible value, a figure without a source, a source that nothing uses;
            with the line, and with a suggestion where a name looks misspelt.
    """
    return _Reader(parse(data, path)).profile()


def write(profile: Profile) -> bytes:
    """The file of a profile of a computer, which `read` gives back; unknown figures are said to be so."""
    lines = [f"title = {_quoted(profile.title)}", "", "[sources]"]
    lines += [f"{_quoted(name)} = {_quoted(citation)}" for name, citation in profile.sources.items()]
    for section in (name for name in FIGURES if name != "microcontroller"):
        lines += ["", f"[{section}]"]
        for key in FIGURES[section]:
            figure = profile.figures.get(key)
            told = figure and f"{{ value = {_quoted(figure.value)}, source = {_quoted(figure.source)} }}"
            lines.append(f"{key} = {told or _quoted(UNKNOWN)}")
    for name, rate in profile.rates.items():
        lines += ["", f"[{BUDGETS}.{_quoted(name)}]", *(f"{key} = {value}" for key, value in asdict(rate).items())]
    return "\n".join([*lines, ""]).encode()


def _quoted(value: Any) -> str:
    """A text, number, truth or list as TOML, which JSON is but for one character."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


class _Reader:
    """One file while it is being checked; every refusal names a line."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self._error = document.error

    def profile(self) -> Profile:
        said = self.document.values
        known = ("title", "sources", *FIGURES, BUDGETS)
        for name in said:
            if name not in known:
                raise self._error(f"there is no '{name}' in a profile; {misspelt(name, known)}", name)
        title = said.get("title")
        if not isinstance(title, str) or not title.strip():
            raise self._error(f"the title is {title!r}; expected the board's name in words", "title")
        sources = self._sources(said.get("sources", {}))
        figures = {
            key: figure for section in FIGURES for key, figure in self._section(section, said.get(section, {})).items()
        }
        self._check_kind(figures)
        self._check_sources(figures, sources)
        self._check_triple(figures)
        self._check_cpu(figures)
        rates = read_uses(self.document)
        return Profile(title, MappingProxyType(figures), MappingProxyType(sources), rates)

    def _sources(self, table: Any) -> dict[str, str]:
        if not isinstance(table, dict):
            raise self._error("'sources' is no table; expected [sources] with lines such as soc = \"...\"", "sources")
        for name, citation in table.items():
            if not isinstance(citation, str) or not citation.strip():
                raise self._error(f"source '{name}' is {citation!r}; expected a citation in words", name, "sources")
        return table

    def _section(self, section: str, table: Any) -> dict[str, Figure]:
        if not isinstance(table, dict):
            raise self._error(f"'{section}' is no table; expected [{section}] with figures below it", section)
        for key in table:
            if key not in FIGURES[section]:
                home = next((name for name in FIGURES if key in FIGURES[name]), None)
                told = f"it belongs to [{home}]" if home else misspelt(key, FIGURES[section])
                raise self._error(f"there is no figure '{key}' in [{section}]; {told}", key, section)
        stated = {key: table[key] for key in FIGURES[section] if table.get(key, UNKNOWN) != UNKNOWN}
        return {key: self._figure(section, key, said) for key, said in stated.items()}

    def _figure(self, section: str, key: str, said: Any) -> Figure:
        if not isinstance(said, dict):
            told = f"'{key}' is {said!r}, without a source; write {TABLE}, or \"{UNKNOWN}\""
            raise self._error(told, key, section)
        for name in said:
            if name not in {"value", "source"}:
                told = f"'{key}' has no part '{name}'; {misspelt(name, ('value', 'source'))}"
                raise self._error(told, key, section)
        for name in ("value", "source"):
            if name not in said:
                raise self._error(f"'{key}' has no {name}; write {TABLE}, or \"{UNKNOWN}\"", key, section)
        kind = FIGURES[section][key]
        if not kind.allows(said["value"]):
            close = closest(str(said["value"]), LEVELS, products=True) if key == "level" else ""
            hint = f"; did you mean '{close}'?" if close else ""
            raise self._error(f"'{key}' is {said['value']!r}; expected {kind.words}{hint}", key, section)
        value = tuple(said["value"]) if isinstance(said["value"], list) else said["value"]
        return Figure(value, str(said["source"]))

    def _check_kind(self, figures: dict[str, Figure]) -> None:
        """A microcontroller has nothing of what is said of a computer."""
        if "microcontroller" not in self.document.values:
            return
        for key in figures:
            if key not in MICROCONTROLLER:
                told = f"a microcontroller has no '{key}'; there are {', '.join(MICROCONTROLLER)}"
                raise self._error(told, key)

    def _check_sources(self, figures: dict[str, Figure], sources: dict[str, str]) -> None:
        for key, figure in figures.items():
            if figure.source not in sources:
                told = misspelt(figure.source, sources) if sources else "there are none"
                raise self._error(f"'{key}' has the source '{figure.source}', not in [sources]; {told}", key)
        for name in sources:
            if name not in {figure.source for figure in figures.values()}:
                raise self._error(f"source '{name}' is the source of no figure; take it out", name, "sources")

    def _check_triple(self, figures: dict[str, Figure]) -> None:
        """The compiler must write for the machine that the level says."""
        if "level" not in figures or "triple" not in figures:
            return
        level, triple = figures["level"].value, figures["triple"].value
        wanted = {"armv7l": "arm"}.get(LEVELS[level].machine, LEVELS[level].machine)
        if triple.split("-")[0] != wanted:
            raise self._error(f"'triple' is {triple!r}, but level '{level}' needs one for {wanted}", "triple", "system")

    def _check_cpu(self, figures: dict[str, Figure]) -> None:
        """What is compiled for the processor must run on all that the level says."""
        if "level" not in figures or "cpu" not in figures:
            return
        level, cpu = figures["level"].value, figures["cpu"].value
        if cpu not in LEVELS[level].cpus:
            told = misspelt(cpu, LEVELS[level].cpus)
            raise self._error(f"'cpu' is '{cpu}', which may have more than level '{level}'; {told}", "cpu", "system")
