"""Signals at moments that are counted and not timed: each call of a function, of Python or C, and each return is one.

`python tests/strikes.py interrupt FOLDER COUNT` interrupts fine-tunings, `python tests/strikes.py kill FOLDER COUNT`
kills every verb that leaves files; both print JSON. Each work is done in a process that is forked when all is imported.
"""

import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from random import Random

CALLBACKS = {"__del__", "remove", "_remove", "met"}  # of weakref, torch's collections, zipfile, and of the test
FILES = set("open mkdir write fsync replace rename unlink rmdir flock close truncate chmod".split())  # noqa: SIM905


@dataclass
class Counter:
    """As a profile function: does something at the n-th event of a kind; counts them all.

    Attributes:
        kind: "any", "callback" (a call inside a weakref callback or `__del__`) or "file" (a call of C that may change
            a file, and its return).
        at: which one; 0 for none.
        act: what is done then.
    """

    kind: str = "any"
    at: int = 0
    act: Callable[[], object] = lambda: None

    def __post_init__(self) -> None:
        self.seen = {"any": 0, "callback": 0, "file": 0}
        self.struck = False

    def __call__(self, frame, event, arg) -> None:
        self._count("any")
        if event == "call" and frame.f_code.co_name in CALLBACKS:
            self._count("callback")
        elif event in {"c_call", "c_return"} and getattr(arg, "__name__", "") in FILES:
            self._count("file")

    def _count(self, kind: str) -> None:
        self.seen[kind] += 1
        if kind == self.kind and self.seen[kind] == self.at:
            self.struck = True
            self.act()

    def around(self, work: Callable[[], object]) -> object:
        """Do the work, and count."""
        sys.setprofile(self)
        try:
            return work()
        finally:
            sys.setprofile(None)


def moments(seen: dict[str, int], kinds: tuple[str, ...], count: int, seed: int) -> list[tuple[str, int]]:
    """So many moments, of each kind as many, drawn by chance."""
    random = Random(seed)
    return [(kind := kinds[k % len(kinds)], random.randint(1, max(1, int(0.95 * seen[kind])))) for k in range(count)]


def interrupted(work: Callable[[], object], kind: str, at: int, number: int) -> str:
    """What a signal at a moment of a work does: "raised" or "lost"."""
    from edgernn.process import interrupt

    counter = Counter(kind, at, lambda: os.kill(os.getpid(), number))
    try:
        with interrupt.deferred():  # before and after it the handler before has its say
            counter.around(work)
            if not counter.struck:  # this time there were fewer events
                counter.act()
    except interrupt.Interrupted as error:
        return "raised" if error.signal == number else f"raised {error.signal}"
    return "lost"


# what is interrupted and killed: a small motor (tests/motors.py), whose model and recipe are in a folder


def verbs(motor: Path) -> dict[str, Callable[[Path], object]]:
    """A verb -> what it does in a folder; begun again there, it goes on."""
    from itertools import count

    from edgernn import load
    from edgernn.artifact import rnn
    from edgernn.cli import call, cli
    from edgernn.device.board import load as board
    from edgernn.files import atomic
    from edgernn.train import recipe as recipes
    from edgernn.train.loop.trainer import Place
    from edgernn.tune import candidates, tuning
    from edgernn.tune.by_recipe import by_recipe

    given = [motor / "small.toml", "--data", motor / "motor.npz"]
    model = motor / "run/model.rnn"

    def command(*arguments: object) -> None:
        assert call(cli, [str(each) for each in arguments], "edgernn") == 0

    def compress(out: Path) -> None:
        small = ["--prune", "units=0.5", "--precision", "dynamic_wi8_afp32", "--recipe", *given]
        command("compress", model, out / "small.rnn", *small, "--checkpoint", out / "kept")

    def tune(out: Path) -> None:
        candidates.RUNTIMES = {"LiteRT": ".tflite"}
        evaluator = by_recipe(load(model), recipes.load(motor / "small.toml"), motor / "motor.npz", Place("cpu"))
        options = {"bound": 100, "board": board("this"), "plans": [(), ("units=0.5",)], "schemes": ("fp32", "fp16")}
        found = tuning.tune(load(model), evaluator, out / "best.tune", **options, clock=count(step=1000).__next__)
        atomic.write(out / "best.rnn", rnn.dumps(found.model))

    def search(out: Path) -> None:
        space = ["--space", "model.hidden=3,4", "--method", "grid"]
        command("search", *given, *space, "--out", out / "found", "--accelerator", "cpu")

    return {
        "train": lambda out: command("train", *given, "--out", out / "run", "--accelerator", "cpu", "--resume"),
        "compress": compress,
        "tune": tune,
        "search": search,
        "export": lambda out: command(
            "export", model, *(out / f"m{each}" for each in (".onnx", ".tflite", ".so", ".c"))
        ),
    }


def left(folder: Path) -> dict[str, object]:
    """Every file below a folder, with what must be the same after a work that was killed: not the times that it took."""
    return {
        str(path.relative_to(folder)): _same(path) for path in sorted(folder.rglob("*")) if not path.is_dir()
    }  # fmt: skip


def _same(path: Path) -> object:
    import torch

    if path.name == "last.ckpt":
        return {k: v.tolist() for k, v in torch.load(path, weights_only=True)["state_dict"].items()}
    if path.name == "metrics.json":
        return {k: v for k, v in json.loads(path.read_text()).items() if k not in {"took_s", "cpu_s", "frames_per_s"}}
    if path.name == "study.journal":
        return None  # attempts of workers that died are noted
    if path.name in {"environment.json", "report.html"}:
        return None
    return path.read_bytes().hex()


def forked(work: Callable[[], object], temporary: Path) -> int:
    """The status of a process that does a work, silently, with temporary files of its own."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 1
    try:
        said = os.open(temporary.parent / "said.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(said, 1)
        os.dup2(said, 2)
        os.environ["TMPDIR"] = tempfile.tempdir = str(temporary)
        work()
        code = 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def killed(name: str, motor: Path, top: Path, count: int) -> dict[str, object]:
    """A verb that is killed at so many moments and begun again, held against one that is not."""
    work, temporary = verbs(motor)[name], top / "tmp"
    temporary.mkdir(parents=True)
    whole, seen = top / "whole", top / "seen.json"
    whole.mkdir()

    def counting() -> None:
        counter = Counter()
        counter.around(lambda: work(whole))
        seen.write_text(json.dumps([counter.seen, sorted(sys.modules)]))

    assert forked(counting, temporary) == 0, (top / "said.txt").read_text()[-2000:]
    events, modules = json.loads(seen.read_text())
    for module in modules:  # so that no other process imports them again
        if module not in sys.modules:
            with suppress(ImportError):
                import_module(module)
    wanted, found = left(whole), {"killed": 0, "half": 0, "wrong": []}
    for k, (kind, at) in enumerate(moments(events, ("any", "file"), count, seed=1)):
        out = top / str(k)
        out.mkdir()
        strike = Counter(kind, at, lambda: os.kill(os.getpid(), signal.SIGKILL))
        code = forked(lambda strike=strike, out=out: (strike.around(lambda: work(out)), strike.act()), temporary)
        found["killed"] += code == -signal.SIGKILL
        found["half"] += any("edgernn-" in path.name for path in (*out.rglob("*"), *temporary.iterdir()))
        code = forked(lambda out=out: work(out), temporary)
        _settled(temporary)
        here = left(out)
        differs = [path for path in here.keys() | wanted.keys() if here.get(path, 0) != wanted.get(path, 0)]
        if code or differs or os.listdir(temporary):
            found["wrong"].append([kind, at, code, differs, os.listdir(temporary)])
    return found


def _settled(temporary: Path) -> None:
    """A compiler whose parent was killed takes away its own files when it is done."""
    until = time.monotonic() + 20
    while time.monotonic() < until and any(path.name.startswith("cc") for path in temporary.iterdir()):
        time.sleep(0.05)


def main(what: str, folder: str, count: str) -> None:
    import torch

    import motors
    from edgernn import load
    from edgernn.process import interrupt
    from edgernn.train import recipe as recipes
    from edgernn.train.compress.finetune import finetune
    from edgernn.train.data.reader import read
    from edgernn.train.loop.task import Task
    from edgernn.train.loop.trainer import Place

    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell has it ignored by what runs in the background
    torch.set_num_threads(1)
    top = Path(folder)
    motor = top / "motor"
    motor.mkdir()
    size = {"hidden": 4, "epochs": 2, "batch": 5, "rate": 0.01}
    assert forked(lambda: motors.trained(motor, 10, 5, **size), top / "motor") == 0
    if what == "kill":
        print(json.dumps({name: killed(name, motor, top / name, int(count)) for name in verbs(motor)}))
        return
    recipe, data = recipes.load(motor / "small.toml"), read("npz", motor / "motor.npz")
    graph, begun = load(motor / "run/model.rnn"), []

    def work() -> None:
        begun.append(tempfile.mkdtemp(dir=top))
        finetune(graph, recipe, data, place=Place("cpu"), out=Path(begun[-1]))

    late, begin = [0], Task.on_train_batch_start

    def batch(task: Task, *said: object) -> None:
        late[-1] += interrupt._process.received != 0
        begin(task, *said)

    Task.on_train_batch_start = batch
    work()  # what is done once in a process is done
    counter = Counter()
    counter.around(work)
    found = []
    for k, (kind, at) in enumerate(moments(counter.seen, ("any", "callback"), int(count), seed=2)):
        late.append(0)
        found.append(interrupted(work, kind, at, (signal.SIGINT, signal.SIGTERM)[k // 2 % 2]))
    came = {each: found.count(each) for each in sorted(set(found))}
    print(json.dumps({"seen": counter.seen, "found": came, "late": max(late)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
