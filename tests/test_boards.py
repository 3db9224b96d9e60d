"""Boards: every shipped profile, every way to write a wrong one, and this machine."""

import importlib.metadata
import json
import os
import platform
import re
import struct
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from edge import edge
from edgernn.device import board as boards, isa, probe, profile, survey
from edgernn.device.profile import COMPUTER, FIGURES, MICROCONTROLLER
from edgernn.device.rates import RATES, StepRate
from edgernn.device.runtimes import NATIVE, running, suffixes
from edgernn.errors import FileError, UnsupportedError, UsageError
from edgernn.files.spelling import closest

ROOT = Path(__file__).parent.parent
BOARDS = sorted(path.stem for path in (ROOT / "devices").glob("*.toml"))
KEYS = [key for section in FIGURES.values() for key in section]

GOOD = """
title = "A board"

[sources]
book = "a book"
page = "a page"

[processor]
cores = { value = 4, source = "book" }
clock_mhz = { value = 1500, source = "page" }
level = { value = "aarch64", source = "book" }
l2_kib = "unknown"
shared = { value = ["l2"], source = "book" }

[memory]
ram_mib = { value = 1024, source = "book" }

[system]
python = { value = "3.13", source = "page" }
triple = { value = "aarch64-linux-gnu.2.36", source = "page" }

[runtimes]
numpy = { value = true, source = "page" }
onnxruntime = { value = false, source = "page" }

[budgets.audio]
period_us = 16_000
deadline_us = 12_000
"""


def written(folder, text):
    (folder / "x.toml").write_text(text)
    return folder / "x.toml"


def test_the_boards_are_those_that_the_issue_names():
    computers = "raspberrypi-zero2w raspberrypi3bplus raspberrypi4 raspberrypi4-32bit raspberrypi5 beaglebone-black"
    computers += " jetson-orin-nano coral-dev-board gateway-x86-64-v3 gateway-n100"
    microcontrollers = "stm32f407 stm32h743 stm32n657 nrf52840 rp2040 rp2350 esp32c3 esp32s3"
    assert {*computers.split()} | {*microcontrollers.split()} == {*BOARDS}
    assert [name for name in BOARDS if boards.load(name).microcontroller] == sorted(microcontrollers.split())
    assert boards.names() == (*BOARDS, "this")


def test_no_two_sections_have_a_figure_of_one_name():
    assert len(KEYS) == len(set(KEYS))
    fields = set(boards.Device.__dataclass_fields__)
    assert set(KEYS) - set(FIGURES["runtimes"]) == fields - {"name", "title", "wheels", "rates", "figures", "sources"}


@pytest.mark.parametrize("name", BOARDS)
def test_a_shipped_profile_states_every_figure_and_cites_an_address(name):
    document = tomllib.loads((ROOT / "devices" / f"{name}.toml").read_text())
    figures = MICROCONTROLLER if "microcontroller" in document else COMPUTER
    assert [key for section in FIGURES for key in document.get(section, {})] == list(figures)
    assert all(
        "https://" in citation or re.search("PyPI|Debian|Ubuntu", citation) for citation in document["sources"].values()
    )


@pytest.mark.parametrize("name", boards.names())
def test_a_device_says_what_its_figures_say(name):
    board = boards.load(name)
    for key in KEYS:
        value = board.wheels[key] if key in FIGURES["runtimes"] else getattr(board, key)
        figure = board.figures.get(key)
        assert value == (figure and figure.value)
        assert figure is None or board.sources[figure.source]
    assert board.name == name
    assert board.title


@pytest.mark.parametrize("name", boards.names())
def test_a_format_runs_exactly_where_its_runtime_is(name):
    board = boards.load(name)
    for suffix in (each for each in suffixes() if running(each) != (NATIVE,)):
        if any(board.wheels[runtime.package] for runtime in running(suffix)):
            assert suffix in board.formats
            assert board.wheels[board.runtime(suffix).package]
        else:
            assert suffix not in board.formats
            with pytest.raises(UnsupportedError, match=rf"board '{name}' has no .*; it can run .*\.c"):
                board.runtime(suffix)
    for suffix in {".c", ".so"} & {*board.formats}:
        assert board.runtime(suffix) is NATIVE


@pytest.mark.parametrize("name", [name for name in BOARDS if not boards.load(name).microcontroller])
def test_a_profile_that_is_written_is_read_again(name):
    stated = profile.parse_profile((ROOT / "devices" / f"{name}.toml").read_bytes(), name)
    assert profile.parse_profile(profile.dump_profile(stated), name) == stated


@settings(max_examples=100, deadline=None)
@given(text=st.text(st.characters(exclude_categories=["Cs"])).filter(str.strip), period=st.floats(1e-3, 1e9))
def test_any_words_of_a_profile_are_written_so_that_they_are_read(text, period):
    stated = profile.Profile(
        text, {"cores": profile.Figure(2, text)}, {text: text}, {text: StepRate(period, period / 2)}
    )
    assert profile.parse_profile(profile.dump_profile(stated), "x") == stated


@pytest.mark.parametrize("name", BOARDS)
def test_a_board_fits_together(name):
    """What no single figure shows: caches grow outwards, and wheels are those of PyPI on the day of writing."""
    board = boards.load(name)
    if board.microcontroller:
        assert board.formats == (".c",)
        assert (board.fpu == "none") == ("fp" not in board.isa and board.isa != "xtensa-lx7")
        assert (board.fpu == "double") == ("fp.dp" in board.isa)
        return
    sizes = [size for size in (board.l1d_kib, board.l2_kib, board.l3_kib) if size]
    assert sizes == sorted(sizes)
    narrow = name in {"raspberrypi4-32bit", "beaglebone-black"}
    assert board.triple.split("-")[0] == ("arm" if narrow else isa.LEVELS[board.level].machine)
    assert not (board.python == "3.13" and board.wheels["tflite-runtime"])  # its last wheels are for 3.11
    every = (".so", ".c", ".onnx", ".tflite", ".rnn")
    assert board.formats == {"raspberrypi4-32bit": every[:2], "beaglebone-black": (".c", ".tflite")}.get(name, every)


def test_the_message_of_a_missing_runtime_names_what_runs():
    with pytest.raises(UnsupportedError) as error:
        boards.load("raspberrypi4-32bit").runtime(".onnx")
    assert str(error.value) == "board 'raspberrypi4-32bit' has no wheel of onnxruntime; it can run .so, .c"
    bare = boards.Device("x", "X", wheels={"ai-edge-litert": False, "tflite-runtime": True})
    assert (bare.formats, bare.runtime(".tflite").name) == ((".c", ".tflite"), "tflite-runtime")
    with pytest.raises(UnsupportedError, match=r"'x' has no known target for a compiler; it can run \.c, \.tflite"):
        bare.runtime(".so")
    with pytest.raises(UnsupportedError, match="'this' has no onnxruntime installed"):
        boards.Device("this", "X").runtime(".onnx")
    with pytest.raises(UsageError, match=r"no artifact ends in '.h5'; there are .so, .c, .onnx, .tflite, .rnn"):
        bare.runtime(".h5")


@pytest.mark.parametrize("name", ["raspberypi4", "raspberrypi4.tom", "", "THIS", "../devices/raspberrypi4"])
def test_a_misspelt_board_is_answered_with_all_of_them(name):
    with pytest.raises(UsageError) as error:
        boards.load(name)
    assert f"no board '{name}'; " in str(error.value)
    assert "there are beaglebone-black, coral-dev-board, " in str(error.value)
    assert ("did you mean 'raspberrypi4'? " in str(error.value)) == ("4" in name)


@pytest.mark.parametrize("name", [*BOARDS, *isa.LEVELS])
@pytest.mark.parametrize("change", ["digit", "no digit", "one more", "swapped", "letter"])
def test_no_other_product_is_suggested_in_the_place_of_one(name, change):
    """Another digit is another product, often of another architecture; letters and swapped digits are typing errors."""
    known = BOARDS if name in BOARDS else [*isa.LEVELS]
    at = re.search(r"\d+", name).start() if re.search(r"\d", name) else 0
    misspelt = {
        "digit": name[:at] + str((int(name[at]) + 1) % 10 if name[at].isdigit() else 9) + name[at + 1 :],
        "no digit": re.sub(r"\d", "", name),
        "one more": f"{name}2",
        "swapped": re.sub(r"(\d)(\d)", r"\2\1", name, count=1),
        "letter": re.sub(r"([a-z])([a-z])", r"\2\1", name, count=1),
    }[change]
    close = closest(misspelt, known, products=True)
    assert not close or sorted(re.findall(r"\d", close)) == sorted(re.findall(r"\d", misspelt))
    if change in {"swapped", "letter"}:
        assert close == name


@pytest.mark.parametrize(
    "name",
    [
        "raspberrypi-zero",
        "raspberrypi-zero-w",
        "raspberrypi1",
        "raspberrypi1b+",
        "Raspberry Pi Zero W",
        "rpi0",
        "armv6l",
    ],
)
def test_armv6_is_said_to_be_none_of_the_boards(name):
    with pytest.raises(
        UnsupportedError, match=r"is ARMv6, for which there is no profile .* write the model as \.c"
    ) as error:
        boards.load(name)
    assert "zero2w" not in str(error.value)


@pytest.mark.parametrize("name", BOARDS)
def test_no_board_of_ours_is_taken_for_armv6(name):
    assert not boards.ARMV6.fullmatch(re.sub(r"[^a-z0-9]", "", name))


def test_a_profile_of_ones_own_is_given_by_its_path(tmp_path):
    assert ".so" not in boards.load(written(tmp_path, GOOD)).formats  # nothing says for which processor
    board = boards.load(written(tmp_path, GOOD.replace("triple", f"{CPU}\ntriple")))
    assert (board.name, board.title, board.cores, board.l1d_kib, board.l2_kib) == ("x", "A board", 4, None, None)
    assert (board.shared, board.wheels["numpy"], board.wheels["ai-edge-litert"]) == (("l2",), True, None)
    assert board.formats == (".so", ".c", ".rnn")
    with pytest.raises(FileError, match=r"none.toml' cannot be read"):
        boards.load(tmp_path / "none.toml")


CPU = 'cpu = { value = "cortex_a53", source = "page" }'


def test_a_processor_with_more_than_its_level_is_refused(tmp_path):
    """Its code would stop at the first instruction that a board of this level lacks."""
    path = written(tmp_path, GOOD.replace("triple", f"{CPU.replace('a53', 'a76')}\ntriple"))
    with pytest.raises(
        FileError, match=r"line 20: 'cpu' is 'cortex_a76', which may have more than level 'aarch64'; did"
    ):
        boards.load(path)


WRONG = {  # name -> what is replaced, with what, the line, and words of the message
    "figure": ("cores =", "coers =", 9, "there is no figure 'coers' in [processor]; did you mean 'cores'? there are core,"),
    "no likeness": ("ram_mib", "colour", 16, "there is no figure 'colour' in [memory]; there are ram_mib, mb_per_s"),
    "other section": ("ram_mib", "l1d_kib", 16, "there is no figure 'l1d_kib' in [memory]; it belongs to [processor]"),
    "section": ("[memory]", "[memmory]", 15, "there is no 'memmory' in a profile; did you mean 'memory'?"),
    "runtime": ("onnxruntime", "onnx-runtime", 24, "in [runtimes]; did you mean 'onnxruntime'?"),
    "part": ("{ value = 4,", "{ vlaue = 4,", 9, "'cores' has no part 'vlaue'; did you mean 'value'?"),
    "zero cores": ("value = 4", "value = 0", 9, "'cores' is 0; expected a whole number from 1 to 4096"),
    "minus": ("value = 4", "value = -4", 9, "'cores' is -4; expected"),
    "half": ("value = 4", "value = 4.5", 9, "'cores' is 4.5; expected a whole number"),
    "true cores": ("value = 4", "value = true", 9, "'cores' is True; expected a whole number"),
    "clock": ("1500", "0", 10, "'clock_mhz' is 0; expected a whole number of MHz from 1 to 10000"),
    "hertz": ("1500", "1500000000", 10, "'clock_mhz' is 1500000000; expected a whole number of MHz"),
    "level": ('"aarch64"', '"aarch46"', 11, "'level' is 'aarch46'; expected one of x86-64-v4-vnni,"),
    "level hint": ('"aarch64"', '"aarch46"', 11, "armv7-neon; did you mean 'aarch64'?"),
    "level kind": ('"aarch64"', "64", 11, "'level' is 64; expected one of"),
    "shared": ('["l2"]', '["L2"]', 13, "'shared' is ['L2']; expected a list of some of l1d, l2, l3"),
    "shared twice": ('["l2"]', '["l2", "l2"]', 13, "expected a list of some of"),
    "shared text": ('["l2"]', '"l2"', 13, "expected a list of some of"),
    "python": ('"3.13"', "3.13", 19, "'python' is 3.13; expected a version such as \"3.13\""),
    "triple": ("aarch64-linux-gnu.2.36", "aarch64", 20, "'triple' is 'aarch64'; expected what zig calls a target"),
    "machine": ("aarch64-linux-gnu.2.36", "x86_64-linux-gnu", 20, "but level 'aarch64' needs one for aarch64"),
    "wheel": ("value = true", 'value = "yes"', 23, "'numpy' is 'yes'; expected true or false"),
    "bare": ('{ value = 4, source = "book" }', "4", 9, "'cores' is 4, without a source; write { value = ..., source"),
    "bare text": ('"unknown"', '"none"', 12, "'l2_kib' is 'none', without a source; write"),
    "no source": ('value = 4, source = "book"', "value = 4", 9, "'cores' has no source; write { value = ..."),
    "no value": ('value = 4, source = "book"', 'source = "book"', 9, "'cores' has no value; write { value"),
    "unknown source": ('4, source = "book"', '4, source = "boko"', 9, "has the source 'boko', not in [sources]; did you mean"),
    "source kind": ('4, source = "book"', "4, source = [1]", 9, "has the source '[1]', not in [sources]"),
    "unused": ('page = "a page"', 'page = "a page"\nweb = "a site"', 7, "source 'web' is the source of no figure"),
    "empty source": ('"a page"', '" "', 6, "source 'page' is ' '; expected a citation in words"),
    "sources": ('[sources]\nbook = "a book"\npage = "a page"', "sources = 3", 4, "'sources' is not a table; expected [sources]"),
    "no sources": ('[sources]\nbook = "a book"\npage = "a page"', "", 7, "has the source 'book', not in [sources]; there are none"),
    "title": ('"A board"', '""', 2, "the title is ''; expected the board's name in words"),
    "no title": ('title = "A board"', "", 1, "the title is None; expected the board's name in words"),
    "mixed": ("[memory]", '[microcontroller]\nflash_kib = "unknown"\n[memory]', 11, "a microcontroller has no 'level'; there are core, cores"),
    "isa": ("[memory]", '[microcontroller]\nisa = { value = "armv7-m", source = "book" }\n[memory]', 16, "'isa' is 'armv7-m'; expected one of armv6-m"),
    "use": ("[budgets.audio]", "[budgets.audio.frame]", 26, "there is no 'frame' in [budgets.audio]; there are period_us,"),
    "uses": ("[budgets.audio]", "[[budgets]]", 26, "'budgets' is not a table; expected [budgets.audio]"),
    "use kind": ("[budgets.audio]", "[budgets]", 27, "'period_us' is 16000; expected [budgets.period_us] with period_us ="),
    "period": ("period_us = 16_000\n", "\n", 26, "[budgets.audio] has no period_us; write period_us = 10_000"),
    "period name": ("period_us", "perod_us", 27, "there is no 'perod_us' in [budgets.audio]; did you mean 'period_us'?"),
    "period of zero": ("16_000", "0", 27, "'period_us' is 0; expected a number of microseconds, up to an hour"),
    "no period": ("16_000", "nan", 27, "'period_us' is nan; expected a number"),
    "true period": ("16_000", "true", 27, "'period_us' is True; expected a number"),
    "deadline": ("12_000", "16_001", 28, "'deadline_us' is 16001; expected a number of microseconds, up to the period of 16000"),
    "percentile": ("deadline_us", "percentile = 100\ndeadline_us", 28, "'percentile' is 100; expected a number of steps in a hundred, from 50"),
    "syntax": ("[memory]", "[memory", 15, "is not valid TOML: "),
    "twice": ("[memory]", "[processor]", 15, "is not valid TOML: "),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_profile_is_refused_with_its_line(name, tmp_path):
    old, new, line, message = WRONG[name]
    assert GOOD.count(old) >= 1
    path = written(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(FileError) as error:
        boards.load(path)
    text = str(error.value)
    assert text.startswith(f"'{path}'")
    assert message in text
    assert f"line {line}" in text


def test_a_section_that_is_no_table_is_refused(tmp_path):
    path = written(tmp_path, 'title = "A"\nprocessor = 3\n')
    with pytest.raises(FileError, match=r"line 2: 'processor' is not a table; expected \[processor\]"):
        boards.load(path)


def test_bytes_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "x.toml").write_bytes(b'title = "\xff"')
    with pytest.raises(FileError, match="is not valid TOML: byte 9 is not UTF-8"):
        boards.load(tmp_path / "x.toml")


def test_a_line_is_found_in_whatever_way_toml_is_written(tmp_path):
    path = written(tmp_path, 'title = "A"\n\nprocessor = { coers = "unknown" }\n')
    with pytest.raises(FileError, match=r"line 3: there is no figure 'coers'"):
        boards.load(path)
    path = written(tmp_path, 'title = "A"\n"processor"."coers" = "unknown"\n')
    with pytest.raises(FileError, match=r"line 2: there is no figure 'coers'"):
        boards.load(path)


def test_a_profile_adds_uses_and_says_otherwise(tmp_path):
    board = boards.load(written(tmp_path, GOOD + "\n[budgets.grid]\nperiod_us = 20_000\npercentile = 99.9\n"))
    assert board.rates == {**RATES, "audio": StepRate(16000, 12000, 99), "grid": StepRate(20000, 20000, 99.9)}
    with pytest.raises(
        UsageError, match="'x' has no rate 'aduio'; did you mean 'audio'\\? there are audio, control, sample, gr"
    ):
        board.rate("aduio")


@pytest.mark.parametrize("name", boards.names())
def test_every_device_has_the_named_uses(name):
    periods = {rate: boards.load(name).rate(rate).period_us for rate in ("audio", "control", "sample")}
    assert periods == {"audio": 10_000, "control": 1_000, "sample": pytest.approx(22.6757, abs=1e-4)}
    assert all(f" {rate}: a step every " in edge("devices", name) for rate in periods)


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.sampled_from([*isa.LEVELS, "unknown", "3.13"]),
    st.lists(st.sampled_from(["l1d", "l2", "l3", "L4"])), st.dictionaries(st.text(), st.integers(), max_size=2),
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(key=st.sampled_from(KEYS), value=VALUES)
def test_every_value_is_taken_whole_or_refused(key, value):
    """A domain answers for anything that TOML can hold."""
    domain = next(section[key] for section in FIGURES.values() if key in section)
    taken = domain.contains(value)
    assert type(taken) is bool
    if taken:
        assert value != profile.UNKNOWN
        assert type(value) in {bool, int, str, list}
        assert type(value) is not int or value >= 0


@settings(max_examples=200, deadline=None)
@given(data=st.one_of(st.binary(max_size=80), st.text(max_size=80).map(str.encode)))
def test_any_bytes_are_a_profile_or_a_refusal(data):
    try:
        title = profile.parse_profile(data, "x.toml").title
    except FileError as error:
        title = str(error)[:8] == "'x.toml'"
    assert title


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_any_line_of_a_profile_that_is_spoilt_is_refused_or_harmless(data):
    """Take a line out, or put a letter into it: nothing but FileError comes out."""
    lines = GOOD.splitlines()
    at = data.draw(st.integers(0, len(lines) - 1))
    place = data.draw(st.integers(0, len(lines[at])))
    lines[at] = data.draw(st.sampled_from(["", lines[at][:place] + "z" + lines[at][place:]]))
    try:
        parsed = profile.parse_profile("\n".join(lines).encode(), "x.toml")
    except FileError:
        return
    assert {figure.source for figure in parsed.figures.values()} == set(parsed.sources)


def test_this_machine_is_probed_as_the_system_says():
    board = boards.this()
    assert board.cores == len(os.sched_getaffinity(0))
    assert board.python == f"{sys.version_info.major}.{sys.version_info.minor}"
    assert board.level == isa.best()
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20
    assert abs(board.ram_mib - pages) <= 1
    size = subprocess.run(["getconf", "LEVEL1_DCACHE_SIZE"], capture_output=True, text=True, check=False).stdout.strip()
    if size.isdecimal() and int(size) and board.l1d_kib:
        assert board.l1d_kib == int(size) // 1024
    for package, installed in board.wheels.items():
        assert installed == bool(list(importlib.metadata.distributions(name=package)))
    assert all(citation.startswith("probed: ") for citation in board.sources.values())
    assert board.mb_per_s is None


def test_probing_imports_no_runtime():
    code = """
import sys
from edgernn.device import board
board.this()
print([m for m in sys.modules if m.partition('.')[0] in {'numpy', 'onnxruntime', 'ai_edge_litert', 'tflite_runtime'}])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_bandwidth_is_the_bytes_of_the_fastest_pass():
    """Three arrays of 1,000 float64 are 24,000 bytes; a pass takes 12,000 ns, but for one that takes half of it."""
    took = [12_000] * 4 + [6_000] + [12_000] * 5
    ticks = iter([tick for k, ns in enumerate(took) for tick in (10**6 * k, 10**6 * k + ns)])
    surveyed = survey.survey(lambda: next(ticks), numbers=1000)
    assert surveyed.figures["mb_per_s"] == profile.Figure(4000, "measured")
    assert next(ticks, None) is None


def test_this_machine_writes_a_profile_that_loads(tmp_path):
    path = tmp_path / "here.toml"
    assert str(path) in edge("probe", "-o", path)
    board, this = boards.load(path), boards.this()
    assert board.mb_per_s > 0
    for key in set(COMPUTER) - {"mb_per_s", "cpu", "clock_mhz", *FIGURES["runtimes"]}:
        assert getattr(board, key) == getattr(this, key), key
    assert board.wheels == this.wheels
    assert board.formats == this.formats
    assert this.level not in isa.LEVELS or board.cpu in isa.LEVELS[this.level].cpus
    written_once = path.read_bytes()
    assert "exists; choose another name, or give --force" in edge("probe", "-o", path, code=2)
    assert path.read_bytes() == written_once
    edge("probe", "-o", path, "--force")
    assert "cannot be a profile; give a name such as" in edge("probe", "-o", tmp_path / "x.json", code=2)
    assert "cannot be a profile" in edge("probe", "-o", tmp_path / "this.toml", code=2)
    assert "cannot be written" in edge("probe", "-o", tmp_path / "none" / "x.toml", code=2)


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine with nothing in /proc and /sys; files are put there by name."""

    def put(**files):
        for name, text in files.items():
            path = tmp_path / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    (tmp_path / "cpu0").mkdir()
    monkeypatch.setattr(probe, "PROC", tmp_path)
    monkeypatch.setattr(probe, "CPU0", tmp_path / "cpu0")
    return put


def cache(index, level, kind, size, cores):
    files = {"level": level, "type": kind, "size": size, "shared_cpu_list": cores}
    return {f"cpu0__cache__index{index}__{name}": f"{text}\n" for name, text in files.items()}


def test_what_cannot_be_read_is_unknown(machine, monkeypatch):
    monkeypatch.setattr(isa, "here", lambda: ("riscv64", frozenset()))
    board = boards.this()
    for key in ("core", "clock_mhz", "level", "l1d_kib", "l2_kib", "l3_kib", "shared", "ram_mib", "triple", "cpu"):
        assert getattr(board, key) is None, key
    assert ".so" not in board.formats
    assert board.cores


def test_the_clock_is_the_highest_that_cpufreq_allows(machine):
    machine(cpuinfo="processor\t: 0\nmodel name\t: A core\ncpu MHz\t\t: 2596.122\n")
    assert (boards.this().clock_mhz, boards.this().core) == (2596, "A core")
    machine(cpu0__cpufreq__cpuinfo_max_freq="1800000\n", cpu0__cpufreq__scaling_governor="ondemand\n")
    assert (boards.this().clock_mhz, boards.this().governor) == (1800, "ondemand")
    machine(cpu0__cpufreq__cpuinfo_max_freq="<unsupported>\n")
    assert boards.this().clock_mhz is None


def test_caches_for_data_are_found_and_instructions_passed_over(machine):
    machine(**cache(0, 1, "Data", "32K", "0"), **cache(1, 1, "Instruction", "48K", "0"))
    board = boards.this()
    assert (board.l1d_kib, board.l2_kib, board.l3_kib, board.shared) == (32, None, None, ())
    machine(**cache(2, 2, "Unified", "1024K", "0-3"))
    board = boards.this()
    assert (board.l1d_kib, board.l2_kib, board.l3_kib, board.shared) == (32, 1024, 0, ("l2",))
    machine(**cache(3, 3, "Unified", "2048K", "0,1"))
    board = boards.this()
    assert (board.l3_kib, board.shared) == (2048, ("l2", "l3"))


@pytest.mark.parametrize(
    ("machine_name", "flags", "pointer_bytes", "expected"),
    [
        ("aarch64", {"asimd", "fp"}, 8, "aarch64"),
        ("aarch64", {"asimd", "asimddp"}, 8, "aarch64-dotprod"),
        ("aarch64", {"asimd", "fp"}, 4, "armv7-neon"),  # a 32-bit system on a 64-bit kernel
        ("armv8l", {"neon", "vfpv4"}, 4, "armv7-neon"),  # the same under linux32
        ("armv7l", {"neon", "vfpv4"}, 4, "armv7-neon"),
        ("armv7l", {"neon", "vfpv3"}, 4, "any-armv7l"),
        ("armv6l", {"vfp"}, 4, "any-armv6l"),
        ("x86_64", set(), 8, "x86-64"),
        ("x86_64", set(), 4, "any-i686"),
    ],
)
def test_the_level_is_that_of_the_programs_width(machine_name, flags, pointer_bytes, expected, monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: machine_name)
    monkeypatch.setattr(isa, "here", lambda: isa.seen(machine_name, frozenset(flags), pointer_bytes))
    assert isa.best() == expected


@pytest.mark.parametrize(
    ("library", "expected"),
    [(("glibc", "2.36"), "arm-linux-gnueabihf.2.36"), (("", ""), None), (("musl", "1.2"), None)],
)
def test_the_triple_has_the_c_library_that_is_here(library, expected, monkeypatch):
    monkeypatch.setattr(isa, "here", lambda: ("armv7l", frozenset()))
    monkeypatch.setattr(platform, "libc_ver", lambda: library)
    assert boards.this().triple == expected
    assert boards.this().cpu == ("native" if expected else None)


def test_the_command_lists_all_boards():
    table = edge("devices").splitlines()
    assert [line.split()[0] for line in table] == ["name", *boards.names()]
    listed = json.loads(edge("devices", "--json"))
    assert [row["name"] for row in listed] == [*boards.names()]
    (zero,) = (row for row in listed if row["name"] == "raspberrypi-zero2w")
    assert zero["formats"] == [".so", ".c", ".onnx", ".tflite", ".rnn"]


@pytest.mark.parametrize("name", boards.names())
def test_the_command_shows_every_figure_with_its_source(name):
    text, report = edge("devices", name), json.loads(edge("devices", name, "--json"))
    board = boards.load(name)
    assert list(report["figures"]) == list(MICROCONTROLLER if board.microcontroller else COMPUTER)
    for key in report["figures"]:
        assert f"\n{key} " in text
        assert (report["figures"][key] is None) == (key not in board.figures)
    for citation in board.sources.values():
        assert citation in text


def test_the_command_refuses_what_is_no_board(tmp_path):
    assert "did you mean 'raspberrypi5'?" in edge("devices", "rasberrypi5", code=2)
    path = written(tmp_path, GOOD.replace("cores", "coers"))
    assert "line 9: there is no figure 'coers'" in edge("devices", path, code=2)


VECTORS = {  # as qemu's Cortex-A53, A76 and A7 are told of AT_HWCAP, between AT_PAGESZ and the end
    ("aarch64", 8, 0x8FB): {"asimd"},
    ("aarch64", 8, 0x119FFB): {"asimd", "asimddp"},
    ("armv7l", 4, 0x1FB8D7): {"neon", "vfpv4"},
    ("armv7l", 4, 0): set(),
}


@pytest.mark.parametrize(("machine", "width", "hwcap"), VECTORS)
def test_the_kernel_tells_a_process_what_its_processor_has(machine, width, hwcap, monkeypatch):
    """A PC that emulates the processor has a /proc/cpuinfo of its own, with none of these flags."""
    kind = "Q" if width == 8 else "I"
    vector = struct.pack(f"<6{kind}", 6, 4096, isa.AT_HWCAP, hwcap, 0, 0)
    assert isa.hwcap_flags(vector, machine, width) == VECTORS[machine, width, hwcap]
    if width == struct.calcsize("P"):
        monkeypatch.setattr(platform, "machine", lambda: machine)
        monkeypatch.setattr(Path, "read_bytes", lambda path: vector if str(path) == "/proc/self/auxv" else b"")
        assert isa.here() == (machine, VECTORS[machine, width, hwcap])


def test_every_flag_of_arm_has_its_bit():
    for machine, bits in isa.HWCAP.items():
        assert set(bits) == set().union(*(level.flags for level in isa.LEVELS.values() if level.machine == machine))
