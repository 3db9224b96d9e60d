"""Commands in processes of their own, forked from one that has imported what they import: imports cost more than they do."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

SERVER = """
import json, os, sys
from importlib import import_module
for name in json.loads(sys.argv[1]):
    import_module(name)
for line in sys.stdin:
    job = json.loads(line)
    if "wait" in job:
        print(os.waitstatus_to_exitcode(os.waitpid(job["wait"], 0)[1]), flush=True)
        continue
    child = os.fork()
    if not child:
        for number, path in enumerate((os.devnull, *job["outputs"])):
            os.dup2(os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC), number)
        sys.argv = ["-c", *job["arguments"]]
        exec(compile(job["code"], "<string>", "exec"), {"__name__": "__main__"})
        sys.exit()
    print(child, flush=True)
"""


@dataclass
class Process:
    """A process that was begun; `communicate` and `returncode` are as in subprocess.Popen."""

    server: subprocess.Popen
    number: int
    outputs: tuple[Path, Path]
    returncode: int | None = None

    def communicate(self) -> tuple[str, str]:
        """Wait for its end; return what it wrote to standard output and standard error."""
        self.returncode = _asked(self.server, {"wait": self.number})
        out, error = (path.read_text() for path in self.outputs)
        return out, error


@dataclass
class Forks:
    """A process that has imported modules, and forks."""

    server: subprocess.Popen
    folder: Path
    numbers: Iterator[int]

    def begin(self, code: str, *arguments: object) -> Process:
        """Run code as `python -W error -c CODE ARGUMENTS` does, in a new process."""
        number = next(self.numbers)
        outputs = self.folder / f"{number}.out", self.folder / f"{number}.err"
        job = {"code": code, "arguments": list(map(str, arguments)), "outputs": list(map(str, outputs))}
        return Process(self.server, _asked(self.server, job), outputs)


def _asked(server: subprocess.Popen, job: object) -> int:
    server.stdin.write(f"{json.dumps(job)}\n")
    server.stdin.flush()
    return int(server.stdout.readline())


@contextmanager
def forks(folder: Path, modules: Sequence[str]) -> Iterator[Forks]:
    """A process with these modules; warnings are errors there, and there is one thread."""
    path = os.pathsep.join(filter(None, sys.path))
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": path}
    call = [sys.executable, "-W", "error", "-c", SERVER, json.dumps(modules)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(call, env=environment, **pipes) as server:
        yield Forks(server, folder, count())
        server.stdin.close()
