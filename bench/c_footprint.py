"""What the C step takes on microcontrollers, as gcc links it: the figures from which `edgernn estimate` predicts.

Writes results/c_footprint.json: for each graph, precision and instruction set the bytes of code, and of stack, and of
all that the step needs in flash and in RAM. Prints, for each instruction set, the weights of the traits with the least
mean of relative errors, the tables of edgernn_export.targets.c.footprint_tables; and their errors.
"""

import os
import sys
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
from edgernn.model.graph import Graph  # noqa: E402
from edgernn.model.layer import Layer  # noqa: E402
from edgernn.model.tensor import STATIC, Tensor  # noqa: E402
from edgernn.passes.calibrate import calibrate  # noqa: E402
from edgernn.passes.quantize import quantize  # noqa: E402
from edgernn_export.targets.c.footprint import step_sizes, traits  # noqa: E402
from edgernn_export.targets.c.linked import compiler_of, linked  # noqa: E402
from zoo import GRAPHS, block_sparse, frames, keyword_spotter, one, t  # noqa: E402

ISAS = tuple(isa for isa, toolchain in MICROCONTROLLERS.items() if toolchain.compiler)
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


def measured(graph, isa):
    """(bytes of code with the C library, bytes of stack) of a linked step."""
    step, sizes = linked(graph, isa), step_sizes(graph)
    arrays = sum(sizes.constants.values()) + sizes.initial_state
    return step.code + step.library + step.constants - arrays, step.stack


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
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, precision, graph in graphs():
            sizes = step_sizes(graph)
            flash = sum(sizes.constants.values()) + sizes.initial_state
            ram = sum(field.nbytes for field in sizes.fields) + sizes.padding
            for isa, (code, stack) in zip(ISAS, pool.map(partial(measured, graph), ISAS), strict=True):
                row = {"graph": name, "precision": precision, "isa": isa, "code": code, "stack": stack}
                rows.append(row | {"flash": flash + code, "ram": ram + stack, "traits": traits(sizes)})
            print(name, precision, [(row["code"], row["stack"]) for row in rows[-len(ISAS) :]], flush=True)
    results.write("c_footprint", rows, results.UNTIMED, compilers=sorted({compiler_of(isa) for isa in ISAS}))
    tables(rows)


def tables(rows) -> None:
    for what, of in (("code", "flash"), ("stack", "ram")):
        for isa in ISAS:
            print(what, isa, *fitted([row for row in rows if row["isa"] == isa], what, of))


def fitted(rows, what, of):
    """The weights with the least mean of relative errors, and the quantiles of the error of all flash or RAM."""
    traits = np.array([list(row["traits"].values()) for row in rows], float)
    taken, whole = (np.array([row[name] for row in rows], float) for name in (what, of))
    weights = least_errors(traits, taken, whole)
    errors = np.quantile(np.abs(traits @ weights - taken) / whole, (0.5, 0.75, 0.9, 1))
    table = {name: weight for name, weight in zip(rows[0]["traits"], weights.tolist(), strict=True) if weight}
    return table, "half, three quarters, nine tenths and all below", *(f"{100 * each:.1f} %" for each in errors)


def least_errors(traits, taken, whole):
    """The weights of the traits, none below 0, with the least mean of errors, as parts of the whole."""
    scaled, limits, error = traits / whole[:, None], taken / whole, np.eye(len(taken))
    bounds = np.hstack([scaled, -error]), np.hstack([-scaled, -error])
    cost = np.concatenate([np.zeros(scaled.shape[1]), np.ones(len(taken))])
    best = linprog(cost, np.vstack(bounds), np.concatenate([limits, -limits]), bounds=(0, None))
    return best.x[: scaled.shape[1]].round().astype(int)


if __name__ == "__main__":
    main()
