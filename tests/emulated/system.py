"""A board as a folder: Debian's Python, what the kernel would show of the processor, and wheels for each runtime."""

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from emulated import debian
from emulated.processors import Board, of_board

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".cache/boards"
CORES = 4
PYTHON = "python3.11"
GLIBC, OLDEST = 36, 16  # the minor version of Debian's C library, and the last that no wheel asks for

HWCAP = {
    "aarch64": "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm jscvt fcma lrcpc dcpop "
    "sha3 sm3 sm4 asimddp sha512 sve asimdfhm dit uscat ilrcpc flagm ssbs sb paca pacg",
    "arm": "swp half thumb 26bit fastmult fpa vfp edsp java iwmmxt crunch thumbee neon vfpv3 vfpv3d16 tls vfpv4 idiva "
    "idivt vfpd32 lpae evtstrm",
}
"""Machine -> the words of its processor in /proc/cpuinfo, bit by bit of AT_HWCAP: arch/*/include/uapi/asm/hwcap.h."""

ASKED = """
import json, os, struct
width = struct.calcsize("P")
data = open("/proc/self/auxv", "rb").read()
pairs = struct.iter_unpack("QQ" if width == 8 else "II", data)
print(json.dumps({"hwcap": dict(pairs).get(16, 0), "machine": os.uname().machine}))
"""


@dataclass(frozen=True)
class System:
    """A board that is ready to run Python.

    Attributes:
        board: what it is.
        tree: its files.
        features: the words of its processor in /proc/cpuinfo.
    """

    board: Board
    tree: Path
    features: tuple[str, ...]

    def python(self, *arguments: object, packages: Path | None = None) -> tuple[list[str], dict[str, str]]:
        """The call of the board's Python and its environment.

        Args:
            arguments: of Python.
            packages: a folder of wheels, in front of Debian's packages.
        """
        call = [*of_board(self.board, self.tree), str(self.tree / "usr/bin" / PYTHON), *map(str, arguments)]
        return call, _environment(self.tree, packages)


def _environment(tree: Path, packages: Path | None) -> dict[str, str]:
    kept_out = ("PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "VIRTUAL_ENV")
    usual = {name: value for name, value in os.environ.items() if name not in kept_out}
    of_board = {"PYTHONHOME": str(tree / "usr"), "ORT_DISABLE_TELEMETRY": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    return usual | of_board | ({"PYTHONPATH": str(packages)} if packages else {})


def system(name: str, board: Board) -> System:
    """The board of a name, unpacked once: its /proc/cpuinfo says what the emulated processor itself tells.

    Raises:
        MissingProgramError: qemu, apt or dpkg is not installed.
        PreparationError: something cannot be fetched.
    """
    of_board(board, CACHE)  # a missing emulator is seen before anything is fetched
    tree = debian.tree(CACHE, board.architecture, board.packages)
    own = debian.cached(
        CACHE, name.replace(" ", "-"), (tree.name, repr(board)), lambda place: _overlay(place, tree, board)
    )
    features = json.loads((own / "features.json").read_text())
    return System(board, own, tuple(features))


def _overlay(place: Path, tree: Path, board: Board) -> None:
    """The files of Debian, by links, with those of the board's kernel."""
    debian.ran(["cp", "-a", "--link", f"{tree}/.", str(place)])
    libraries = next((place / "usr/lib").glob("*-linux-gnu*"))
    for library, folder in (board.links or {}).items():
        (libraries / library).symlink_to(f"{folder}/{library}")
    environment = _environment(place, None)
    python = str(place / "usr/bin" / PYTHON)
    hwcap = json.loads(debian.ran([*of_board(board, place), python, "-S", "-c", ASKED], environment))["hwcap"]
    words = HWCAP[board.processor.machine].split()
    features = [word for bit, word in enumerate(words) if hwcap >> bit & 1]
    (place / "features.json").write_text(json.dumps(features))
    (place / "proc").mkdir(exist_ok=True)
    (place / "proc/cpuinfo").write_text("".join(_core(number, features, board) for number in range(CORES)))
    cpus = place / "sys/devices/system/cpu"
    cpus.mkdir(parents=True)
    for each in ("possible", "present", "online"):
        (cpus / each).write_text(f"0-{CORES - 1}\n")


def _core(number: int, features: list[str], board: Board) -> str:
    """One core in /proc/cpuinfo, as Linux prints it."""
    lines = {
        "processor": number, "BogoMIPS": "108.00", "Features": " ".join(features), "CPU implementer": "0x41",
        "CPU architecture": 8 if board.processor.machine == "aarch64" else 7, "CPU variant": "0x0",
        "CPU part": board.part, "CPU revision": 4,
    }  # fmt: skip
    return "".join(f"{key}\t: {value}\n" for key, value in lines.items()) + "\n"


def site_packages(board: Board, runtime: str, wheel: Path) -> Path:
    """A folder of the wheel and what it needs for a runtime, as pip chooses for the board.

    Raises:
        PreparationError: no wheel suits the board.
    """
    constraints = ROOT / ".constraints" / ("tflite.txt" if board.bare else "host.txt")
    others = debian.cached(
        CACHE, f"{board.architecture}-{runtime}", (board.runtimes[runtime], board.platform, constraints.read_text()),
        lambda place: _installed(place, board, constraints, runtime),
    ) / "site-packages"  # fmt: skip
    key = (others.parent.name, wheel.name, wheel.read_bytes())
    joined = debian.cached(
        CACHE, f"{board.architecture}-{runtime}-edgernn", key, lambda place: _joined(place, others, wheel)
    )
    return joined / "site-packages"


def _installed(place: Path, board: Board, constraints: Path, runtime: str) -> None:
    usual = () if board.bare else ("numpy", "click", "tomli-w")
    _pip(
        place, board, "-c", str(constraints), *(("--no-deps",) if board.bare else ()), *usual, *board.runtimes[runtime]
    )


def _joined(place: Path, others: Path, wheel: Path) -> None:
    debian.ran(["cp", "-a", "--link", str(others), str(place)])
    debian.ran([sys.executable, "-m", "zipfile", "-e", str(wheel), str(place / "site-packages")])


def _pip(place: Path, board: Board, *arguments: str) -> None:
    pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-compile"]
    platforms = [f"manylinux_2_{minor}_{board.platform}" for minor in range(GLIBC, OLDEST, -1)]
    suits = [*(f"--platform={each}" for each in platforms), "--python-version=3.11", "--only-binary=:all:"]
    debian.ran([*pip, "--target", str(place / "site-packages"), *suits, *arguments])
