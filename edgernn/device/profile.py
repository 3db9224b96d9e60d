"""The profile of a board: a TOML file in which every figure has its source, checked strictly."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Any

import tomli_w

from edgernn.device.isa import LEVELS, MICROCONTROLLERS
from edgernn.device.rates import SECTION as BUDGETS, StepRate, parse_rates
from edgernn.device.runtimes import packages
from edgernn.files.document import Document, parse
from edgernn.files.spelling import closest, misspelt

UNKNOWN = "unknown"
TABLE = '{ value = ..., source = "..." }'
ARRAY = r"\[\n((?: .*\n)*)\]"  # as tomli_w writes one


@dataclass(frozen=True)
class Figure:
    """A property of a board; `source` is a name in the profile's table of sources."""

    value: Any
    source: str


@dataclass(frozen=True)
class Profile:
    """The content of a profile.

    Attributes:
        title: the name of the board in words.
        figures: without those that are unknown.
        sources: name -> citation.
        rates: those that the file states; a rate is a choice and not a figure, so it needs no source.
    """

    title: str
    figures: Mapping[str, Figure]
    sources: Mapping[str, str]
    rates: Mapping[str, StepRate] = field(default_factory=dict)


@dataclass(frozen=True)
class Domain:
    """The values that a figure may have, as a description and as a predicate."""

    description: str
    contains: Callable[[Any], bool]


def _integers(low: int, high: int, unit: str = "") -> Domain:
    description = f"a whole number{unit and f' of {unit}'} from {low} to {high}"
    return Domain(description, lambda value: type(value) is int and low <= value <= high)


def _text(pattern: str, description: str) -> Domain:
    return Domain(
        description, lambda value: isinstance(value, str) and value != UNKNOWN and bool(re.fullmatch(pattern, value))
    )


def _some(names: tuple[str, ...]) -> Domain:
    return Domain(
        f"a list of some of {', '.join(names)}",
        lambda value: isinstance(value, list) and len(set(map(str, value)) & {*names}) == len(value),
    )


_KIB = _integers(0, 1 << 20, "KiB")
_TRIPLE = r"[a-z0-9_]+-linux-[a-z0-9]+(\.\d+\.\d+)?"
_BOOLEAN = Domain("true or false", lambda value: isinstance(value, bool))


def _one(names: Iterable[str]) -> Domain:
    known = tuple(names)
    return Domain(f"one of {', '.join(known)}", lambda value: isinstance(value, str) and value in known)


FIGURES: Mapping[str, Mapping[str, Domain]] = MappingProxyType(
    {
        "processor": {
            "core": _text(r"\S.*", "the name of the core"),
            "cores": _integers(1, 4096),
            "clock_mhz": _integers(1, 10_000, "MHz"),
            "level": _one(LEVELS),
            "l1d_kib": _integers(1, 1 << 20, "KiB"),
            "l2_kib": _KIB,
            "l3_kib": _KIB,
            "shared": _some(("l1d", "l2", "l3")),
        },
        "memory": {
            "ram_mib": _integers(1, 1 << 24, "MiB"),
            "mb_per_s": _integers(1, 10_000_000, "MB/s"),
        },
        "system": {
            "python": _text(r"3\.\d+", 'a version such as "3.13"'),
            "triple": _text(_TRIPLE, 'what zig calls a target, such as "aarch64-linux-gnu.2.36"'),
            "cpu": _text(r"[a-z0-9_]+", 'what zig calls a processor, such as "cortex_a72"'),
            "governor": _text(r"[a-z]+", 'what rules the clock, such as "performance"'),
        },
        "runtimes": dict.fromkeys(packages(), _BOOLEAN),
        "microcontroller": {
            "flash_kib": _integers(1, 1 << 20, "KiB"),
            "sram_kib": _integers(1, 1 << 20, "KiB"),
            "fpu": _one(("none", "single", "double")),
            "dsp": _BOOLEAN,
            "isa": _one(MICROCONTROLLERS),
        },
    }
)
"""Section -> figure -> its values. No two sections have a figure of the same name."""

MICROCONTROLLER = ("core", "cores", "clock_mhz", *FIGURES["microcontroller"])
"""The figures of a microcontroller, which has no operating system and runs nothing but C."""

COMPUTER = tuple(key for section in FIGURES if section != "microcontroller" for key in FIGURES[section])


def parse_profile(data: bytes, path: str) -> Profile:
    """Parse and check a profile.

    Args:
        data: the bytes of the file.
        path: the name of the file, for messages.

    Raises:
        FileError: the file is not TOML, a key is unknown, a value is out of range, a figure has no source, or a source
            has no figure; with the line, and with a suggestion where a name looks misspelt.
    """
    return _Parser(parse(data, path)).profile()


def dump_profile(profile: Profile) -> bytes:
    """The TOML of a profile of a computer, with every unknown figure; `parse_profile` returns the same profile."""
    text = tomli_w.dumps({"title": profile.title, "sources": dict(profile.sources)})
    for section in (name for name in FIGURES if name != "microcontroller"):
        lines = [_line(key, profile.figures.get(key)) for key in FIGURES[section]]
        text += "\n".join(["", f"[{section}]", *lines, ""])
    if profile.rates:
        text += "\n" + tomli_w.dumps({BUDGETS: {name: asdict(rate) for name, rate in profile.rates.items()}})
    return text.encode()


def _line(key: str, figure: Figure | None) -> str:
    """A figure as a table in one line, the form in which people write profiles; the library has a line for each key."""
    if figure is None:
        return tomli_w.dumps({key: UNKNOWN}).strip()
    value = list(figure.value) if isinstance(figure.value, tuple) else figure.value
    parts = tomli_w.dumps({"value": value, "source": figure.source}).strip()
    return f"{key} = {{ {re.sub(ARRAY, _in_one_line, parts).replace(chr(10), ', ')} }}"


def _in_one_line(array: re.Match[str]) -> str:
    return f"[{', '.join(line.strip().rstrip(',') for line in array[1].splitlines())}]"


class _Parser:
    """One file while it is checked; every error names a line."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self._error = document.error

    def profile(self) -> Profile:
        values = self.document.values
        known = ("title", "sources", *FIGURES, BUDGETS)
        for name in values:
            if name not in known:
                raise self._error(f"there is no '{name}' in a profile; {misspelt(name, known)}", name)
        title = values.get("title")
        if not isinstance(title, str) or not title.strip():
            raise self._error(f"the title is {title!r}; expected the board's name in words", "title")
        sources = self._sources(values.get("sources", {}))
        figures = {
            key: figure
            for section in FIGURES
            for key, figure in self._section(section, values.get(section, {})).items()
        }
        self._check_microcontroller(figures)
        self._check_sources(figures, sources)
        self._check_triple(figures)
        self._check_cpu(figures)
        rates = parse_rates(self.document)
        return Profile(title, MappingProxyType(figures), MappingProxyType(sources), rates)

    def _sources(self, table: Any) -> dict[str, str]:
        if not isinstance(table, dict):
            raise self._error(
                "'sources' is not a table; expected [sources] with lines such as soc = \"...\"", "sources"
            )
        for name, citation in table.items():
            if not isinstance(citation, str) or not citation.strip():
                raise self._error(f"source '{name}' is {citation!r}; expected a citation in words", name, "sources")
        return table

    def _section(self, section: str, table: Any) -> dict[str, Figure]:
        if not isinstance(table, dict):
            raise self._error(f"'{section}' is not a table; expected [{section}] with figures below it", section)
        for key in table:
            if key not in FIGURES[section]:
                home = next((name for name in FIGURES if key in FIGURES[name]), None)
                hint = f"it belongs to [{home}]" if home else misspelt(key, FIGURES[section])
                raise self._error(f"there is no figure '{key}' in [{section}]; {hint}", key, section)
        stated = {key: table[key] for key in FIGURES[section] if table.get(key, UNKNOWN) != UNKNOWN}
        return {key: self._figure(section, key, entry) for key, entry in stated.items()}

    def _figure(self, section: str, key: str, entry: Any) -> Figure:
        if not isinstance(entry, dict):
            message = f"'{key}' is {entry!r}, without a source; write {TABLE}, or \"{UNKNOWN}\""
            raise self._error(message, key, section)
        for name in entry:
            if name not in {"value", "source"}:
                message = f"'{key}' has no part '{name}'; {misspelt(name, ('value', 'source'))}"
                raise self._error(message, key, section)
        for name in ("value", "source"):
            if name not in entry:
                raise self._error(f"'{key}' has no {name}; write {TABLE}, or \"{UNKNOWN}\"", key, section)
        value, domain = entry["value"], FIGURES[section][key]
        if not domain.contains(value):
            close = closest(str(value), LEVELS, products=True) if key == "level" else ""
            hint = f"; did you mean '{close}'?" if close else ""
            raise self._error(f"'{key}' is {value!r}; expected {domain.description}{hint}", key, section)
        return Figure(tuple(value) if isinstance(value, list) else value, str(entry["source"]))

    def _check_microcontroller(self, figures: dict[str, Figure]) -> None:
        """A microcontroller has no figures of a computer."""
        if "microcontroller" not in self.document.values:
            return
        for key in figures:
            if key not in MICROCONTROLLER:
                message = f"a microcontroller has no '{key}'; there are {', '.join(MICROCONTROLLER)}"
                raise self._error(message, key)

    def _check_sources(self, figures: dict[str, Figure], sources: dict[str, str]) -> None:
        for key, figure in figures.items():
            if figure.source not in sources:
                hint = misspelt(figure.source, sources) if sources else "there are none"
                raise self._error(f"'{key}' has the source '{figure.source}', not in [sources]; {hint}", key)
        for name in sources:
            if name not in {figure.source for figure in figures.values()}:
                raise self._error(f"source '{name}' is the source of no figure; remove it", name, "sources")

    def _check_triple(self, figures: dict[str, Figure]) -> None:
        """The compiler's target must be the machine of the level."""
        if "level" not in figures or "triple" not in figures:
            return
        level, triple = figures["level"].value, figures["triple"].value
        machine = {"armv7l": "arm"}.get(LEVELS[level].machine, LEVELS[level].machine)
        if triple.split("-")[0] != machine:
            message = f"'triple' is {triple!r}, but level '{level}' needs one for {machine}"
            raise self._error(message, "triple", "system")

    def _check_cpu(self, figures: dict[str, Figure]) -> None:
        """Code that is compiled for the processor must run on every machine of the level."""
        if "level" not in figures or "cpu" not in figures:
            return
        level, cpu = figures["level"].value, figures["cpu"].value
        if cpu not in LEVELS[level].cpus:
            hint = misspelt(cpu, LEVELS[level].cpus)
            raise self._error(f"'cpu' is '{cpu}', which may have more than level '{level}'; {hint}", "cpu", "system")
