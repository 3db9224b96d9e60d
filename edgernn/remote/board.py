"""The program on the other machine. It is sent as text, is run by `python3 -c`, and needs the standard library alone.

It reads from standard input: a line of JSON (`Job.request` of edgernn.remote.job), the bytes of the files, and then a
byte every few seconds. It answers in lines of JSON after a prefix. When standard input ends or falls silent, what it
started ends, and its folder is removed. A folder that a killed program left there has no lock, and the next program
removes it.
"""

import base64
import ctypes
import fcntl
import json
import os
import platform
import re
import select
import shutil
import signal
import site
import subprocess
import sys
import tempfile
import threading
import zipfile
from contextlib import suppress
from importlib import metadata
from typing import Any

PREFIX = "EDGERNN "
"""What begins a line that is a message; a shell may print others."""

FOLDER, SUFFIX = ".edgernn-", ".tmp"  # the names that edgernn.files.temporary removes too
NAME = re.compile(r"\.edgernn-[a-z0-9_]{8}\.tmp")
GRACE_S = 3.0  # from SIGTERM, on which a program removes what it wrote, to SIGKILL
PR_SET_CHILD_SUBREAPER = 36
LONGEST = 1 << 24  # bytes that come back of a stream or a file
PIP = ("-m", "pip", "install", "--quiet", "--no-cache-dir", "--no-input", "--only-binary", ":all:")
PIP_OPTIONS = ("--disable-pip-version-check", "--retries", "1", "--timeout", "20")
VERB = (
    "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 15); orphan = os.getppid() != int(sys.argv.pop(1)); "
    "from edgernn.cli import main; sys.exit(1) if orphan else main()"
)
"""The verb in a process that the kernel ends by SIGTERM (PR_SET_PDEATHSIG) when this program was killed."""

_saying, _ending = threading.Lock(), threading.Lock()
_children: list[subprocess.Popen[bytes]] = []


class RefusalError(Exception):
    """A reason why nothing can run here, in words."""


def main() -> int:
    """Do the job that standard input describes; return the exit code of this program."""
    os.umask(0o077)
    for number in (signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(1))
    with suppress(OSError, AttributeError):  # what a child leaves behind becomes a child of this process
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    folder, lock, result = "", -1, dict[str, Any]()
    try:
        job = json.loads(_line())
        folder, lock = _folder()
        say(step="connected", python=platform.python_version(), machine=platform.machine(), folder=folder)
        _receive(job, folder)
        say(step="copied")
        threading.Thread(target=_watch, args=(job["silence_s"], folder), daemon=True).start()
        python, notes = _environment(job, folder)
        say(step="installed", notes=notes)
        result = _run(job, folder, python)
    except RefusalError as error:
        result = {"step": "refused", "reason": str(error)}
    except EOFError:
        return 1
    except OSError as error:
        result = {"step": "refused", "reason": f"{error.strerror or error} ({error.filename or folder})"}
    finally:
        with _ending:
            _clean(folder)
    with suppress(BrokenPipeError):
        say(**result, left=folder if os.path.exists(folder) else "")
    os.close(lock)
    return 0


def say(**fields: Any) -> None:
    """Send a message."""
    data = f"{PREFIX}{json.dumps(fields)}\n".encode()
    with _saying:
        while data:
            data = data[os.write(1, data) :]


def _line() -> bytes:
    line = bytearray()
    while not line.endswith(b"\n"):
        line += _read(1)
    return bytes(line)


def _read(most: int, silence_s: float = 60.0) -> bytes:
    """Return at least a byte, and at most so many, of standard input."""
    if not select.select([0], [], [], silence_s)[0]:
        raise EOFError
    data = os.read(0, min(most, 1 << 16))
    if not data:
        raise EOFError
    return data


def _folder() -> tuple[str, int]:
    """Create a locked folder for this run; return it, and the descriptor of its lock. Old ones are removed."""
    home = os.path.expanduser("~")
    top = os.environ.get("TMPDIR") or (home if os.access(home, os.W_OK | os.X_OK) else tempfile.gettempdir())
    _sweep(top)
    folder = tempfile.mkdtemp(SUFFIX, FOLDER, top)
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    with suppress(OSError):  # a file system without locks, where nothing is swept
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    for name in ("files", "out", "temporary"):
        os.mkdir(os.path.join(folder, name))
    return folder, lock


def _sweep(top: str) -> None:
    with suppress(OSError), os.scandir(top) as entries:
        for path in [each.path for each in entries if NAME.fullmatch(each.name) and each.is_dir(follow_symlinks=False)]:
            with suppress(OSError):
                handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
                try:
                    if os.fstat(handle).st_uid == os.geteuid():
                        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                        shutil.rmtree(path)
                finally:
                    os.close(handle)


def _receive(job: dict[str, Any], folder: str) -> None:
    """Write the files, each of which follows the line of the job."""
    for name, size in job["files"]:
        path, left = os.path.join(folder, name), size
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb", buffering=0) as file:
            while left:
                data = memoryview(_read(left, job["silence_s"]))
                left -= len(data)
                while data:
                    data = data[file.write(data) :]


def _watch(silence_s: float, folder: str) -> None:
    """End everything when the connection is lost."""
    with suppress(EOFError, OSError):
        while True:
            _read(1 << 16, silence_s)
    with _ending:  # and keep it, so that the main thread starts and removes nothing more
        _clean(folder)
        os._exit(1)


def _clean(folder: str) -> None:
    """End what was started here, and remove the folder."""
    for child in _children:
        _end(child)
    for _ in range(100):  # what those left behind, until there is nothing
        orphans = _orphans()
        for number in orphans:
            with suppress(OSError):
                os.kill(number, signal.SIGKILL)
                os.waitpid(number, 0)
        if not orphans:
            break
    if folder:
        shutil.rmtree(folder, ignore_errors=True)


def _end(child: "subprocess.Popen[bytes]") -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(OSError):
            os.killpg(child.pid, number)
        with suppress(subprocess.TimeoutExpired):
            child.wait(GRACE_S)


def _orphans() -> list[int]:
    """Return the processes whose parent is this one."""
    numbers = []
    with suppress(OSError):
        for name in filter(str.isdecimal, os.listdir("/proc")):
            with suppress(OSError, IndexError), open(f"/proc/{name}/stat", "rb") as file:
                if int(file.read().rpartition(b")")[2].split()[1]) == os.getpid():
                    numbers.append(int(name))
    return numbers


def _environment(job: dict[str, Any], folder: str) -> tuple[str, list[str]]:
    """Create the private environment; return its Python, and notes on what it lacks.

    It sees the packages of the Python that runs this, and installs those that are missing beside edgernn.
    """
    env = os.path.join(folder, "env")
    code, _, error = _call([sys.executable, "-m", "venv", "--without-pip", "--system-site-packages", env], folder)
    python = os.path.join(env, "bin", "python")
    if code or not os.path.exists(python):
        raise RefusalError(f"{sys.executable} makes no environment, install the module venv there: {_last(error)}")
    packages = os.path.join(env, "lib", f"python{sys.version_info[0]}.{sys.version_info[1]}", "site-packages")
    if sys.prefix != sys.base_prefix:  # it is in an environment itself, which a new one does not see
        with open(os.path.join(packages, "outer.pth"), "w", encoding="utf-8") as file:
            file.write("".join(f"{path}\n" for path in site.getsitepackages()))
    with zipfile.ZipFile(os.path.join(folder, job["wheel"])) as wheel:
        wheel.extractall(packages)
    notes = []
    for need in job["needs"]:
        reason = _install(need["choices"], folder, python)
        if reason and not need["optional"]:
            raise RefusalError(f"{need['purpose']} needs {' and '.join(need['choices'][0])} there, and {reason}")
        if reason:
            notes.append(f"{need['purpose']} does not run there, because {reason}")
    return python, notes


def _install(choices: list[list[str]], folder: str, python: str) -> str:
    """Install one of several sets of packages, unless one is there; return why that cannot be done, or ""."""
    if any(all(map(_satisfied, choice)) for choice in choices):
        return ""
    code, _, _ = _call([python, "-c", "import pip"], folder)
    if code:
        code, _, error = _call([python, "-m", "ensurepip"], folder)
    if code:
        return f"there is no pip to install it; install it there, or python3-pip ({_last(error)})"
    reasons = []
    for choice in choices:
        code, _, error = _call([python, *PIP, *PIP_OPTIONS, *choice], folder)
        if not code:
            return ""
        reasons.append(_last(error))
    return f"pip cannot install it; install it there: {'; '.join(dict.fromkeys(reasons))}"


def _satisfied(requirement: str) -> bool:
    """Return whether this Python has a distribution, of a form such as numpy>=1.24 or numpy<2."""
    name, *bounds = re.split(r"(>=|<)", requirement)
    try:
        version = _parts(metadata.version(name))
    except metadata.PackageNotFoundError:
        return False
    return all(
        (version < _parts(bound)) == (sign == "<") for sign, bound in zip(bounds[::2], bounds[1::2], strict=True)
    )


def _parts(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version.partition("+")[0])]


def _last(text: str) -> str:
    """Return the line of an error output that has the reason: the last that pip calls an error, else the last."""
    lines = [line.strip() for line in text.splitlines() if line.strip()] or ["no reason was printed"]
    return next((line for line in reversed(lines) if line.startswith("ERROR")), lines[-1])[:500]


def _run(job: dict[str, Any], folder: str, python: str) -> dict[str, Any]:
    """Run the verb; return the last message: its exit code, what it printed, and the files that it wrote."""
    call = [python, "-P", "-c", VERB, str(os.getpid()), *job["arguments"]]
    code, out, error = _call(call, folder, job["variables"])
    files = {}
    for name in job["outputs"]:
        with suppress(FileNotFoundError), open(os.path.join(folder, "out", name), "rb") as file:
            files[name] = base64.b64encode(file.read(LONGEST)).decode()
    return {"step": "ended", "code": code, "out": out[:LONGEST], "error": error[:LONGEST], "files": files}


def _call(call: list[str], folder: str, variables: dict[str, str] | None = None) -> tuple[int, str, str]:
    """Run a program in a session of its own; return its exit code, its output, and its error output."""
    temporary = os.path.join(folder, "temporary")
    environment = os.environ | {"TMPDIR": temporary, "PYTHONUTF8": "1"} | (variables or {})
    with _ending:
        child = subprocess.Popen(  # noqa: S603  the calls are of this module
            call,
            cwd=os.path.join(folder, "files"),
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        _children.append(child)
    out, error = child.communicate()
    with _ending:
        _children.remove(child)
    return child.returncode, out.decode(errors="replace"), error.decode(errors="replace")


if __name__ == "__main__":
    sys.exit(main())
