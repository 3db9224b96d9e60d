"""A real sshd on the loopback address, as one machine with several characters: each is a key with options of its own."""

import getpass
import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SSHD = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")

MISSING = [name for name, path in {"openssh-server": SSHD, "openssh-client": shutil.which("ssh")}.items() if not path]

SERVER = """
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host
AuthorizedKeysFile {folder}/authorized
PidFile {folder}/pid
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin yes
StrictModes no
UsePAM no
MaxStartups 100
"""

CLIENT = """
Host {name}
  HostName 127.0.0.1
  Port {port}
  User {user}
  IdentityFile {folder}/{name}
  IdentitiesOnly yes
  UserKnownHostsFile {folder}/{known}
  GlobalKnownHostsFile /dev/null
{more}
"""

ORIGINAL = 'exec sh -c "$SSH_ORIGINAL_COMMAND"'
"""It runs what the client sends."""


@dataclass(frozen=True)
class Machine:
    """The server and the configuration of its clients.

    Attributes:
        folder: of keys and configurations.
        port: of the server.
        process: the server.
    """

    folder: Path
    port: int
    process: subprocess.Popen

    def add(self, name: str, variables: dict[str, str] | None = None, command: str = ORIGINAL) -> Path:
        """Make a login `name`; return the folder in which its programs write.

        Args:
            name: of the client's configuration.
            variables: of the environment there, which no start-up file of a shell changes.
            command: what the server runs.
        """
        top = self.folder / f"{name}-there"
        top.mkdir(exist_ok=True)
        keygen(self.folder / name)
        lines = {"TMPDIR": str(top), "PATH": path_of(), **(variables or {})}
        settings = "; ".join(f"{key}={shlex.quote(value)}; export {key}" for key, value in lines.items())
        forced = f"{settings}; {command}".replace('"', '\\"')
        with open(self.folder / "authorized", "a", encoding="utf-8") as file:
            file.write(f'command="{forced}" {(self.folder / f"{name}.pub").read_text()}')
        self.configure(name)
        return top

    def configure(
        self, name: str, known: str = "known", port: int | None = None, more: str = "", *, first: bool = False
    ) -> None:
        """Add a name to the configuration of the client; the first entry of a name counts.

        Args:
            name: of the machine, and of the key.
            known: the file of known host keys.
            port: of the server; by default the one that runs.
            more: further lines.
            first: whether it replaces an entry.
        """
        user, path = getpass.getuser(), self.folder / "config"
        text = CLIENT.format(name=name, port=port or self.port, user=user, folder=self.folder, known=known, more=more)
        before = path.read_text() if path.exists() else ""
        path.write_text(text + before if first else before + text)

    def sessions(self) -> list[int]:
        """The processes of the server that serve one login each."""
        below = descendants(self.process.pid)
        return [number for number in below if Path(f"/proc/{number}/comm").read_text().strip().startswith("sshd")]

    def log(self) -> str:
        """What the server wrote."""
        return (self.folder / "log").read_text()


def path_of(python: str = sys.executable) -> str:
    """A PATH with this Python as python3 and the programs of the system."""
    return f"{os.path.dirname(python)}:/usr/bin:/bin"


def keygen(path: Path) -> None:
    """Write a key pair."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True, stdin=subprocess.DEVNULL)


def start(folder: Path) -> Machine:
    """Start the server, and wrap the client so that it reads the configuration in the folder."""
    keygen(folder / "host")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (folder / "server").write_text(SERVER.format(port=port, folder=folder))
    kind, key, *_ = (folder / "host.pub").read_text().split()
    (folder / "known").write_text(f"[127.0.0.1]:{port} {kind} {key}\n")
    (folder / "authorized").touch()
    (folder / "bin").mkdir()
    client = folder / "bin" / "ssh"
    client.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {folder}/config "$@"\n')
    client.chmod(0o755)
    if os.geteuid() == 0:
        os.makedirs("/run/sshd", exist_ok=True)
    call = [SSHD, "-D", "-f", folder / "server", "-E", folder / "log"]
    process = subprocess.Popen(call, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(500):
        with socket.socket() as probe:
            if not probe.connect_ex(("127.0.0.1", port)):
                return Machine(folder, port, process)
        time.sleep(0.02)
    raise AssertionError((folder / "log").read_text())


@contextmanager
def serving(folder: Path) -> Iterator[Machine]:
    """The server while the block runs."""
    machine = start(folder)
    try:
        yield machine
    finally:
        machine.process.kill()
        machine.process.wait()


def nothing_left(folder: Path) -> bool:
    """Whether a folder is empty, and no process names it."""
    return not list(folder.iterdir()) and not running_in(folder)


def descendants(number: int) -> list[int]:
    """The processes below one, the nearest first."""
    below = []
    for name in filter(str.isdecimal, os.listdir("/proc")):
        try:
            parent = int(Path(f"/proc/{name}/stat").read_bytes().rpartition(b")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        if parent == number:
            below.append(int(name))
    return [*below, *(each for child in below for each in descendants(child))]


def running_in(folder: Path) -> list[str]:
    """The processes whose command line names a folder."""
    return [name for name in filter(str.isdecimal, os.listdir("/proc")) if str(folder) in _read(name, "cmdline")]


def steps_in(folder: Path) -> bool:
    """Whether a verb steps in a folder: its process runs there, and has loaded numpy."""
    return any(
        "edgernn.cli" in _read(name, "cmdline") and "numpy" in _read(name, "maps") for name in running_in(folder)
    )


def _read(process: str, what: str) -> str:
    try:
        return Path(f"/proc/{process}/{what}").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""
