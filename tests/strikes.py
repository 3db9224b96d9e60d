"""Signals at counted events instead of times: each call of a function, in Python or C, and each return is one event.

`python tests/strikes.py interrupt FOLDER COUNT` interrupts fine-tunings, `python tests/strikes.py kill FOLDER COUNT`
kills every verb that leaves files; both print JSON. Each runs in a process that is forked after all imports.
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

CALLBACKS = {"__del__", "remove", "_remove", "met"}  # in weakref, torch's collections, zipfile, and the test
FILES = set("open mkdir write fsync replace rename unlink rmdir flock close truncate chmod".split())  # noqa: SIM905


@dataclass
class Counter:
    """A profile function that acts at the n-th event of a kind, and counts all events.

    Attributes:
        kind: "any", "callback" (a call inside a weakref callback or `__del__`) or "file" (a call of C that may change
            a file, and its return).
        at: number of the event; 0 for none.
        act: called at that event.
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
        """Run the work and count its events."""
        sys.setprofile(self)
        try:
            return work()
        finally:
            sys.setprofile(None)


def moments(seen: dict[str, int], kinds: tuple[str, ...], count: int, seed: int) -> list[tuple[str, int]]:
    """`count` random events, equally many of each kind."""
    random = Random(seed)
    return [(kind := kinds[k % len(kinds)], random.randint(1, max(1, int(0.95 * seen[kind])))) for k in range(count)]


def interrupted(work: Callable[[], object], kind: str, at: int, number: int) -> str:
    """The effect of a signal at an event of the work: "raised" or "lost"."""
    from edgernn.process import interrupt

    counter = Counter(kind, at, lambda: os.kill(os.getpid(), number))
    try:
        with interrupt.deferred():  # outside the block the previous handler is active
            counter.around(work)
            if not counter.struck:  # fewer events than in the counted run
                counter.act()
    except interrupt.Interrupted as error:
        return "raised" if error.signal == number else f"raised {error.signal}"
    return "lost"


# the interrupted and killed work: a small motor (tests/motors.py), whose model and recipe are in a folder


def verbs(motor: Path) -> dict[str, Callable[[Path], object]]:
    """Verb -> its work in a folder; started again in the same folder, it resumes."""
    from itertools import count

    from edgernn import load
    from edgernn.artifact import rnn
    from edgernn.cli import call, cli
    from edgernn.device.board import load as board
    from edgernn.device.runtimes import RUNTIMES
    from edgernn.files import atomic
    from edgernn.train import recipe as recipes
    from edgernn.train.loop.trainer import Accelerator
    from edgernn.tune import candidates, tuning
    from edgernn.tune.by_recipe import by_recipe

    recipe = [motor / "small.toml", "--data", motor / "motor.npz"]
    model = motor / "run/model.rnn"

    def command(*arguments: object) -> None:
        assert call(cli, [str(each) for each in arguments], "edgernn") == 0

    def compress(out: Path) -> None:
        small = ["--prune", "units=0.5", "--precision", "dynamic_wi8_afp32", "--recipe", *recipe]
        command("compress", model, out / "small.rnn", *small, "--checkpoint", out / "kept")

    def tune(out: Path) -> None:
        candidates.raced = lambda: {"LiteRT": RUNTIMES["ai-edge-litert"]}
        evaluator = by_recipe(load(model), recipes.load(motor / "small.toml"), motor / "motor.npz", Accelerator("cpu"))
        options = {"bound": 100, "board": board("this"), "plans": [(), ("units=0.5",)], "schemes": ("fp32", "fp16")}
        result = tuning.tune(load(model), evaluator, out / "best.tune", **options, clock=count(step=1000).__next__)
        atomic.write(out / "best.rnn", rnn.dumps(result.model))

    def search(out: Path) -> None:
        space = ["--space", "model.hidden=3,4", "--method", "grid"]
        command("search", *recipe, *space, "--out", out / "found", "--accelerator", "cpu")

    return {
        "train": lambda out: command("train", *recipe, "--out", out / "run", "--accelerator", "cpu", "--resume"),
        "compress": compress,
        "tune": tune,
        "search": search,
        "export": lambda out: command(
            "export", model, *(out / f"m{each}" for each in (".onnx", ".tflite", ".so", ".c"))
        ),
    }


def left(folder: Path) -> dict[str, object]:
    """Every file below a folder, with the content that must be equal after killed work; durations are left out."""
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
        return None  # lists attempts of killed workers
    if path.name in {"environment.json", "report.html"}:
        return None
    return path.read_bytes().hex()


def forked(work: Callable[[], object], temporary: Path) -> int:
    """Run the work in a forked process, without output, with its own temporary files. Returns the exit code."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 1
    try:
        log = os.open(temporary.parent / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
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
    """Kill a verb at `count` events, run it again, and compare the files with those of an undisturbed run."""
    work, temporary = verbs(motor)[name], top / "tmp"
    temporary.mkdir(parents=True)
    whole, seen = top / "whole", top / "seen.json"
    whole.mkdir()

    def counting() -> None:
        counter = Counter()
        counter.around(lambda: work(whole))
        seen.write_text(json.dumps([counter.seen, sorted(sys.modules)]))

    assert forked(counting, temporary) == 0, (top / "log.txt").read_text()[-2000:]
    events, modules = json.loads(seen.read_text())
    for module in modules:  # so that the forked processes need not import them
        if module not in sys.modules:
            with suppress(ImportError):
                import_module(module)
    expected, report = left(whole), {"killed": 0, "half": 0, "wrong": []}
    for k, (kind, at) in enumerate(moments(events, ("any", "file"), count, seed=1)):
        out = top / str(k)
        out.mkdir()
        strike = Counter(kind, at, lambda: os.kill(os.getpid(), signal.SIGKILL))
        code = forked(lambda strike=strike, out=out: (strike.around(lambda: work(out)), strike.act()), temporary)
        report["killed"] += code == -signal.SIGKILL
        report["half"] += any("edgernn-" in path.name for path in (*out.rglob("*"), *temporary.iterdir()))
        code = forked(lambda out=out: work(out), temporary)
        _wait_for_compilers(temporary)
        here = left(out)
        differs = [path for path in here.keys() | expected.keys() if here.get(path, 0) != expected.get(path, 0)]
        if code or differs or os.listdir(temporary):
            report["wrong"].append([kind, at, code, differs, os.listdir(temporary)])
    return report


def _wait_for_compilers(temporary: Path) -> None:
    """Wait for a compiler whose parent was killed to remove its own files."""
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
    from edgernn.train.data.reader import read_data
    from edgernn.train.loop.task import Task
    from edgernn.train.loop.trainer import Accelerator

    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell sets it to ignored for background processes
    torch.set_num_threads(1)
    top = Path(folder)
    motor = top / "motor"
    motor.mkdir()
    size = {"hidden": 4, "epochs": 2, "batch": 5, "rate": 0.01}
    assert forked(lambda: motors.trained(motor, 10, 5, **size), top / "motor") == 0
    if what == "kill":
        print(json.dumps({name: killed(name, motor, top / name, int(count)) for name in verbs(motor)}))
        return
    recipe, data = recipes.load(motor / "small.toml"), read_data("npz", motor / "motor.npz")
    graph, begun = load(motor / "run/model.rnn"), []

    def work() -> None:
        begun.append(tempfile.mkdtemp(dir=top))
        finetune(graph, recipe, data, accelerator=Accelerator("cpu"), out=Path(begun[-1]))

    late, begin = [0], Task.on_train_batch_start

    def batch(task: Task, *arguments: object) -> None:
        late[-1] += interrupt._process.received != 0
        begin(task, *arguments)

    Task.on_train_batch_start = batch
    work()  # work that is done once per process is now done
    counter = Counter()
    counter.around(work)
    outcomes = []
    for k, (kind, at) in enumerate(moments(counter.seen, ("any", "callback"), int(count), seed=2)):
        late.append(0)
        outcomes.append(interrupted(work, kind, at, (signal.SIGINT, signal.SIGTERM)[k // 2 % 2]))
    counts = {each: outcomes.count(each) for each in sorted(set(outcomes))}
    print(json.dumps({"seen": counter.seen, "outcomes": counts, "late": max(late)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
