"""Random modules of PyTorch as readable text: blocks in a row, drawn by hypothesis from the table of random_blocks.py.

    python tests/random_modules.py --count 300 --seed 1            # prints a module for each kind of fault
    python tests/random_modules.py --count 300 --seed 1 --runtimes # also as a file, on every runtime

A module is its own source, so that the text which a test prints is what failed.
"""

import argparse
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, assume, find, given, seed as drawn_from, settings, strategies as st
from hypothesis.errors import NoSuchExample

import edgernn
from edgernn.device.runtimes import suffixes
from edgernn.errors import EdgernnError
from edgernn.interpreters.numpy import Stepper
from edgernn.model.graph import Graph
from edgernn.runtime.parts import flat_answer, flat_frames
from edgernn_export import export, from_torch
from edgernn_export.sources.torch.source import Options, exact
from random_answers import STEPS, answers, as_frames, noise
from random_blocks import BLOCKS, TABLES
from random_kinds import SIDE, Block, Place, Shape
from random_layouts import FLAT, IMAGE, SEQUENCE
from random_programs import PACKINGS, RESULTS, WHOLE, Head, Program

EXACT, FLOAT32 = 1e-9, 1e-5
BATCH, MANY = 20, 1000
"""Modules that are drawn from one seed, which resemble each other; and seeds of one --seed."""


@st.composite
def programs(draw: Any, wanted_kind: str = "") -> Program:
    """Modules of up to five blocks, with one or two inputs and up to three outputs; with a block of this kind."""
    steps = draw(st.booleans())
    image = draw(st.booleans())
    inputs = {"x": Shape(draw(SIDE), draw(st.integers(2, 6)) if image else 0)}
    if draw(st.integers(0, 2)) == 2:
        inputs["z"] = Shape(draw(SIDE), inputs["x"].bands)
    seen, blocks = dict(inputs), []
    if "z" in inputs:
        shape = Shape(inputs["x"].features + inputs["z"].features, inputs["x"].bands)
        blocks.append(("x", Block((f"{{y}} = torch.cat([{{x}}, z], {1 if image else -1})",), shape)))
        seen["y0"] = shape
    x = list(seen)[-1]
    for _ in range(draw(st.integers(1, 5))):
        before = {name: shape for name, shape in seen.items() if name != x and shape.timing.joins(seen[x].timing)}
        place = Place(seen[x], before, steps)
        tables = [[name for name, each in table.items() if each.fits(place)] for table in TABLES]
        kind = draw(st.sampled_from(draw(st.sampled_from([names for names in tables if names]))))
        if wanted_kind not in {"", *(block.kind for _, block in blocks)} and BLOCKS[wanted_kind].fits(place):
            kind = wanted_kind
        block = BLOCKS[kind].make(draw, place)
        timing = place.x.timing.after(block.window)
        timing = timing.joined(seen[block.other].timing) if block.other else timing
        blocks.append((x, replace(block, kind=kind, after=replace(block.after, timing=timing))))
        x = f"y{len(blocks) - 1}"
        seen[x] = blocks[-1][1].after
    assume(not wanted_kind or any(block.kind == wanted_kind for _, block in blocks))
    states = any(block.states for _, block in blocks)
    steps = steps and states
    layouts = IMAGE if image else SEQUENCE | (FLAT if steps else {})
    layout = layouts[draw(st.sampled_from(list(layouts)))]
    every = seen[x].timing.every
    computed = [name for name in seen if name not in inputs and seen[name].timing.every == every]
    of = [x, *(draw(st.sampled_from(computed)) for _ in range(draw(st.sampled_from((0, 0, 1, 2)))))]
    flat = layout.time is None
    ends = not steps and not any(seen[name].timing.right for name in of)
    heads = tuple(
        _head(draw, f"out{i}", name, seen[name], ends and draw(st.booleans()), flat) for i, name in enumerate(of)
    )
    shared = any(block.kind == "shared step" for _, block in blocks)  # whose states cannot be packed with others
    packings = [each for each in PACKINGS if not (shared and each == "packed")] if steps else WHOLE
    packing = draw(st.sampled_from(packings)) if states else "apart"
    return Program(
        inputs, tuple(blocks), heads, steps, layout, draw(st.sampled_from(RESULTS)), packing, draw(st.integers(0, 999))
    )


def _head(draw: Any, name: str, of: str, shape: Shape, last: bool, flat: bool) -> Head:
    """An output by a linear layer; of its last step, or of the last state of a layer, where that is all."""
    width = draw(SIDE)
    after, end = Shape(width, timing=shape.timing), "[:, -1]" if last or flat else ""
    if last and not shape.bands and draw(st.booleans()):
        kind = draw(st.sampled_from(("GRU", "LSTM") if not shape.timing.late else ("GRU",)))
        n = draw(SIDE)
        state = draw(st.sampled_from(("h", "c"))) if kind == "LSTM" else "h"
        lines = (f"_, {'(h, c)' if kind == 'LSTM' else 'h'} = self.{{me}}g({{x}})", f"{{y}} = self.{{me}}({state}[-1])")
        parts = {"g": f"nn.{kind}({shape.features}, {n}, batch_first=True)", "": f"nn.Linear({n}, {width})"}
        return Head(name, of, after, Block(lines, after, parts), last)
    if shape.bands and (last or flat):
        line = f"{{y}} = self.{{me}}({{x}}.transpose(1, 2).flatten(2)){end}"
        return Head(name, of, after, Block((line,), after, {"": f"nn.Linear({shape.width}, {width})"}), last)
    after = Shape(shape.features, width, shape.timing) if shape.bands else after
    made = {"": f"nn.Linear({shape.bands or shape.features}, {width})"}
    return Head(name, of, after, Block((f"{{y}} = self.{{me}}({{x}}){end}",), after, made), last)


def distance(actual: np.ndarray, expected: dict[int, np.ndarray]) -> float:
    """The largest difference, relative to the largest answer or to 1."""
    size = max(1.0, *(float(np.abs(each).max()) for each in expected.values()))
    return max(float(np.abs(actual[t] - each).max()) for t, each in expected.items()) / size


def check_exact(program: Program) -> None:
    """The graph in float64 is the module in float64."""
    options = dict(program.options)
    axis = options.pop("time_axis", None)
    graph = exact(program.module(), program.example, axis, Options(**options))
    check_timing(program, graph)
    xs = noise(program)
    expected = answers(program, program.module().double(), xs)
    frames = flat_frames(as_frames(program, xs).astype(np.float64), graph.named_inputs, np.float64, program.every)
    error = distance(Stepper(graph).run(frames)[0], expected)
    assert error <= EXACT, f"the graph differs from the module by {error:.3g} in float64"


def check_timing(program: Program, graph: Graph) -> None:
    """The graph states the frames of a step, by how many it is late, and when its answers begin."""
    every, delay, latest = program.every, program.delay, max(program.later)
    stated = graph.frames_per_step, graph.delay_frames, graph.warmup_frames
    assert stated == (every, delay * every, latest * every), f"frames of a step, delay and warm-up are {stated}"


def check_runtimes(program: Program, folder: Path) -> None:
    """The file of every target, on its runtime, is the module in float32 within 1e-5.

    Where the module itself loses more in float32, as by a root near 0, a few times as much is expected.
    """
    graph = from_torch(program.module(), program.example, **program.options)
    xs = noise(program)
    expected = answers(program, program.module().double(), xs)
    lost = distance_of(answers(program, program.module(), xs), expected)
    for suffix in suffixes():
        path = folder / f"m{suffix}"
        (edgernn.save if suffix == ".rnn" else export)(graph, path)
        error = distance(flat_answer(edgernn.open(path).stream().run(as_frames(program, xs))), expected)
        assert error <= max(FLOAT32, 4 * lost), f"{suffix} differs from the module by {error:.3g}; torch by {lost:.3g}"


def distance_of(actual: dict[int, np.ndarray], expected: dict[int, np.ndarray]) -> float:
    """The largest difference of answers at the same steps."""
    rows = np.zeros((STEPS, len(next(iter(expected.values())))))
    for t, each in actual.items():
        rows[t] = each
    return distance(rows, expected)


def fault(program: Program, runtimes: bool) -> str:
    """What is wrong with a module; empty when nothing is."""
    try:
        check_exact(program)
        if runtimes:
            with tempfile.TemporaryDirectory() as folder:
                check_runtimes(program, Path(folder))
    except (EdgernnError, AssertionError) as error:
        return f"{type(error).__name__}: {error}"
    except Exception as error:  # a crash is a fault like others
        return f"CRASH {type(error).__name__}: {error}"
    return ""


def words_of(text: str) -> str:
    """The first words of a fault, without numbers and names: equal for faults of one cause."""
    words = text.rsplit("which cannot stream: ", maxsplit=1)[-1] if "which cannot" in text else text
    return "".join(c for c in words if not c.isdigit())[:90]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--runtimes", action="store_true")
    parser.add_argument("--shrink", action="store_true", help="show the smallest module of each kind of fault")
    options = parser.parse_args()
    faults: list[tuple[Program, str]] = []
    kinds: Counter[str] = Counter()
    started, count = time.monotonic(), 0

    def every(program: Program) -> None:
        nonlocal count
        count += 1
        kinds.update(block.kind for _, block in program.blocks)
        why = fault(program, options.runtimes)
        if why:
            faults.append((program, why))
            print(why, flush=True)

    how = settings(
        max_examples=BATCH, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=[*HealthCheck]
    )
    batch = 0
    while count < options.count:
        drawn_from(options.seed * MANY + batch)(how(given(program=programs())(every)))()
        batch += 1
    print(f"{count} modules in {time.monotonic() - started:.0f} s; {len(faults)} fail")
    print(f"never drawn: {', '.join(BLOCKS.keys() - kinds) or 'none'}")
    for words, number in Counter(words_of(why) for _, why in faults).most_common():
        alike = [pair for pair in faults if words_of(pair[1]) == words]
        program, why = min(alike, key=lambda pair: len(pair[0].source))
        if options.shrink:
            program, why = smallest(words, options.runtimes) or (program, why)
        print(f"\n=== {number} x {why}\n{program!r}")


def smallest(words: str, runtimes: bool) -> tuple[Program, str] | None:
    """The smallest module with a fault of this kind."""
    try:
        program = find(
            programs(), lambda each: words_of(fault(each, runtimes)) == words,
            settings=settings(max_examples=300, deadline=None, database=None, suppress_health_check=list(HealthCheck)),
        )  # fmt: skip
    except NoSuchExample:
        return None
    return program, fault(program, runtimes)


if __name__ == "__main__":
    main()
