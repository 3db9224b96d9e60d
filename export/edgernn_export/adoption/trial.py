"""The first call of a foreign file: in a process of its own, since a damaged file can crash a runtime.

`python -m edgernn_export.adoption.trial PATH OPTIONS` opens a file and calls it twice. It prints the error as JSON.
"""

import json
import resource
import signal
import sys
from math import ceil
from pathlib import Path

from edgernn import errors
from edgernn.errors import EdgernnError, FileError
from edgernn.process import child
from edgernn_export.adoption.options import AdoptOptions

CPU_S = 2  # of processor time for opening a file, beside a second for each SECOND bytes; and for two calls
SECOND = 1 << 21
MEMORY, TIMES = 1 << 30, 16  # bytes of address space, beside what Python needs, and the size of the file so many times


def attempt(path: str, options: AdoptOptions) -> None:
    """Open and call a file in a process of its own.

    Raises:
        EdgernnError: what opening or calling it raised there.
        FileError: the process crashed, or took too long.
    """
    stated = json.dumps([{k: list(v) for k, v in options.shapes.items()}, dict(options.constants)])
    done = child.run([sys.executable, "-P", "-m", "edgernn_export.adoption.trial", path, stated])
    if done.returncode < 0:
        number = signal.Signals(-done.returncode)
        if number is signal.SIGXCPU:
            raise FileError(f"'{path}' takes seconds to open or to run, and a step must not; convert a smaller model")
        raise FileError(f"'{path}' ends the process of its runtime ({number.name}): it is damaged; convert it again")
    if done.returncode:
        reply = _reply(done.stdout)
        if reply is None:
            last = (done.stderr.strip().splitlines() or ["no reason"])[-1]
            raise FileError(f"'{path}' cannot be run: {last}; convert it again")
        raise getattr(errors, reply[0])(reply[1])


def _reply(printed: str) -> tuple[str, str] | None:
    """Return the kind and the message of an error that the process printed."""
    try:
        kind, message = json.loads(printed.strip().splitlines()[-1])
    except (ValueError, IndexError, TypeError):
        return None
    return (kind, message) if issubclass(getattr(errors, str(kind), int), EdgernnError) else None


def main(path: str, stated: str) -> int:
    """Open and call a file, with bounds on time and memory."""
    from edgernn.files import atomic
    from edgernn_export.adoption.adopt import open_original, reader
    from edgernn_export.adoption.roles import zeros_of

    shapes, constants = json.loads(stated)
    try:
        data = atomic.read(path)
        reader(Path(path).suffix)
        memory = _address_space() + MEMORY + TIMES * len(data)
        _allow(CPU_S + len(data) // SECOND)
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        original, fixed = open_original(data, path, {name: tuple(shape) for name, shape in shapes.items()})
        arguments = zeros_of(original.inputs, fixed, constants)
        _allow(CPU_S)
        for _ in range(2):
            original.call(arguments)
    except EdgernnError as error:
        sys.stdout.write(json.dumps([type(error).__name__, str(error)]))
        return 1
    return 0


def _allow(seconds: int) -> None:
    """End this process when it has used so much more processor time; the kernel counts whole seconds."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (ceil(used.ru_utime + used.ru_stime) + seconds, hard))


def _address_space() -> int:
    """Return the bytes of address space that this process has reserved (Linux, proc(5))."""
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[0]) * resource.getpagesize()


if __name__ == "__main__":
    child.end_with_parent()
    sys.exit(main(*sys.argv[1:]))
