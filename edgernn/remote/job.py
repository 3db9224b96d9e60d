"""What one call asks of another machine: a verb, its files, the packages that it needs, and what comes back."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from edgernn.device.runtimes import RUNTIMES
from edgernn.package import archive
from edgernn.remote.wheel import NAME, requirements

SILENCE_S = 60.0
"""After so many seconds without a byte the other machine takes the connection for lost."""


@dataclass(frozen=True)
class Need:
    """Packages that must be importable there.

    Attributes:
        purpose: what needs them, for messages.
        choices: sets of requirements, each of which will do; the first that can be installed is.
        optional: whether the verb runs without them.
    """

    purpose: str
    choices: tuple[tuple[str, ...], ...]
    optional: bool = False


@dataclass(frozen=True)
class Job:
    """A verb that runs on another machine.

    Attributes:
        arguments: of the command; a file is named as in `files`, without its folder, and `../out/NAME` is written.
        files: path below the private folder there -> bytes; the verb runs in `files/`.
        needs: the packages that must be there.
        outputs: the names of the files that the verb writes, which come back.
        variables: of the environment there, in addition to its own.
    """

    arguments: tuple[str, ...]
    files: Mapping[str, bytes] = field(repr=False)
    needs: tuple[Need, ...] = ()
    outputs: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)

    def request(self, wheel: bytes) -> bytes:
        """Return the line of this job and the bytes that follow it, as edgernn.remote.board reads them."""
        files = {NAME: wheel, **{f"files/{name}": data for name, data in self.files.items()}}
        line = {
            "arguments": self.arguments,
            "files": [(name, len(data)) for name, data in files.items()],
            "needs": [asdict(each) for each in self.needs],
            "outputs": self.outputs,
            "silence_s": SILENCE_S,
            "variables": dict(self.variables),
            "wheel": NAME,
        }
        return b"".join((json.dumps(line).encode(), b"\n", *files.values()))


def needs(artifacts: Mapping[str, bytes], *, signed: bool) -> tuple[Need, ...]:
    """Return what artifacts need where they are opened: numpy, and the runtime of each suffix.

    A package needs the runtimes of its members, each as far as it can be installed there.

    Args:
        artifacts: path -> bytes.
        signed: whether a key is demanded, so that signatures are verified.

    Raises:
        FileError: a package is damaged.
        RemoteError: this edgernn was not installed.
    """
    own, members = dict.fromkeys(Path(name).suffix for name in artifacts), dict[str, None]()
    for name, data in artifacts.items():
        if Path(name).suffix == archive.SUFFIX:
            members |= dict.fromkeys(Path(each).suffix for each in archive.unpacked(data, name))
    runtimes = [*_runtimes(own, optional=False), *_runtimes(members.keys() - own.keys(), optional=True)]
    signatures = (Need("a signature", (requirements("sign"),)),) if signed else ()
    return (Need("edgernn", (requirements(),)), *signatures, *runtimes)


def _runtimes(suffixes: Iterable[str], *, optional: bool) -> Iterable[Need]:
    for suffix in sorted(suffixes):
        extras = [each.extra for each in RUNTIMES.values() if each.suffix == suffix and each.extra]
        if extras:
            yield Need(f"a {suffix} file", tuple(map(requirements, extras)), optional)
