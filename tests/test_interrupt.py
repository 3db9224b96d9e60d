"""A terminating signal is never lost, whatever Python executes when it arrives, and ends all work."""

import ctypes
import json
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager, nullcontext
from pathlib import Path
from weakref import WeakValueDictionary, finalize, ref

import numpy as np
import pytest
import torch

import motors
from edge import called
from edgernn import load, save
from edgernn.errors import FileError
from edgernn.files import atomic
from edgernn.latency.worker import Worker
from edgernn.process import child, interrupt
from edgernn.process.interrupt import Interrupted, check, deferred, prompt
from edgernn.train import recipe as recipes, run
from edgernn.train.loop.task import Task
from edgernn.train.loop.trainer import Accelerator
from edgernn_export.translate import export
from strikes import Counter, interrupted, moments
from zoo import keyword_spotter

BLOCKS = {"deferred": deferred, "prompt": prompt}
NUMBERS = {each.name: each for each in interrupt.SIGNALS}


@pytest.fixture(autouse=True)
def handled():
    """Handlers of an application: a signal that reaches one fails the test, and does not end the test run."""

    def met(number, _frame):
        raise AssertionError(f"{number} reached the handler before")

    before = {number: signal.signal(number, met) for number in interrupt.SIGNALS}
    yield met
    for number, handler in before.items():
        signal.signal(number, handler)


def send(number=signal.SIGINT):
    os.kill(os.getpid(), number)


class Loud:
    """Its finalizer runs Python code, in which a signal handler may run."""

    def __del__(self):
        self.ended = True


def met(_):
    """A weakref callback."""
    sum(range(3))


def pickled(tensors):
    pickle.dumps(tensors)


def saved(tensors):
    with tempfile.TemporaryFile() as file:
        torch.save(tensors, file)


SAVES = {"deferred": saved, "prompt": pickled}
"""Torch ends the process if the signal handler raises within `torch.save`."""


def busy(saved):
    """Work with many finalizers: weakref callbacks, `__del__`, pickles, files, short waits."""
    referenced, watched = WeakValueDictionary(), []
    for k in range(20):
        check()
        each = Loud()
        referenced[k], watched = each, [*watched[-3:], ref(each, met)]
        finalize(each, met, k)
        del each
        if k % 5 == 0:
            saved({"a": torch.zeros(3), "b": [torch.ones(2)]})
            interrupt.sleep(1e-5)
        if k % 10 == 0:
            atomic.write(Path(tempfile.gettempdir()) / "busy", b"data")


@pytest.mark.parametrize("block", BLOCKS)
def test_of_300_signals_none_is_lost_whatever_python_was_at(block, tmp_path, monkeypatch):
    """A third arrive inside a weakref callback or a `__del__`, where Python discards exceptions of the handler."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(sys, "unraisablehook", lambda _: None)  # Python reports discarded exceptions there

    def work():
        with BLOCKS[block]():
            busy(SAVES[block])

    work()
    counter = Counter()
    counter.around(work)
    struck = moments(counter.seen, ("any", "any", "callback"), 300, seed=0)
    outcomes = [
        interrupted(work, kind, at, (signal.SIGINT, signal.SIGTERM)[k % 2]) for k, (kind, at) in enumerate(struck)
    ]
    assert counter.seen["callback"] > 50
    assert outcomes == ["raised"] * 300
    check()  # and no signal is pending


@pytest.mark.slow
def test_no_signal_is_lost_in_a_training(tmp_path):
    """A fine-tuning by Lightning, with checkpoints; half of the signals come inside a weakref callback or `__del__`."""
    script = Path(__file__).with_name("strikes.py")
    call = [sys.executable, script, "interrupt", tmp_path, "10"]
    report = json.loads(subprocess.run(call, capture_output=True, text=True, check=True).stdout)
    assert report["outcomes"] == {"raised": 10}
    assert report["late"] <= 1  # batches that started after a signal
    assert report["seen"]["callback"] > 100


def inside(block, *steps):
    with block():
        for step in steps:
            step()


@pytest.mark.parametrize("name", NUMBERS)
def test_a_deferred_signal_raises_at_the_next_check_and_at_every_other_one(name):
    def looked():
        for _ in range(2):
            with pytest.raises(Interrupted, match=f"interrupted by {name}"):
                check()

    with pytest.raises(Interrupted) as raised:
        inside(deferred, lambda: send(NUMBERS[name]), looked)
    assert raised.value.signal == NUMBERS[name]
    assert raised.value.code == 128 + NUMBERS[name]
    assert isinstance(raised.value, KeyboardInterrupt)
    check()


def test_the_end_of_each_block_raises_what_no_check_has_raised():
    done = []

    def inner():
        with pytest.raises(Interrupted):
            inside(deferred, send, lambda: done.append("in the inner block"))
        done.append("in the outer block")

    with pytest.raises(Interrupted):
        inside(deferred, inner)
    assert done == ["in the inner block", "in the outer block"]
    check()


def test_an_error_that_a_signal_brings_about_is_its_cause():
    """Such as that of a compiler that the same Ctrl-C ended."""
    with pytest.raises(Interrupted) as raised:
        inside(deferred, send, lambda: atomic.read("missing"))
    assert isinstance(raised.value.__cause__, FileError)


@contextmanager
def waiting():
    with deferred(), interrupt.waiting():
        yield


@contextmanager
def prompt_inside():
    with deferred(), prompt():
        yield


@contextmanager
def prompt_after():
    with prompt():
        deferred()(check)()
        yield


@contextmanager
def deferred_inside():
    with prompt(), deferred():
        yield


@contextmanager
def deferred_after():
    with deferred():
        prompt()(check)()
        interrupt.sleep(0.0)
        yield


@pytest.mark.parametrize(
    ("block", "at_once"),
    [(waiting, True), (prompt_inside, True), (prompt_after, True), (deferred_inside, False), (deferred_after, False)],
)
def test_blocks_may_be_nested_and_decorate_and_the_inner_one_decides(block, at_once, handled):
    done = []
    with pytest.raises(Interrupted):
        inside(block, send, lambda: done.append("the next step"))
    assert bool(done) is not at_once
    assert signal.getsignal(signal.SIGINT) is handled


def test_handlers_are_put_back_also_those_of_c(handled):
    def of_c(number, new=None):
        libc.signal.restype = ctypes.c_void_p
        return libc.signal(number, ctypes.c_void_p(new))

    libc = ctypes.CDLL(None)
    foreign = ctypes.cast(libc.abs, ctypes.c_void_p).value  # takes an int, without side effects
    ours = of_c(signal.SIGTERM, foreign)
    with deferred():
        assert of_c(signal.SIGTERM, ours) == ours
    assert of_c(signal.SIGTERM, ours) == foreign
    for number in interrupt.SIGNALS:
        assert signal.getsignal(number) is handled


def test_what_is_ignored_stays_ignored(handled):
    """As with nohup and background processes of a shell; also if a library installs handlers inside."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    inside(deferred, send, check)
    with deferred():
        signal.signal(signal.SIGINT, handled)
        signal.signal(signal.SIGTERM, handled)
        interrupt.reinstall()
        send(signal.SIGINT)
        check()
    assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    with pytest.raises(Interrupted):
        inside(
            deferred, lambda: signal.signal(signal.SIGTERM, handled), interrupt.reinstall, lambda: send(signal.SIGTERM)
        )


def test_another_thread_installs_nothing_and_hears_of_the_signal(handled):
    seen = []

    def work(before):
        try:
            with deferred():
                seen.append(signal.getsignal(signal.SIGINT) is handled)
                before.wait()
                interrupt.sleep(3600)
        except Interrupted as error:
            seen.append(error.signal)

    go = threading.Event()
    thread = threading.Thread(target=work, args=(go,))
    thread.start()
    while not seen:
        time.sleep(0.001)
    with pytest.raises(Interrupted):
        inside(deferred, lambda: send(signal.SIGTERM), go.set, thread.join)
    assert seen == [True, signal.SIGTERM]


def waits(folder):
    """Calls that block for an hour, by name."""
    model = folder / "m.rnn"
    save(keyword_spotter(), model)

    def measuring():
        with Worker() as worker:
            worker.open(str(model))
            worker.ask("run", period_us=1e6, steps=3600, trace=None, back_to_back=False, prime=False)

    family = f"sleep 3600 & echo $! > {folder / 'child'}; wait"
    return {
        "sleep": lambda: interrupt.sleep(3600),
        "program": lambda: child.run(["sh", "-c", family]),
        "worker": measuring,
    }


def gone(number):
    """Whether a process ends early."""
    path = Path(f"/proc/{number}/stat")
    for _ in range(6000):
        if not path.exists() or path.read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.01)
    return False


@pytest.mark.parametrize("name", ["sleep", "program", "worker"])
def test_a_signal_ends_a_wait_and_the_programs_that_are_waited_for(name, tmp_path):
    work, later = waits(tmp_path)[name], threading.Timer(0.3, send)  # before or during the wait
    later.start()
    with pytest.raises(Interrupted):
        inside(deferred, work)
    later.join()
    if (tmp_path / "child").exists():
        assert gone(int((tmp_path / "child").read_text()))


def test_a_process_that_measures_dies_with_the_one_that_asked(tmp_path):
    save(keyword_spotter(), tmp_path / "m.rnn")
    code = """
import os, signal, sys
from edgernn.latency.worker import Worker
worker = Worker()
worker.ask("open", artifact=sys.argv[1], frames=None, threads=1, seed=0)
worker._send(b'{"request": "run", "period_us": 1e6, "steps": 3600, "trace": null, "back_to_back": false, "prime": false}\\n')
print(worker._child.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "m.rnn"], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL
    assert gone(int(done.stdout))


TWICE = """
import os, signal, sys
from edgernn.process import interrupt
from edgernn.cli import call
import click
signal.signal(signal.SIGINT, signal.default_int_handler)
interrupt.TWIN_S = float(sys.argv[1])
@click.command()
def work():
    with interrupt.deferred():
        try:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            print("cleaned up", flush=True)
sys.exit(call(work, [], "work"))
"""


@pytest.mark.parametrize(
    ("twin_s", "code", "printed"), [("0", -signal.SIGTERM, ""), ("inf", 130, "cleaned up\n")], ids=["second", "twin"]
)
def test_a_second_signal_ends_the_process_at_once_unless_it_is_the_same_request(twin_s, code, printed):
    done = subprocess.run([sys.executable, "-c", TWICE, twin_s], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (code, printed)


@pytest.fixture(scope="module")
def motor(tmp_path_factory):
    folder = motors.trained(tmp_path_factory.mktemp("motor"), 10, 5, hidden=4, epochs=1, batch=5, rate=0.01)
    np.save(folder / "frames.npy", np.random.default_rng(0).standard_normal((64, 20)).astype(np.float32))
    export(load(folder / "run/model.rnn"), folder / "m.onnx")
    return folder


@pytest.mark.parametrize("ignored", [False, True], ids=["handled", "ignored"])
@pytest.mark.parametrize("name", NUMBERS)
def test_a_training_ends_at_the_batch_after_a_signal_that_is_not_ignored(
    name, ignored, motor, tmp_path, monkeypatch, handled
):
    """Regardless of how Lightning handles the signal."""
    if ignored:
        signal.signal(NUMBERS[name], signal.SIG_IGN)
    begun, begin = [], Task.on_train_batch_start

    def batch(task, of, index):
        begun.append(index)
        if len(begun) == 2:
            send(NUMBERS[name])
        begin(task, of, index)

    monkeypatch.setattr(Task, "on_train_batch_start", batch)
    recipe = recipes.load(motor / "small.toml", ["training.batch=2"])
    with nullcontext() if ignored else pytest.raises(Interrupted, match=name):
        run.train(recipe, motor / "motor.npz", tmp_path, accelerator=Accelerator("cpu"))
    assert begun == ([0, 1, 2, 3, 4] if ignored else [0, 1])
    assert signal.getsignal(NUMBERS[name]) == (signal.SIG_IGN if ignored else handled)


DATA = ("small.toml", "--data", "motor.npz")
VERBS = {
    "train": (*DATA, "--out", "new"),
    "compress": ("run/model.rnn", "new.rnn", "--prune", "units=0.5", "--recipe", *DATA),
    "compress without training": ("run/model.rnn", "new.rnn", "--precision", "fp16"),
    "tune": ("run/model.rnn", "--data", "frames.npy", "-o", "new"),
    "search": (*DATA, "--space", "model.hidden=3,4", "--method", "grid", "--out", "new"),
    "compare": (*DATA, "--cells", "rnn", "--seeds", "1", "--out", "new"),
    "check": ("m.onnx", "--period", "10ms", "--html", "new.html"),
    "certify": ("m.onnx", "--period", "10ms"),
    "bench": ("m.onnx",),
    "regress": ("m.onnx", "m.onnx"),
    "sensitivity": ("run/model.rnn", "--data", "frames.npy", "--precision", "dynamic_wi8_afp32"),
    "export": ("run/model.rnn", "new.onnx"),
    "soak": ("run/model.rnn", "--html", "new.html"),
}


@pytest.mark.parametrize("name", VERBS)
def test_every_long_verb_looks_for_signals_and_leaves_by_their_code(name, motor, monkeypatch):
    """A signal arrives at the third check inside a deferred block; the verb must not finish."""
    monkeypatch.chdir(motor)
    looks = []

    def watched():
        if interrupt._process.depth > 1 and not interrupt._process.received:
            looks.append(1)
            if len(looks) == 3:
                send(signal.SIGTERM)
        check()

    monkeypatch.setattr(interrupt, "check", watched)
    code, printed, complaint = called(name.split()[0], *VERBS[name])
    assert (code, printed) == (143, "")
    assert complaint.splitlines()[-1] == "interrupted"
    left = [path.name for path in motor.rglob("*") if path.is_file()]
    assert not [file for file in left if file.startswith("new.") or file == "model.onnx"]


def test_the_command_leaves_an_ignored_signal_ignored(motor, monkeypatch):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    read = atomic.read
    monkeypatch.setattr(atomic, "read", lambda path: (send(), read(path))[1])
    assert called("info", motor / "m.onnx")[0] == 0
    assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
