"""Counted instructions: as many as a loop has, the same in each run, and which levels are counted how."""

import shutil
from importlib.resources import files

import numpy as np
import pytest

import edgernn
from edgernn.device import isa
from edgernn.errors import UnsupportedError, UsageError
from edgernn_export.counting import callgrind, emulated
from edgernn_export.counting.count import COUNTERS, count
from edgernn_export.targets.c.compiler import executable, shared_library
from ways import needs
from zoo import keyword_spotter

LOOP = """
#include <stdlib.h>
int main(int count, char **arguments) {
    (void)count;
    for (long n = atol(arguments[1]); n; --n) __asm__ volatile("nop\\n nop\\n nop");
    return 0;
}
"""
OVERHEAD = 100  # instructions that atol may take for more digits
BODY = {"aarch64": (4, 6), "armv7-neon": (4, 6)}  # three nops, a decrement, a branch, and at most a comparison


@pytest.mark.parametrize("level", BODY)
@needs("qemu-aarch64", "qemu-arm")
def test_the_plugin_counts_what_a_loop_executes(level, tmp_path):
    (tmp_path / "loop").write_bytes(executable({"loop.c": LOOP}, emulated.compiler(level)))
    (tmp_path / "loop").chmod(0o700)
    source = files("edgernn_export.counting").joinpath("templates", "plugin.c").read_text()
    plugin = tmp_path / "plugin.so"
    plugin.write_bytes(shared_library(source, callgrind.for_this_machine(isa.level(isa.best()))))
    emulator = [shutil.which(emulated.PROCESSORS[level].emulator), "-cpu", "max"]
    none, some, again, twice = (
        emulated.executed(emulator, ["./loop", str(n)], plugin) for n in (0, 100_000, 100_000, 200_000)
    )
    least, most = BODY[level]
    assert some == again
    assert least * 100_000 <= some - none <= most * 100_000 + OVERHEAD
    assert abs((twice - some) - (some - none)) <= OVERHEAD


@pytest.mark.parametrize("level", emulated.PROCESSORS)
@needs("qemu-aarch64", "qemu-arm")
def test_a_step_on_another_processor_is_counted_alone_and_alike(level):
    graph, steps = keyword_spotter(32, 20), np.zeros((10, 20), np.float32)
    once, again, longer = (count(graph, xs, level).instructions for xs in (steps, steps, np.tile(steps, (3, 1))))
    assert once == again
    assert longer == pytest.approx(once, rel=0.02)  # neither start nor frames are in it
    macs = 3 * 32 * (20 + 32)
    assert macs / 8 < once < 2 * macs  # NEON multiplies four floats at once
    int8 = count(edgernn.quantize(graph), steps, level).instructions
    assert int8 < once or level != "aarch64-dotprod"  # which multiplies four bytes at once


def test_every_level_is_counted_or_refused_by_name():
    assert {*COUNTERS} == {name for name in isa.LEVELS if name not in {"x86-64-v4-vnni", "x86-64-v3-vnni"}}
    with pytest.raises(UsageError, match=r"instructions of 'arm64' are not counted; .*there are x86-64-v3"):
        count(keyword_spotter(), level="arm64")


def test_a_missing_emulator_names_its_package(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(
        UnsupportedError, match=r"aarch64 are counted by qemu-aarch64, which is not installed: .*qemu-user"
    ):
        count(keyword_spotter(), level="aarch64")
