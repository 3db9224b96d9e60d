"""Machines that qemu emulates: one for each instruction set of a microcontroller, with its memory and its clock."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from edgernn.device.board import Device
from edgernn.errors import UnsupportedError

KIB = 1024
ICOUNT = 6  # an instruction takes 2**6 ns of the emulated clock, more than the period of every clock below but one


@dataclass(frozen=True)
class Machine:
    """A machine that qemu emulates.

    Attributes:
        name: as `qemu -machine help` lists it.
        core: its processor core.
        emulator: the program.
        options: further options of the emulator.
        start: the template of its start-up code.
        flash, ram: (address, KiB) of the memories that code and data are linked to.
        vectors: the address of the vector table, which the processor reads first.
        clock_khz: what its SysTick timer counts; 0 where the processor counts instructions itself.
        note: in which way it differs from the processors that it stands for; "" if in none.
    """

    name: str
    core: str
    emulator: str
    options: tuple[str, ...]
    start: str
    flash: tuple[int, int]
    ram: tuple[int, int]
    clock_khz: int
    vectors: int
    note: str = ""


def _arm(
    name: str, core: str, flash: tuple[int, int], ram: tuple[int, int], khz: int, *options: str, **more: Any
) -> Machine:
    return Machine(
        name, core, "qemu-system-arm", options, "board_arm.c", flash, ram, khz, **{"vectors": flash[0]} | more
    )


_NRF51 = ("-global", f"nrf51-soc.flash-size={2048 * KIB}", "-global", f"nrf51-soc.sram-size={264 * KIB}")
_RV32 = ("-cpu", "rv32,a=false,f=false,d=false", "-bios", "none")

MACHINES: Mapping[str, Machine] = MappingProxyType(
    {
        "armv6-m": _arm(
            *("microbit", "Cortex-M0", (0x0, 2048), (0x20000000, 264), 16_000),
            *_NRF51,
            note="no Cortex-M0+ is emulated; it has the same instructions, and the memory was made larger",
        ),
        "armv7e-m+fp": _arm("mps2-an386", "Cortex-M4", (0x0, 4096), (0x20000000, 4096), 25_000),
        "armv7e-m+fp.dp": _arm("mps2-an500", "Cortex-M7", (0x0, 4096), (0x20000000, 4096), 25_000),
        "armv8-m.main+dsp+fp": _arm("mps2-an505", "Cortex-M33", (0x10000000, 4096), (0x38000000, 2048), 20_000),
        "armv8.1-m.main+mve.fp+fp.dp": _arm(
            *("mps3-an547", "Cortex-M55", (0x11000000, 2048), (0x31000000, 2048), 32_000),
            vectors=0x10000000,
        ),
        "rv32imc": Machine(
            *("virt", "RV32IMC", "qemu-system-riscv32", _RV32, "board_riscv.c"),
            *((0x80000000, 16384), (0x81000000, 16384), 0, 0x80000000),
        ),
    }
)
"""Instruction set -> the machine that runs its code: memories as qemu's sources place them."""


def machine_of(device: Device) -> Machine:
    """The machine that runs the code of a board.

    Raises:
        UnsupportedError: the board is no microcontroller, or no machine with its instruction set is emulated.
    """
    if not device.microcontroller:
        raise UnsupportedError(
            f"'{device.name}' is no microcontroller; a firmware needs one: `edgernn devices` lists them, and boards "
            f"with an operating system run {', '.join(device.formats)}"
        )
    if device.isa is None or device.isa not in MACHINES:
        raise UnsupportedError(
            f"board '{device.name}' has the instruction set {device.isa or 'unknown'}, for which there is no compiler "
            f"and no emulator here; there are {', '.join(MACHINES)}: write the model as .c and compile it with the "
            "tools of the board"
        )
    return MACHINES[device.isa]


def emulator(machine: Machine) -> tuple[str, ...]:
    """The command that runs a program in the machine; `-kernel FILE` is added to it.

    The emulated clock counts instructions, so a count is the same in every run. Text and exit code come by semihosting.
    """
    count = f"shift={ICOUNT if machine.clock_khz else 0}"
    window = ("-display", "none", "-monitor", "none", "-serial", "none")
    semihosting = ("-chardev", "stdio,id=text", "-semihosting-config", "enable=on,target=native,chardev=text")
    return (machine.emulator, "-machine", machine.name, *machine.options, "-icount", count, *window, *semihosting)
