"""A tree of Debian for another architecture: fetched by apt with a configuration of its own, and unpacked beside it.

Nothing of this machine's packages changes, and no rights of an administrator are needed.
"""

import os
import shutil
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path

from edgernn.files import temporary
from edgernn.process import child
from emulated.processors import MissingProgramError

RELEASE = "bookworm"  # the one whose Python has wheels of tflite-runtime
ARCHIVE = os.environ.get("EDGERNN_DEBIAN", "http://deb.debian.org/debian")
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
NEEDED = {"apt-get": "apt", "dpkg": "dpkg"}
CONFIGURATION = """
Dir::State "{folder}/state";
Dir::State::status "{folder}/state/status";
Dir::Cache "{folder}/cache";
Dir::Etc::sourcelist "{folder}/sources.list";
Dir::Etc::sourceparts "{folder}/none";
Dir::Etc::preferencesparts "{folder}/none";
APT::Architecture "{architecture}";
APT::Architectures {{ "{architecture}"; }};
APT::Install-Recommends "false";
APT::Sandbox::User "";
Acquire::Languages "none";
Acquire::Retries "3";
"""


class PreparationError(Exception):
    """A program that prepares a board failed; the message has its last lines."""


def cached(folder: Path, name: str, key: object, make: Callable[[Path], None]) -> Path:
    """A folder of this content, made once for a key: under a name that ends in the hash of what it depends on."""
    place = folder / f"{name}-{sha256(repr(key).encode()).hexdigest()[:12]}"
    if not place.exists():
        partial = folder / f"{name}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        make(partial)
        for old in folder.glob(f"{name}-{'?' * 12}"):
            shutil.rmtree(old)
        partial.rename(place)
    return place


def tree(folder: Path, architecture: str, packages: Sequence[str]) -> Path:
    """The unpacked packages with all that they depend on.

    Raises:
        MissingProgramError: apt or dpkg is not installed, or the keys of Debian are missing.
        PreparationError: apt cannot fetch a package.
    """
    key = (RELEASE, architecture, tuple(packages))
    return cached(folder, f"debian-{architecture}", key, lambda place: _unpack(place, architecture, packages))


def _unpack(place: Path, architecture: str, packages: Sequence[str]) -> None:
    for program, package in NEEDED.items():
        if shutil.which(program) is None:
            raise MissingProgramError(f"{program} is not installed: apt-get install {package}")
    if not os.path.exists(KEYRING):
        raise MissingProgramError(f"{KEYRING} is missing: apt-get install debian-archive-keyring")
    with temporary.directory() as work:
        for each in ("state/lists/partial", "cache/archives/partial", "none"):
            (work / each).mkdir(parents=True)
        (work / "state/status").touch()
        (work / "sources.list").write_text(f"deb [signed-by={KEYRING}] {ARCHIVE} {RELEASE} main\n")
        (work / "apt.conf").write_text(CONFIGURATION.format(folder=work, architecture=architecture))
        apt = {**os.environ, "APT_CONFIG": str(work / "apt.conf")}
        ran(["apt-get", "update", "-qq"], apt)
        ran(["apt-get", "install", "-y", "-qq", "--download-only", *packages], apt)
        for package in sorted((work / "cache/archives").glob("*.deb")):
            ran(["dpkg", "-x", str(package), str(place)])


def ran(call: Sequence[str], environment: dict[str, str] | None = None, folder: Path | None = None) -> str:
    """What a program prints.

    Raises:
        PreparationError: it fails.
    """
    done = child.run(call, folder, environment)
    if done.returncode:
        last = "\n".join((done.stderr or done.stdout).strip().splitlines()[-8:])
        raise PreparationError(f"{' '.join(map(str, call[:6]))} failed with code {done.returncode}:\n{last}")
    return done.stdout
