"""The ways to run one step that the benchmark compares: each a function of a frame, all on the same files."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from ai_edge_litert.interpreter import Interpreter
from torch import nn

import edgernn
from edgernn.artifact.manifest import STREAMS
from edgernn.passes.quantize import quantize
from edgernn_export import export, from_torch
from interpreter import bare
from machine import INPUTS, OUTPUTS

FRAMES, BLOCK = 64, 100

Step = Callable[[np.ndarray], object]


class Net(nn.Module):
    """A recurrent layer with a dense head, stepped with its state by torch itself."""

    def __init__(self, cell: str, hidden: int) -> None:
        super().__init__()
        self.rnn = {"gru": nn.GRU, "lstm": nn.LSTM}[cell](INPUTS, hidden, batch_first=True)
        self.out = nn.Linear(hidden, OUTPUTS)

    def forward(self, x: torch.Tensor, state: Any = None) -> Any:
        """(1, time, INPUTS) and the state -> scores, state."""
        h, state = self.rnn(x, state)
        return self.out(h), state


@dataclass(frozen=True)
class Model:
    """One model in all its forms."""

    net: Net
    paths: dict[str, Path]
    frames: np.ndarray  # (FRAMES, INPUTS)


def make(cell: str, hidden: int, folder: Path) -> Model:
    """A model with random weights, exported to every format."""
    torch.manual_seed(0)
    net = Net(cell, hidden).eval()
    graph = from_torch(net, torch.randn(1, 8, INPUTS))
    paths = {".rnn": folder / f"{cell}{hidden}.rnn"}
    edgernn.save(graph, paths[".rnn"])
    for suffix in (".onnx", ".tflite", ".so"):
        for precision, form in (("", graph), (".int8", quantize(graph))):
            paths[precision + suffix] = folder / f"{cell}{hidden}{precision}{suffix}"
            export(form, paths[precision + suffix])
    frames = np.random.default_rng(0).standard_normal((FRAMES, INPUTS)).astype(np.float32)
    return Model(net, paths, frames)


def torch_eager(model: Model) -> Step:
    """The module, one frame at a time, with its state handed back."""
    state = None

    def step(frame: np.ndarray) -> object:
        nonlocal state
        with torch.inference_mode():
            y, state = model.net(torch.from_numpy(frame).reshape(1, 1, INPUTS), state)
        return y

    return step


def ort_session(path: Path) -> tuple[onnxruntime.InferenceSession, dict[str, np.ndarray]]:
    """A session for one stream on one thread, all sizes known to it, and zeros for each input by name."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.add_free_dimension_override_by_name(STREAMS, 1)
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return session, {node.name: np.zeros((1, *node.shape[1:]), np.float32) for node in session.get_inputs()}


def ort_session_run(model: Model) -> Step:
    """`session.run` with dictionaries, as users write it, one thread."""
    session, feed = ort_session(model.paths[".onnx"])
    names = list(feed)

    def step(frame: np.ndarray) -> object:
        feed["x"] = frame[None]
        y, *states = session.run(None, feed)
        feed.update(zip(names[1:], states, strict=True))
        return y

    return step


def litert_bare(suffix: str) -> Callable[[Model], Step]:
    """LiteRT, as its documentation shows."""
    return lambda model: bare(Interpreter, model.paths[suffix])


def edgernn_step(suffix: str) -> Callable[[Model], Step]:
    """`Stream.step`, guard and state included."""
    return lambda model: _stream(model.paths[suffix]).step


def edgernn_bound(suffix: str) -> Callable[[Model], Step]:
    """The bound backend call inside `Stream.step`, alone, on the very same stream: what is left is what step adds."""

    def step_of(model: Model) -> Step:
        call = _stream(model.paths[suffix])._bound.step
        return lambda _: call()

    return step_of


def edgernn_run(suffix: str) -> Callable[[Model], Step]:
    """`Stream.run` over BLOCK frames, in one call."""

    def step_of(model: Model) -> Step:
        stream, frames = _stream(model.paths[suffix]), np.resize(model.frames, (BLOCK, INPUTS))
        return lambda _: stream.run(frames)

    return step_of


@cache
def _stream(path: Path) -> edgernn.Stream:
    return edgernn.open(path).stream()


def nothing(_model: Model) -> Step:
    """What taking the time costs alone."""
    return lambda frame: frame


CONTENDERS: dict[str, Callable[[Model], Step]] = {
    "nothing": nothing,
    "torch eager": torch_eager,
    "numpy (edgernn)": edgernn_step(".rnn"),
    "onnxruntime session.run": ort_session_run,
    "onnxruntime (edgernn)": edgernn_step(".onnx"),
    "onnxruntime (edgernn), bound call": edgernn_bound(".onnx"),
    "onnxruntime int8 (edgernn)": edgernn_step(".int8.onnx"),
    "LiteRT set/invoke/get": litert_bare(".tflite"),
    "LiteRT int8 set/invoke/get": litert_bare(".int8.tflite"),
    "LiteRT (edgernn)": edgernn_step(".tflite"),
    "LiteRT (edgernn), bound call": edgernn_bound(".tflite"),
    "LiteRT int8 (edgernn)": edgernn_step(".int8.tflite"),
    "compiled fp32 (edgernn)": edgernn_step(".so"),
    "compiled fp32 (edgernn), run": edgernn_run(".so"),
    "compiled int8 (edgernn)": edgernn_step(".int8.so"),
    "compiled int8 (edgernn), run": edgernn_run(".int8.so"),
}
STEPS_PER_CALL = {name: BLOCK for name in CONTENDERS if name.endswith(", run")}
ELSEWHERE = ("tflite-runtime set/invoke/get", "tflite-runtime (edgernn)")
"""Contenders of another environment, whose numpy is older; see elsewhere.py."""


class Elsewhere:
    """A contender in another Python, which times a block of steps whenever it is asked."""

    def __init__(self, python: str, contender: str, model: Model) -> None:
        script = Path(__file__).with_name("elsewhere.py")
        np.save(model.paths[".tflite"].with_suffix(".npy"), model.frames)
        self.child = subprocess.Popen(
            [python, script, contender, model.paths[".tflite"]],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def block(self, steps: int) -> float:
        """The median of that many steps, in microseconds."""
        assert self.child.stdin is not None
        assert self.child.stdout is not None
        self.child.stdin.write(f"{steps}\n")
        self.child.stdin.flush()
        return float(self.child.stdout.readline())

    def close(self) -> None:
        """End the other Python."""
        self.child.communicate("")
        if self.child.returncode:
            sys.exit(f"{self.child.args} failed")
