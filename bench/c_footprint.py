"""What the C step takes on microcontrollers, as zig compiles it: the figures from which `edgernn estimate` predicts.

Writes results/c_footprint.json: for each graph, precision and instruction set the bytes of code, and the stack.
Prints, for each instruction set, the smallest weights of the traits that no measured object exceeds: the tables of
edgernn_export.targets.c.footprint_tables.
"""

import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
from scipy.optimize import linprog

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests")]

import results  # noqa: E402
from edgernn.cells import Activation, Conv2d, Dense, Gather, Gru, Istft, LogMel, Lstm, Stft  # noqa: E402
from edgernn.device.isa import MICROCONTROLLERS  # noqa: E402
from edgernn.device.runtimes import NATIVE  # noqa: E402
from edgernn.model.graph import Graph  # noqa: E402
from edgernn.model.layer import Layer  # noqa: E402
from edgernn.model.tensor import STATIC, Tensor  # noqa: E402
from edgernn.passes.calibrate import calibrate  # noqa: E402
from edgernn.passes.quantize import quantize  # noqa: E402
from edgernn_export.targets.c.footprint import step_sizes, traits  # noqa: E402
from edgernn_export.targets.c.target import render  # noqa: E402
from edgernn_export.targets.destination import Destination  # noqa: E402
from zoo import GRAPHS, block_sparse, frames, keyword_spotter, one, t  # noqa: E402

ISAS = tuple(isa for isa, (abi, _) in MICROCONTROLLERS.items() if abi)
SCHEMES = ("fp16", "weight_only_wi8_afp32", "weight_only_wi4_afp32", "dynamic_wi8_afp32")
WHOLE = (
    "stack", "keywords", "keywords wide", "keywords sparse", "Rnn relu", "Gru", "Lstm", "Lstm projected", "Dense",
    "Dense tanh", "Dense softmax", "Conv1d", "Embedding", "Scale", "Slice", "Activation sigmoid", "Sum", "Product",
    "Mgu", "FastGrnn", "LayerNormGru", "LogMel before a net", "voice", "Conv2d", "DepthwiseConv2d", "Pool", "Pool mean",
    "Gather", "Gru shared", "Lstm shared", "Dense shared", "Positions", "Maximum", "Activation mish", "Activation sqrt",
    "spotter", "enhancer", "LogMel 256 and a GRU", "LogMel 512 and a GRU", "LogMel 420 and a GRU",
)  # fmt: skip
QUANTIZED = ("stack", "keywords", "keywords wide", "keywords sparse", "Lstm", "Product", "voice", "Conv2d", "Positions")
QUANTIZED += ("spotter", "enhancer", "LogMel 256 and a GRU", "LogMel 420 and a GRU")
OPTIONS = ("-std=c99", "-O2", "-ffp-contract=off", "-DEDGERNN_NO_SELF_TEST", "-ffunction-sections", "-fdata-sections")
OPTIONS += ("-g0", "-fno-unwind-tables", "-fno-asynchronous-unwind-tables", "-Wframe-larger-than=1")


def compiled(graph, isa, folder):
    """(bytes of code, bytes of stack from `run` to the deepest kernel, symbol -> bytes of constants) of one object."""
    for name, data in render(graph, "model", Destination(NATIVE)).items():
        Path(folder, name).write_bytes(data)
    abi, cpu = MICROCONTROLLERS[isa]
    target = ("-target", f"thumb-linux-musl{abi}", f"-mcpu={cpu}")  # for its headers: nothing is linked
    call = [sys.executable, "-m", "ziglang", "cc", *target, *OPTIONS, "-c", "model.c", "-o", "model.o"]
    done = subprocess.run(call, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    frames = {name: int(size) for size, name in re.findall(r"frame size \((\d+)\).*? in '(\w+)'", done.stderr)}
    listed = subprocess.run(["llvm-nm", "-S", "model.o"], cwd=folder, capture_output=True, text=True, check=True).stdout
    sizes = [line.split() for line in listed.splitlines() if len(line.split()) == 4]
    code = sum(int(size, 16) for _, size, kind, _ in sizes if kind in "tT")
    data = {name: int(size, 16) for _, size, kind, name in sizes if kind in "rR"}
    return code, deepest("model_run", frames, calls(folder)), data


def alone(graph, folder, isa):
    """`compiled` in a folder of its own."""
    place = Path(folder, isa)
    place.mkdir(exist_ok=True)
    return compiled(graph, isa, place)


def calls(folder):
    """Function -> those that it calls, in an object whose functions have a section each; tail calls are among them."""
    call = ["llvm-objdump", "-dr", "--no-show-raw-insn", "model.o"]
    listed = subprocess.run(call, cwd=folder, capture_output=True, text=True, check=True).stdout
    called_by, inside = {}, ""
    for opened, called in re.findall(r"^\w+ <(\w+)>:$|\bR_ARM_\w*(?:CALL|JUMP24)\s+(\w+)$", listed, re.MULTILINE):
        inside = opened or inside
        called_by.setdefault(inside, set()).update({called} - {""})
    return called_by


def deepest(name, frames, called):
    """Bytes of stack from a function to the deepest that it leads to; those of the C library count nothing."""
    return frames.get(name, 0) + max((deepest(each, frames, called) for each in called.get(name, ())), default=0)


def convolutions(channels=8, steps=1):
    """Convolutions over 20 frequencies with a GRU; every further step ends in a permutation without a pattern."""
    layers, inputs, frequencies = [], 1, 20
    for i in range(2 * steps):
        conv = Conv2d(frequencies, 3, 3, t(channels, 9 * inputs), t(channels), 2 - i // 2, 1, 1)
        layers += [Layer(f"conv{i}", conv), Layer(f"relu{i}", Activation("relu"))]
        inputs, frequencies = channels, (frequencies - 1) // conv.stride + 1
    width = inputs * frequencies
    if steps > 1:
        layers.append(Layer("mixed", Gather(width, tuple(np.random.default_rng(0).permutation(width).tolist()))))
    layers += [Layer("gru", Gru(t(72, width), t(72, 24), t(72), t(72))), Layer("out", Dense(t(5, 24), t(5)))]
    return Graph(tuple(layers), 20)


def spectral():
    """Transforms whose passes have every radix, forwards and inverse, alone, before a GRU and around a mask."""
    each = {f"Stft {size}": one(Stft(size // 4, size, w(size - 3)), size // 4) for size in (45, 336, 400, 480)}
    each |= {f"Stft {size}": one(Stft(size // 2, size, w(size)), size // 2) for size in (28, 60, 126)}
    each |= {f"Istft {size}": istft(size) for size in (105, 256, 420, 480, 512)}
    for hop, window, fft, bands in ((80, 200, 256, 20), (160, 400, 512, 40), (160, 420, 420, 30)):
        mel = Layer("mel", LogMel(hop, 100.0 * hop, window, bands, fft))
        each[f"LogMel {fft}"] = Graph((mel,), hop)
        gru = Layer("gru", Gru(t(72, bands), t(72, 24), t(72), t(72)))
        each[f"LogMel {fft} and a GRU"] = Graph((mel, gru, Layer("out", Dense(t(10, 24), t(10)))), hop)
    return each


def w(samples):
    return Tensor(np.hanning(samples + 2)[1:-1].astype(np.float32))


def istft(size):
    return one(Istft(2 * (size // 2 + 1), size // 4, size, w(size)), 2 * (size // 2 + 1))


def graphs():
    wide = keyword_spotter(64, 20)
    each = {**GRAPHS, "keywords": keyword_spotter(), "keywords wide": wide, "keywords sparse": block_sparse(wide, 1)}
    layers = (Layer("lstm", Lstm(t(160, 12), t(160, 40), t(160))), Layer("out", Dense(t(6, 40), t(6), "softmax")))
    each["voice"] = Graph(layers, 12)
    each |= {"spotter": convolutions(), "enhancer": convolutions(12, 2), **spectral()}
    for name, graph in each.items():
        yield name, "fp32", graph
    for scheme in SCHEMES:
        for name in QUANTIZED:
            yield name, scheme, quantize(each[name], scheme)
    each |= {f"keywords {units}": keyword_spotter(units, 12, 5) for units in (24, 40, 96)}
    each |= {f"Lstm {units}": one(Lstm(t(4 * units, 12), t(4 * units, units), t(4 * units)), 12) for units in (24, 64)}
    each |= {f"Dense {rows}": one(Dense(t(rows, 32), t(rows), "relu"), 32) for rows in (16, 80)}
    each |= {f"{name} sparse": block_sparse(each[name], 4) for name in ("keywords 96", "Lstm 64", "Dense 80")}
    for name, scheme in product(WHOLE + tuple(each)[-10:], STATIC):
        ready = calibrate(each[name], [frames(each[name], 200)], growing="accept")
        yield name, scheme, quantize(ready, scheme)


def main() -> None:
    rows = []
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, precision, graph in graphs():
            sizes = step_sizes(graph)
            for isa, (code, stack, data) in zip(ISAS, pool.map(partial(alone, graph, folder), ISAS), strict=True):
                expected = {**sizes.constants, "about": sizes.manifest}
                assert all(
                    expected.get(array, size) == size for array, size in data.items()
                )  # a few are folded into code
                row = {"graph": name, "precision": precision, "isa": isa, "code": code, "stack": stack}
                rows.append(row | {"traits": traits(sizes)})
            print(name, precision, [(row["code"], row["stack"]) for row in rows[-4:]])
    results.write("c_footprint", rows, results.UNTIMED)
    for what in ("code", "stack"):
        for isa in dict.fromkeys(row["isa"] for row in rows):
            print(what, isa, *fitted([row for row in rows if row["isa"] == isa], what))


def fitted(rows, what):
    """The smallest weights, by the mean of the relative excess, that no object exceeds, and what part it takes."""
    traits = np.array([list(row["traits"].values()) for row in rows], float)
    taken = np.array([row[what] for row in rows], float)
    least = linprog((traits / taken[:, None]).sum(0), A_ub=-traits, b_ub=-taken, bounds=(0, None)).x
    weights = np.ceil(least.round(3) / 4).astype(int) * 4
    part = taken / (traits @ weights)
    traits = {name: weight for name, weight in zip(rows[0]["traits"], weights.tolist(), strict=True) if weight}
    return traits, f"least {part.min():.2f}, median {np.median(part):.2f}, most {part.max():.3f}"


if __name__ == "__main__":
    main()
