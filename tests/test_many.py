"""Compiled streams: many at once have the bits of each alone, kernel by kernel and cell by cell."""

import subprocess
from pathlib import Path

import pytest

from edgernn.cells import Dense, Gru
from edgernn.model.graph import Graph
from edgernn.model.layer import Layer
from edgernn.passes.calibrate import calibrate
from edgernn.passes.quantize import quantize
from many_zoo import program
from ways import BOARDS, EVERY_WAY, WAYS, needs
from zoo import GRAPHS, frames, t

FORMS = {
    "fp32": lambda graph: graph,
    "dynamic": quantize,
    "static": lambda graph: quantize(calibrate(graph, [frames(graph, 40)]), "static_wi8_ai8"),
    "static 16": lambda graph: quantize(calibrate(graph, [frames(graph, 40)]), "static_wi8_ai16"),
    "weights 4": lambda graph: quantize(graph, "weight_only_wi4_afp32"),
    "fp16": lambda graph: quantize(graph, "fp16"),
}


KINDS = (
    "gcc x86-64-v4-vnni",
    "gcc x86-64-v3",
    "gcc AVX-VNNI",
    "clang++ x86-64-v4-vnni",
    "sanitized",
    "sanitized portable",
    "rows",
)
SOME = [way for way in EVERY_WAY if (way if isinstance(way, str) else way.values[0]) in (*KINDS, *BOARDS)]


@pytest.mark.parametrize("way", SOME)
def test_kernels_of_many_streams_have_the_bits_of_one(way, tmp_path):
    (tmp_path / "many.c").write_text(Path(__file__).with_name("many.c").read_text())
    built = WAYS[way].build(tmp_path, "many.c")
    done = WAYS[way].run(built)
    assert (done.returncode, done.stdout.decode()) == (0, "3402 cases\n"), done.stderr[:2000]


@needs("gcc", "nm")
def test_a_step_of_many_streams_asks_the_system_for_nothing(tmp_path):
    (tmp_path / "many.c").write_text(program([make(WIDE) for make in FORMS.values()]).replace("int main", "int steps"))
    subprocess.run(["gcc", "-O2", "-c", "many.c", "-o", "many.o"], cwd=tmp_path, check=True)
    shown = subprocess.run(["nm", "-u", "many.o"], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    known = {"memcpy", "memset", "memcmp", "printf", "__stack_chk_fail", "_GLOBAL_OFFSET_TABLE_"}  # of the test too
    assert set(shown.split()) - {"U"} <= known


WIDE = Graph((Layer("gru", Gru(t(72, 6), t(72, 24), t(72), t(72))), Layer("out", Dense(t(70, 24), None, "tanh"))), 6)
"""Five blocks of rows: four that have tiles, and one that is left."""
CHOSEN = (
    *("Lstm", "Embedding", "LayerNormGru", "stack", "Over time", "Gru of frames", "Gru shared later"),
    *("Conv2d strided", "Names that meet", "Delay exchange"),
)


def test_cells_step_together_as_alone(tmp_path):
    cases = {f"wide, {form}": make(WIDE) for form, make in FORMS.items()}
    forms = list(FORMS.items())
    for i, name in enumerate(CHOSEN):
        form, make = forms[i % len(forms)]
        cases[f"{name}, {form}"] = make(GRAPHS[name])
    way = WAYS["sanitized"]
    (tmp_path / "main.c").write_text(program(list(cases.values())))
    done = way.run(way.build(tmp_path, "main.c"))
    differing = {list(cases)[int(line.split()[0])]: line.split()[1] for line in done.stdout.decode().splitlines()}
    assert (done.returncode, differing) == (0, {}), done.stderr[:2000]
