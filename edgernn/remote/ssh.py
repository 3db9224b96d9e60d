"""The SSH client: how it is called, and what its failures mean.

It is OpenSSH's own `ssh`, so that its configuration, its agent and its jump hosts work. It never asks a question, and
no option here makes it accept a host key.
"""

from edgernn.errors import RemoteError, UsageError

CONNECT_S, ALIVE_S, ALIVE_COUNT = 20, 15, 3

OPTIONS = {
    "BatchMode": "yes",
    "ConnectTimeout": CONNECT_S,
    "ServerAliveInterval": ALIVE_S,
    "ServerAliveCountMax": ALIVE_COUNT,
    "ControlMaster": "no",
    "ClearAllForwardings": "yes",
    "ForwardAgent": "no",
    "ForwardX11": "no",
    "RemoteCommand": "none",
    "RequestTTY": "no",
    "LogLevel": "ERROR",
}
"""What every call sets, whatever the configuration has."""

NO_PYTHON = "edgernn-no-python"
"""What the other machine prints, before the Pythons that it has, when none will do."""

PYTHONS = "python3 python3.14 python3.13 python3.12 python3.11"

_LOADER = "import os; exec(bytes().join(iter(lambda: os.read(0, 1) or bytes(1), bytes(1))))"
"""It runs what arrives before a zero byte. Each byte is read alone, so none behind it is lost."""

COMMAND = (
    "exec sh -c '"
    f"for p in {PYTHONS}; do "
    "command -v $p >/dev/null 2>&1 || continue; "
    'if $p -c "import sys; sys.exit(sys.version_info < (3, 11))" >/dev/null 2>&1; '
    f'then exec $p -P -c "{_LOADER}"; fi; '
    'v="$v, $p is $($p -V 2>&1)"; '
    f'done; echo "{NO_PYTHON}$v"; exit 1\''
)
"""What the login shell there runs. It is one line without a backslash, which csh and fish read as sh does."""

FAILURES = {
    "REMOTE HOST IDENTIFICATION HAS CHANGED": (
        "its host key is not the one that is known for it: either it was installed anew, or this is another machine; "
        "compare its fingerprint, and remove the old key by `ssh-keygen -R` only then"
    ),
    "Host key verification failed": (
        "its host key is not known here; connect once by `ssh`, compare the fingerprint, and accept it there"
    ),
    "Permission denied (": (
        "it refuses the login: no password is asked for, so a key must be accepted there; `ssh-copy-id` copies one"
    ),
    "Too many authentication failures": "it refuses the login after too many keys; name one in its configuration",
    "Could not resolve hostname": "there is no host of this name; check it, and the configuration of ssh",
    "Connection refused": "no SSH server listens there; check the port, and that sshd runs",
    "No route to host": "no network leads there; check that it is switched on and connected",
    "Network is unreachable": "no network leads there; check the network of this machine",
    "timed out": "it does not answer; check that it is switched on and connected",
    "Bad configuration option": "the configuration of ssh is not valid; correct it",
}
"""What `ssh` prints -> what that means, and what to do; the first in this order counts."""


def command(target: str) -> list[str]:
    """Return the call of the client for `user@host`, a name of its configuration, or `ssh://user@host:port`.

    Raises:
        UsageError: it is no such name.
    """
    if not target or target.startswith("-") or not target.isprintable() or any(map(str.isspace, target)):
        raise UsageError(
            f"'{target}' is no machine for --on; expected user@host, or a name of the configuration of ssh"
        )
    options = [f"-o{name}={value}" for name, value in OPTIONS.items()]
    return ["ssh", "-T", *options, "--", target, COMMAND]


def failure(target: str, printed: str) -> RemoteError:
    """Return the error of a client that ended before the program there began."""
    meanings = [meaning for text, meaning in FAILURES.items() if text in printed]
    if meanings:
        return RemoteError(f"'{target}' was not reached: {meanings[0]} ({_joined(printed, 1)})")
    return RemoteError(f"'{target}' was not reached: {_joined(printed)}; try `ssh {target}`")


def lost(target: str, doing: str, printed: str) -> RemoteError:
    """Return the error of a connection that ended while the program there did something."""
    return RemoteError(
        f"the connection to '{target}' was lost {doing} ({_joined(printed)}); what ran there is ended and removed there"
    )


def no_python(target: str, line: str) -> RemoteError:
    """Return the error of a machine without a Python that edgernn runs on."""
    there = line.removeprefix(NO_PYTHON).strip(" ,")
    return RemoteError(
        f"'{target}' has no Python 3.11 or later ({there or 'no Python at all'}); install one there, as python3 on "
        "its PATH"
    )


def _joined(printed: str, count: int = 3) -> str:
    """The last lines that the client printed, without those that frame a warning."""
    lines = [line.strip() for line in printed.splitlines() if line.strip("@ \t\r")]
    return "ssh: " + ("; ".join(lines[-count:]) or "nothing was printed")
