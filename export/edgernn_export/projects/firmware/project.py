"""The files of a firmware: a model, the start-up code and linker script of an emulated machine, and a Makefile."""

from collections.abc import Mapping
from importlib.resources import files
from string import Template

from edgernn.artifact.manifest import graph_manifest
from edgernn.device.board import Device
from edgernn.device.isa import MICROCONTROLLERS
from edgernn.errors import UsageError
from edgernn.integer.plan import integer_plan
from edgernn.model.graph import INPUT, OUTPUT
from edgernn.model.tensor import SCHEMES
from edgernn_export.projects.firmware.fits import refuse_large
from edgernn_export.projects.firmware.machines import ICOUNT, Machine, emulator, machine_of
from edgernn_export.projects.project import Contents
from edgernn_export.targets.c.declarations import C_TYPES
from edgernn_export.targets.c.linked import LINKING, OPTIONS
from edgernn_export.targets.c.selftest import STEPS, self_test
from edgernn_export.targets.c.target import identifier
from edgernn_export.targets.naming import named_trace

TEMPLATES = {
    "board.h": "board.h",
    "stack.c": "stack.c",
    "main.c": "main.c",
    "link.ld": "link.ld",
    "Makefile": "Makefile",
    "README.txt": "README.txt",
}
"""File of the folder -> its template; `board.c` has one for each kind of processor."""

OWN = ("board", "main", "stack")
"""The names of the source files beside that of the model."""

PACKAGES = {
    "arm-none-eabi-gcc": "gcc-arm-none-eabi libnewlib-arm-none-eabi",
    "riscv64-unknown-elf-gcc": "gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf",
    "qemu-system-arm": "qemu-system-arm",
    "qemu-system-riscv32": "qemu-system-misc",
}
"""Program -> the packages of Debian that have it."""

VECTORS = 1024  # bytes for the addresses of the handlers
STACK = 2048  # bytes that the linker leaves, and an error where RAM has not as many


def render(contents: Contents) -> dict[str, bytes]:
    """The files of a firmware.

    Raises:
        UsageError: the name of the model is that of another file.
        UnsupportedError: the board has no emulator, or the model does not fit into its memory.
    """
    board = contents.board
    assert board is not None
    machine = machine_of(board)
    if contents.name in OWN:
        raise UsageError(
            f"'{contents.name}' arrived as the name of a firmware, which has a {contents.name}.c of its own; "
            "choose another name"
        )
    refuse_large(contents.graph, contents.name, board, machine)
    facts = _facts(contents, board, machine)
    written = {name: _template(template, facts) for name, template in TEMPLATES.items()}
    return {**contents.files, "board.c": _template(machine.start, facts), **written}


def _template(name: str, facts: Mapping[str, object]) -> bytes:
    text = files("edgernn_export.projects.firmware").joinpath("templates", name).read_text()
    return Template(text).substitute(facts).encode()


def _facts(contents: Contents, board: Device, machine: Machine) -> dict[str, object]:
    manifest, prefix = graph_manifest(contents.graph), identifier(contents.name)
    x_type, y_type = C_TYPES[manifest.dtype(INPUT)], C_TYPES[manifest.dtype(OUTPUT)]
    toolchain = MICROCONTROLLERS[str(board.isa)]
    test = self_test(named_trace(contents.graph, SCHEMES), integer_plan(contents.graph))
    return {
        "stem": contents.name,
        "prefix": prefix,
        "board": board.name,
        "title": board.title,
        "name": machine.name,
        "core": machine.core,
        "note": f" ({machine.note})" if machine.note else "",
        "clock_khz": machine.clock_khz,
        "icount": ICOUNT,
        "compiler": toolchain.compiler,
        "size_tool": toolchain.compiler.removesuffix("gcc") + "size",
        "options": " ".join(toolchain.options),
        "linking": " ".join(toolchain.linking) or "$(CPU)",
        "emulator": " ".join(emulator(machine)),
        "cflags": " ".join(OPTIONS),
        "ldflags": " ".join(LINKING),
        "compiler_package": PACKAGES[toolchain.compiler],
        "emulator_program": machine.emulator,
        "emulator_package": PACKAGES[machine.emulator],
        "x_type": x_type,
        "y_type": y_type,
        "inputs": contents.graph.inputs,
        "outputs": contents.graph.outputs,
        "frames": test["test_x"],
        "steps": STEPS,
        "no_float": "" if "float" in (x_type, y_type) else f"#define {prefix.upper()}_NO_FLOAT\n",
        "precision": contents.graph.precision,
        "stack": STACK,
        **_memories(board, machine),
    }


def _memories(board: Device, machine: Machine) -> dict[str, str]:
    """The addresses and lengths of the memories in the linker script: those of the machine, with the board's sizes."""
    (flash, flash_kib), (ram, ram_kib) = machine.flash, machine.ram
    table = VECTORS if machine.vectors == flash else 0  # the table of vectors is the begin of the flash
    return {
        "vectors": f"ORIGIN = 0x{machine.vectors:08X}, LENGTH = {VECTORS}",
        "flash": f"ORIGIN = 0x{flash + table:08X}, LENGTH = {min(flash_kib, board.flash_kib or flash_kib)}K - {table}",
        "ram": f"ORIGIN = 0x{ram:08X}, LENGTH = {min(ram_kib, board.sram_kib or ram_kib)}K",
    }
