"""edgernn: recurrent networks as one streaming step, from PyTorch to small devices.

    import edgernn
    from edgernn_export import export, from_torch

    graph = from_torch(module, example)            # a torch.nn.Module to a Graph, compared in float64
    export(graph, "model.so")                      # or .onnx, .tflite, .c
    stream = edgernn.open("model.so").stream()     # one carried state
    output = stream.step(frame)                    # float32 (inputs,) -> float32 (outputs,)

Run        open, Program, Stream, Streams, AdaptiveStream, pace, Manifest, StateGuard, StateReset, Health
Updates    ModelStore, UpdatedStream
Models     Graph, Layer, Tensor, Range, Window, Stage, save, load
Cells      cells (Gru, Lstm, Dense, ...), cell, Ops
Passes     calibrate, quantize, prune_units, prune_weights, Blocks, FewOf, Magnitude, factorize, delta
Judging    agreement, Agreement, sensitivity
Budgets    Budget, evaluate, BudgetEvaluation, Monitor, Snapshot, DeadlineMiss
Boards     Device, load_device, estimate, Estimate
Answers    Keyword, KeywordDetector, generate, text_symbols, AnomalyLikelihood, AnomalyScorer,
           open_translator, Translator, Translated, denoise, Denoised
Errors     EdgernnError and its kinds: CalibrationError, CompilerError, FileError, FrameError, GraphError,
           MissingExtraError, ParityError, RemoteError, SignatureError, StateError, StorageError,
           TrainingError, UnsupportedError, UpdateError, UsageError; PrecisionWarning

These names, those of edgernn.cells and those of edgernn_export are the public API: help(edgernn.Graph) describes one of
them. All other modules are internal and may change in any release. `import edgernn` loads no numpy: a name is imported
when it is first used.
"""

import sys
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgernn import cells
    from edgernn.artifact.manifest import Manifest
    from edgernn.artifact.rnn import load, save
    from edgernn.budget.monitor import DeadlineMiss, Monitor, Snapshot
    from edgernn.budget.verdict import Budget, BudgetEvaluation, evaluate
    from edgernn.device.board import Device, load as load_device
    from edgernn.errors import (
        CalibrationError,
        CompilerError,
        EdgernnError,
        FileError,
        FrameError,
        GraphError,
        MissingExtraError,
        ParityError,
        PrecisionWarning,
        RemoteError,
        SignatureError,
        StateError,
        StorageError,
        TrainingError,
        UnsupportedError,
        UpdateError,
        UsageError,
    )
    from edgernn.latency.estimate import Estimate, estimate
    from edgernn.model.cell import cell
    from edgernn.model.graph import Graph
    from edgernn.model.layer import Layer
    from edgernn.model.ops import Ops
    from edgernn.model.range import Range
    from edgernn.model.tensor import Tensor
    from edgernn.model.window import Stage, Window
    from edgernn.passes.agreement import Agreement, agreement
    from edgernn.passes.calibrate import calibrate
    from edgernn.passes.delta import delta
    from edgernn.passes.factorize import factorize
    from edgernn.passes.patterns import Blocks, FewOf, Magnitude
    from edgernn.passes.prune_units import prune_units
    from edgernn.passes.prune_weights import prune_weights
    from edgernn.passes.quantize import quantize
    from edgernn.passes.sensitivity import sensitivity
    from edgernn.postprocess.anomaly import AnomalyLikelihood, AnomalyScorer
    from edgernn.postprocess.keyword import Keyword, KeywordDetector
    from edgernn.postprocess.sound import Denoised, denoise
    from edgernn.postprocess.text import generate, text_symbols
    from edgernn.postprocess.translation import Translated, Translator, open_translator
    from edgernn.runtime.adaptive import AdaptiveStream
    from edgernn.runtime.health import Health
    from edgernn.runtime.pace import pace
    from edgernn.runtime.program import Program, open  # noqa: A004  edgernn.open is the verb
    from edgernn.runtime.state_guard import StateGuard, StateReset
    from edgernn.runtime.stream import Stream
    from edgernn.runtime.streams import Streams
    from edgernn.update.store import ModelStore
    from edgernn.update.stream import UpdatedStream
    from edgernn.version import VERSION as __version__  # noqa: N811  the name that Python gives it

__all__ = [
    "AdaptiveStream",
    "Agreement",
    "AnomalyLikelihood",
    "AnomalyScorer",
    "Blocks",
    "Budget",
    "BudgetEvaluation",
    "CalibrationError",
    "CompilerError",
    "DeadlineMiss",
    "Denoised",
    "Device",
    "EdgernnError",
    "Estimate",
    "FewOf",
    "FileError",
    "FrameError",
    "Graph",
    "GraphError",
    "Health",
    "Keyword",
    "KeywordDetector",
    "Layer",
    "Magnitude",
    "Manifest",
    "MissingExtraError",
    "ModelStore",
    "Monitor",
    "Ops",
    "ParityError",
    "PrecisionWarning",
    "Program",
    "Range",
    "RemoteError",
    "SignatureError",
    "Snapshot",
    "Stage",
    "StateError",
    "StateGuard",
    "StateReset",
    "StorageError",
    "Stream",
    "Streams",
    "Tensor",
    "TrainingError",
    "Translated",
    "Translator",
    "UnsupportedError",
    "UpdateError",
    "UpdatedStream",
    "UsageError",
    "Window",
    "__version__",
    "agreement",
    "calibrate",
    "cell",
    "cells",
    "delta",
    "denoise",
    "estimate",
    "evaluate",
    "factorize",
    "generate",
    "load",
    "load_device",
    "open",
    "open_translator",
    "pace",
    "prune_units",
    "prune_weights",
    "quantize",
    "save",
    "sensitivity",
    "text_symbols",
]

# A module -> the public names in it. They are imported when they are first used, so `import edgernn` costs nothing.
_HOMES = {
    "artifact.manifest": ("Manifest",),
    "artifact.rnn": ("load", "save"),
    "budget.monitor": ("DeadlineMiss", "Monitor", "Snapshot"),
    "budget.verdict": ("Budget", "BudgetEvaluation", "evaluate"),
    "device.board": ("Device",),
    "errors": tuple(name for name in __all__ if name.endswith(("Error", "Warning"))),
    "latency.estimate": ("Estimate", "estimate"),
    "model.cell": ("cell",),
    "model.graph": ("Graph",),
    "model.layer": ("Layer",),
    "model.ops": ("Ops",),
    "model.range": ("Range",),
    "model.tensor": ("Tensor",),
    "model.window": ("Stage", "Window"),
    "passes.agreement": ("Agreement", "agreement"),
    "passes.calibrate": ("calibrate",),
    "passes.delta": ("delta",),
    "passes.factorize": ("factorize",),
    "passes.patterns": ("Blocks", "FewOf", "Magnitude"),
    "passes.prune_units": ("prune_units",),
    "passes.prune_weights": ("prune_weights",),
    "passes.quantize": ("quantize",),
    "passes.sensitivity": ("sensitivity",),
    "postprocess.anomaly": ("AnomalyLikelihood", "AnomalyScorer"),
    "postprocess.keyword": ("KeywordDetector", "Keyword"),
    "postprocess.sound": ("Denoised", "denoise"),
    "postprocess.text": ("generate", "text_symbols"),
    "postprocess.translation": ("Translated", "Translator", "open_translator"),
    "runtime.adaptive": ("AdaptiveStream",),
    "runtime.health": ("Health",),
    "runtime.pace": ("pace",),
    "runtime.program": ("Program", "open"),
    "runtime.state_guard": ("StateGuard", "StateReset"),
    "runtime.stream": ("Stream",),
    "runtime.streams": ("Streams",),
    "update.store": ("ModelStore",),
    "update.stream": ("UpdatedStream",),
}
_PUBLIC = {name: (f"edgernn.{module}", name) for module, names in _HOMES.items() for name in names} | {
    "__version__": ("edgernn.version", "VERSION"),
    "cells": ("edgernn.cells", ""),
    "load_device": ("edgernn.device.board", "load"),
}

if not TYPE_CHECKING:  # a type checker that saw this would accept every name

    def __getattr__(name: str) -> object:
        if name not in _PUBLIC:
            raise AttributeError(f"module 'edgernn' has no attribute '{name}'; there are {', '.join(__all__)}")
        home, attribute = _PUBLIC[name]
        module = import_module(home)
        value = getattr(module, attribute) if attribute else module
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    # help(edgernn) goes through inspect.getmembers, which would import every name and print all of their methods. It
    # gets the docstring above, and the names stay for completion in a shell.
    return [] if sys._getframe(1).f_globals["__name__"] == "inspect" else sorted(__all__)  # noqa: SLF001
