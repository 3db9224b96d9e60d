"""Random models of Keras, from one number each, and what Keras itself answers on its torch backend.

    python tests/random_keras.py --count 200 --seed 0    # prints each model that fails, and a count

A model is a chain of blocks from BLOCKS, some of which join an earlier value, with one or two heads.
"""

import argparse
import os
import random
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

os.environ.setdefault("KERAS_BACKEND", "torch")
import keras
import torch
from keras import layers as L

from edgernn.errors import EdgernnError
from edgernn.interpreters.numpy import Stepper
from edgernn_export import from_file

STEPS = 100
TOLERANCE = 1e-5


@dataclass
class Drawing:
    """A model that is being drawn.

    Attributes:
        chance: all random choices.
        x: the value so far, (batch, time, features).
        seen: earlier values of the same timing.
        lines: what was drawn, for people.
        sharp: whether every position is a frame of its own: no stride so far.
    """

    chance: random.Random
    x: object
    seen: list = field(default_factory=list)
    lines: list = field(default_factory=list)
    sharp: bool = True

    @property
    def width(self):
        return self.x.shape[-1]

    def units(self):
        return self.chance.randint(1, 9)

    def yes(self):
        return self.chance.random() < 0.5


def recurrent(d, sequences=True, units=None):
    units, bias = units or d.units(), d.yes()
    options = {"return_sequences": sequences, "use_bias": bias}
    kind = d.chance.choice(["SimpleRNN", "LSTM", "GRU", "RNN"])
    if kind == "SimpleRNN":
        return L.SimpleRNN(units, activation=d.chance.choice(["tanh", "relu"]), **options)
    if kind == "LSTM":
        return L.LSTM(units, unit_forget_bias=d.yes(), **options)
    if kind == "GRU":
        return L.GRU(units, reset_after=d.yes(), **options)
    cells = [L.LSTMCell(d.units()), L.GRUCell(d.units(), reset_after=d.yes()), L.SimpleRNNCell(units, use_bias=bias)]
    d.chance.shuffle(cells)
    return L.RNN(cells if d.yes() else cells[0], return_sequences=sequences)


def dense(d):
    names = [
        "relu",
        "tanh",
        "sigmoid",
        "elu",
        "selu",
        "softplus",
        "softsign",
        "silu",
        "gelu",
        "hard_sigmoid",
        "softmax",
    ]
    names += ["leaky_relu", "mish", "exponential", "relu6", None]
    return L.Dense(d.units(), activation=d.chance.choice(names), use_bias=d.yes())


def activation(d):
    return d.chance.choice(
        [
            lambda: L.Activation(d.chance.choice(["tanh", "hard_sigmoid", "swish"])),
            lambda: L.ReLU(max_value=d.chance.choice([None, 1.0]), negative_slope=d.chance.choice([0.0, 0.1])),
            lambda: L.LeakyReLU(negative_slope=0.2),
            lambda: L.PReLU(shared_axes=[1]),
            lambda: L.ELU(alpha=0.7),
            L.Softmax,
        ]
    )()


def norm(d):
    return d.chance.choice(
        [
            lambda: L.BatchNormalization(epsilon=1e-2, center=d.yes(), scale=d.yes()),
            lambda: L.LayerNormalization(epsilon=1e-4, center=d.yes(), scale=d.yes()),
            L.UnitNormalization,
            lambda: L.RMSNormalization(epsilon=1e-3),
            lambda: L.Rescaling(0.5, offset=0.1),
            lambda: L.Normalization(mean=[0.1] * d.width, variance=[2.0] * d.width),
            lambda: L.TimeDistributed(L.GroupNormalization(groups=1)),
        ]
    )()


def training(d):
    return d.chance.choice(
        [L.Dropout(0.5), L.GaussianNoise(0.1), L.SpatialDropout1D(0.2), L.ActivityRegularization(0.1)]
    )


def convolution(d, strides=1):
    size, padding = d.chance.randint(1, 4), d.chance.choice(["causal", "valid", "same"])
    dilation = d.chance.randint(1, 2) if strides == 1 else 1
    kind = d.chance.choice(["Conv1D", "DepthwiseConv1D", "SeparableConv1D"])
    options = {"strides": strides, "dilation_rate": dilation, "use_bias": d.yes(), "activation": "tanh"}
    if kind == "Conv1D":
        groups = 2 if d.width % 2 == 0 and d.yes() else 1
        return L.Conv1D(groups * d.chance.randint(1, 4), size, padding=padding, groups=groups, **options)
    padding = "valid" if padding == "causal" else padding
    if kind == "DepthwiseConv1D":
        return L.DepthwiseConv1D(size, depth_multiplier=d.chance.randint(1, 2), padding=padding, **options)
    return L.SeparableConv1D(d.units(), size, depth_multiplier=2, padding=padding, **options)


def image(d):
    """Convolution over time and features, back to features."""
    bands = d.chance.randint(2, 4)
    padding = d.chance.choice(["valid", "same"])
    layers = [
        L.Dense(bands * 2),
        L.Reshape((-1, bands, 2)),
        d.chance.choice(
            [
                lambda: L.Conv2D(3, (d.chance.randint(1, 3), 2), padding=padding, activation="relu"),
                lambda: L.DepthwiseConv2D((2, 2), padding=padding),
                lambda: L.MaxPooling2D((1, 2)),
            ]
        )(),
        L.TimeDistributed(L.Flatten()),
    ]
    return keras.Sequential(layers)


def nested(d):
    return keras.Sequential([L.Dense(4, activation="relu"), L.BatchNormalization(), recurrent(d)])


def padded(d):
    return keras.Sequential([L.ZeroPadding1D((2, 0)), L.Conv1D(d.units(), 3), L.TimeDistributed(L.Dense(3))])


def strided(d):
    d.sharp, d.seen = False, []
    if d.yes():
        return convolution(d, 2)
    return d.chance.choice([L.MaxPooling1D(2), L.AveragePooling1D(2)])


BLOCKS = {
    "recurrent": (recurrent, 3), "dense": (dense, 2), "activation": (activation, 1), "norm": (norm, 1),
    "training": (training, 1), "convolution": (convolution, 2), "image": (image, 1), "nested": (nested, 1),
    "padded": (padded, 1), "strided": (strided, 1),
}  # fmt: skip
"""A kind of block -> the function that draws one, and its weight."""

JOINS = (L.Add, L.Subtract, L.Multiply, L.Average, L.Maximum, L.Minimum)


def join(d):
    """Join the value with an earlier one of its timing."""
    other = d.chance.choice(d.seen)
    if d.yes():
        return L.Concatenate()([d.x, other])
    if other.shape[-1] != d.width:
        other = L.Dense(d.width)(other)
    return d.chance.choice(JOINS)()([d.x, other])


def drawn(seed):
    """A model, and what was drawn."""
    chance = random.Random(seed)
    start = keras.Input((None, chance.randint(1, 8)))
    d = Drawing(chance, start)
    timed = 0
    for _ in range(chance.randint(1, 5)):
        if d.seen and chance.random() < 0.25:
            d.lines.append("join")
            d.x = join(d)
        else:
            kind = chance.choices(list(BLOCKS), [weight for _, weight in BLOCKS.values()])[0]
            if kind in {"convolution", "image", "strided"}:
                if timed == 2:
                    continue
                timed += 1
                d.seen = []
            layer = BLOCKS[kind][0](d)
            d.lines.append(kind)
            d.x = layer(d.x)
        d.seen.append(d.x)
    late = timed > 0
    if not late and d.yes():
        last = recurrent(d, sequences=False)(d.x)
        outputs = [L.Dense(2)(last)] if d.yes() else [last]
        d.lines.append("last")
    else:
        outputs = [recurrent(d)(d.x) if d.yes() else L.Dense(3)(d.x)]
        if not late and d.yes():
            d.lines.append("two heads")
            outputs.append(L.Dense(2, activation="softmax")(d.x))
    model = keras.Model(start, outputs if len(outputs) > 1 else outputs[0])
    values = np.random.default_rng(seed)
    for weight in model.weights:
        spread = values.standard_normal(weight.shape) * 0.4
        weight.assign(np.abs(spread) + 0.5 if "variance" in weight.name else spread)
    return model, ", ".join(d.lines)


def answers(model, xs):
    """What Keras answers on a sequence (steps, features): a list of arrays (steps, ...) or (...)."""
    with torch.no_grad():
        ys = model(xs[None].astype(np.float32))
    return [np.asarray(y.detach())[0] for y in (ys if isinstance(ys, list | tuple) else [ys])]


def distance(model, graph):
    """The largest difference of the stream from Keras over STEPS frames, relative to the answer where that exceeds 1."""
    every = graph.frames_per_step
    xs = np.random.default_rng(1).standard_normal((STEPS, graph.inputs // every)).astype(np.float32)
    ys = Stepper(graph.astype(np.float64)).run(xs.reshape(STEPS // every, -1).astype(np.float64))[0]
    whole, start, largest = answers(model, xs), 0, 0.0
    late = graph.warmup_frames // every
    for i, expected in enumerate(whole):
        width = expected.shape[-1]
        part = ys[:, start : start + width]
        start += width
        if expected.ndim == 1:
            pairs = [(part[t], answers(model, xs[: t + 1])[i]) for t in (1, STEPS // 2, STEPS - 1)]
        else:
            count = min(len(expected), len(part) - late)
            pairs = [(part[late : late + count], expected.reshape(len(expected), -1)[:count])]
        largest = max(largest, *(np.abs(a - b).max() / max(1.0, np.abs(b).max()) for a, b in pairs))
    return float(largest)


def fault(seed, folder):
    """What is wrong with a model; empty when nothing is."""
    model, lines = drawn(seed)
    path = Path(folder) / f"m{('.keras', '.h5')[seed % 2]}"
    model.save(path)
    try:
        error = distance(model, from_file(path))
    except EdgernnError as refusal:
        return f"{seed} [{lines}] {type(refusal).__name__}: {refusal}"
    except Exception as crash:
        return f"{seed} [{lines}] CRASH {type(crash).__name__}: {crash}"
    return "" if error <= TOLERANCE else f"{seed} [{lines}] differs by {error:.3g}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    started, faults = time.monotonic(), []
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(options.seed, options.seed + options.count):
            why = fault(seed, folder)
            if why:
                faults.append(why)
                print(why[:600], flush=True)
    print(f"{options.count} models in {time.monotonic() - started:.0f} s; {len(faults)} fail")


if __name__ == "__main__":
    main()
