"""One library for several levels of processors: the step compiled for each, and a choice when it is loaded."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from edgernn.device import isa
from edgernn_export.targets.c.compiler import Compiler, linked, object_file
from edgernn_export.targets.c.declarations import Code
from edgernn_export.targets.c.target import template

CPUID: Mapping[str, tuple[int, int, int, int]] = MappingProxyType(
    {
        "abm": (0x80000001, 0, 2, 5),
        "avx": (1, 0, 2, 28),
        "avx2": (7, 0, 1, 5),
        "avx512_vnni": (7, 0, 2, 11),
        "avx512bw": (7, 0, 1, 30),
        "avx512cd": (7, 0, 1, 28),
        "avx512dq": (7, 0, 1, 17),
        "avx512f": (7, 0, 1, 16),
        "avx512vl": (7, 0, 1, 31),
        "avx_vnni": (7, 1, 0, 4),
        "bmi1": (7, 0, 1, 3),
        "bmi2": (7, 0, 1, 8),
        "f16c": (1, 0, 2, 29),
        "fma": (1, 0, 2, 12),
        "movbe": (1, 0, 2, 22),
    }
)
"""Flag of x86 -> its leaf, the part of that, the register (eax is 0) and the bit: Intel's manual, volume 2, CPUID."""

YMM, ZMM = 0x6, 0xE6  # of XCR0

DEFINITION = re.compile(r"^(?:CALLED )?((?!static\b|typedef\b|extern\b)\w[\w *]*?)(\w+)\(([^()]*)\) \{", re.MULTILINE)
"""A function that a library exports, as the templates write it: result, name, parameters."""


@dataclass(frozen=True)
class Function:
    """A function of a library: its result, its name without the prefix, and its parameters."""

    result: str
    name: str
    parameters: str

    @property
    def arguments(self) -> str:
        """The names of its parameters, for a call."""
        if self.parameters == "void":
            return ""
        return ", ".join(re.findall(r"(\w+)(?:\[\w*\])?$", each)[0] for each in self.parameters.split(","))


def functions(source: str, prefix: str) -> tuple[Function, ...]:
    """The functions that the source of a library exports."""
    each = ((result, name, " ".join(parameters.split())) for result, name, parameters in DEFINITION.findall(source))
    return tuple(
        Function(result, name.removeprefix(f"{prefix}_"), parameters)
        for result, name, parameters in each
        if name.startswith(f"{prefix}_")
    )


def library(code: Code, source: str, prefix: str, compilers: Mapping[str, Compiler]) -> bytes:
    """A library of the levels, as `parts` has them."""
    return linked(parts(code, source, prefix, compilers), [*compilers.values()][-1], code.binaries)


def parts(code: Code, source: str, prefix: str, compilers: Mapping[str, Compiler]) -> dict[str, str | bytes]:
    """What is linked: sources of the arrays and of the choice, and an object file for each level, the best first.

    Args:
        code: the step, with its arrays apart.
        source: that of a level, from which the arrays are missing.
        prefix: what the names of functions start with.
        compilers: level -> how to compile it.
    """
    exported = functions(source, prefix)
    files: dict[str, str | bytes] = {"levels.c": choice(exported, prefix, tuple(compilers)), "shared.c": code.shared}
    for place, compiler in enumerate(compilers.values()):
        renamed = "".join(f"#define {prefix}_{each.name} {prefix}_{each.name}_{place}\n" for each in exported)
        files[f"level{place}.o"] = object_file(renamed + source, compiler)
    return files


def choice(exported: Sequence[Function], prefix: str, names: Sequence[str]) -> str:
    """The source of the choice among levels, and of the functions that call those of the level."""
    types = sorted({name for each in exported for name in re.findall(rf"{prefix}_\w+|PyObject", _text(each))})
    places = range(len(names))
    machine = isa.level(names[0]).machine
    return template(
        "levels.c",
        {
            "prefix": prefix,
            "detection": template(f"levels_{machine}.c", {"cases": _cases(machine, names)}),
            "types": "".join(f"typedef void {name};\n" for name in types),
            "prototypes": "".join(
                f"{each.result}{prefix}_{each.name}_{place}({each.parameters});\n"
                for place in places
                for each in exported
            ),
            "fields": "".join(f"    {each.result}(*{each.name})({each.parameters});\n" for each in exported),
            "levels": "".join(
                "    {" + ", ".join(f"{prefix}_{each.name}_{place}" for each in exported) + "},\n" for place in places
            ),
            "last": len(names) - 1,
            "functions": "\n".join(
                f"{each.result}{prefix}_{each.name}({each.parameters}) {{ "
                f"{'' if each.result == 'void ' else 'return '}chosen->{each.name}({each.arguments}); }}"
                for each in exported
            ),
        },
    )


def _text(function: Function) -> str:
    return f"{function.result} {function.parameters}"


def _cases(machine: str, names: Sequence[str]) -> str:
    """The cases of a switch: whether the processor has a level."""
    return "".join(
        f"    case {place}: return {CONDITIONS[machine](isa.level(name).flags)};\n" for place, name in enumerate(names)
    )


def _x86(flags: frozenset[str]) -> str:
    bits = ["has_bit({:#x}, {}, {}, {})".format(*CPUID[flag]) for flag in sorted(flags)]
    mask = ZMM if any(flag.startswith("avx512") for flag in flags) else YMM if "avx" in flags else 0
    return " && ".join([*bits, f"has_registers({mask:#x})"] if mask else bits) or "1"


def _aarch64(flags: frozenset[str]) -> str:
    mask = sum(isa.HWCAP["aarch64"][flag] for flag in flags)
    return f"(has & {mask:#x}) == {mask:#x}"


CONDITIONS = MappingProxyType({"x86_64": _x86, "aarch64": _aarch64})
"""Machine -> the C expression of whether the processor has these flags."""
