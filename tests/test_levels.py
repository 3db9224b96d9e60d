"""One library for several levels of processors: the same weights, the same bits, and the choice when it is loaded."""

import re
import shutil
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest

import edgernn
from edge import edge
from edgernn.artifact.manifest import parse_manifest
from edgernn.device import isa
from edgernn.errors import FileError, ParityError, UnsupportedError, UsageError
from edgernn.interpreters.integer import IntegerStepper
from edgernn.interpreters.numpy import Stepper
from edgernn.model.tensor import DYNAMIC, SCHEMES, STATIC
from edgernn.passes.calibrate import calibrate
from edgernn.passes.quantize import quantize
from edgernn_export import export
from edgernn_export.targets.c import compiler, levels, library
from edgernn_export.targets.c.pack import rows_by_group, side_by_side
from edgernn_export.targets.c.target import template, write
from edgernn_export.targets.destination import destination_of
from edgernn_export.targets.naming import named_trace
from ways import HERE, needs
from zoo import frames, keyword_spotter

KWS = keyword_spotter()
XS = frames(KWS, 40)
LAST = HERE[-1]  # what every machine of this kind has
needs_several = pytest.mark.skipif(len(HERE) < 2, reason="this machine has one level only")


def in_precision(precision):
    return quantize(calibrate(KWS, [frames(KWS, 48)], growing="accept"), precision)


@pytest.fixture(scope="module", params=[DYNAMIC, [*STATIC][1]])
def fleet(request, tmp_path_factory):
    """A graph, and its library for every level of this kind of machine."""
    folder = tmp_path_factory.mktemp("fleet")
    graph = in_precision(request.param)
    export(graph, folder / "m.so", levels="all")
    return graph, folder / "m.so"


def test_the_best_level_is_chosen_when_it_is_loaded(fleet):
    program = edgernn.open(fleet[1])
    assert isa.split(program.manifest.cpu) == program.engine.levels == isa.of_machine(isa.here()[0])
    assert program.backend == f"native {isa.best()}"


@needs_several
def test_every_level_computes_the_same_and_a_state_goes_on_from_one_to_the_next(fleet):
    """Bit for bit, also where the level before left the state; static integers are dequantized in double there."""
    graph, path = fleet
    static = graph.precision in STATIC
    expected = np.asarray((IntegerStepper(graph) if static else Stepper(graph, "float32")).run(XS)[0], np.float32)
    program = edgernn.open(path)
    one_after_another, blocks = program.stream(), np.array_split(np.arange(len(XS)), len(HERE))
    answers = {}
    for level, block in zip(HERE, blocks, strict=True):
        program.engine.choose(level)
        assert program.backend == f"native {level}"
        answers[level], part = program.stream().run(XS), one_after_another.run(XS[block])
        np.testing.assert_array_equal(part, answers[level][block])
        np.testing.assert_allclose(answers[level], expected, atol=1e-7 * static, rtol=1e-6 * static)
        saved = one_after_another.state
        one_after_another.state = saved
        for name, state in saved.items():
            np.testing.assert_array_equal(one_after_another.state[name], state)
        np.testing.assert_array_equal(answers[level], answers[HERE[0]])


def test_a_level_that_the_processor_lacks_is_refused_and_the_one_before_goes_on(fleet):
    program = edgernn.open(fleet[1])
    for level in program.engine.levels:
        if isa.missing(level):
            with pytest.raises(UnsupportedError, match=f"level {level} needs a processor with "):
                program.engine.choose(level)
    with pytest.raises(UnsupportedError, match=r"the library has no level 'x86-64-v9'; did you mean 'x86-64-v\d"):
        program.engine.choose("x86-64-v9")
    choose = program.engine.library.edgernn_choose
    assert choose(-1) == choose(len(program.engine.levels)) == 1
    assert program.backend == f"native {HERE[0]}"


def exported(path):
    """The functions that a library exports, as binutils lists them."""
    done = subprocess.run(["nm", "-D", "--defined-only", path], capture_output=True, text=True, check=True)
    return {line.split()[-1] for line in done.stdout.splitlines()}


@needs("nm")
def test_every_function_of_a_library_for_one_level_is_one_of_a_library_for_several(fleet, tmp_path):
    graph, path = fleet
    export(graph, tmp_path / "one.so")
    assert exported(path) == exported(tmp_path / "one.so") | {"edgernn_choose", "edgernn_chosen"}
    weights = side_by_side(rows_by_group(graph.layers[0].cell.u.stored)).tobytes()
    for once in (weights, b'"edgernn.graph"'):
        assert path.read_bytes().count(once) == 1


def parts(levels_of, how):
    """What is linked to a library of dynamic int8 for these levels, and a program that tells the level and tests it."""
    named = named_trace(in_precision(DYNAMIC), SCHEMES)
    code = write(named, "edgernn", named.manifest_json, "", apart=True)
    compilers = {name: compiler.Compiler(*how(name)) for name in levels_of}
    files = levels.parts(code, code.source + library._for_python(named), "edgernn", compilers)
    main = "#include <stdio.h>\nint edgernn_chosen(void), edgernn_self_test(void);\n"
    main += 'int main(void) { printf("%d %d", edgernn_chosen(), edgernn_self_test()); return 0; }\n'
    return files | {"main.c": main}, [*compilers.values()][-1]


PROCESSORS = {
    "x86_64": {"Nehalem": "x86-64", "SandyBridge": "x86-64", "Haswell": "x86-64-v3", "max": "x86-64-v3"},
    "aarch64": {"cortex-a53": "aarch64", "cortex-a72": "aarch64", "max": "aarch64-dotprod"},
}
"""Machine -> qemu's name of a processor -> the best level that it has; it emulates no AVX-512 and no AVX-VNNI."""


@pytest.mark.parametrize("machine", PROCESSORS)
def test_each_processor_gets_its_best_level_and_passes_the_self_test(machine, tmp_path):
    emulator = shutil.which(f"qemu-{machine}-static") or shutil.which(f"qemu-{machine}")
    command, option = (sys.executable, "-m", "ziglang", "cc", "-target", f"{machine}-linux-musl"), "-mcpu={0.zig}"
    if machine == isa.here()[0] and shutil.which("gcc"):
        command, option = ("gcc",), ""
    if not emulator or (option and not find_spec("ziglang")):
        pytest.skip(f"qemu-{machine} or ziglang is not installed")
    names = isa.of_machine(machine)
    of_level = {name: (option.format(level),) if option else level.options for name, level in isa.LEVELS.items()}
    files, how = parts(names, lambda name: (command, of_level[name]))
    program = tmp_path / "program"
    program.write_bytes(compiler._compiled(files, how, ("-static",)))
    program.chmod(0o755)
    for processor, level in PROCESSORS[machine].items():
        done = subprocess.run([emulator, "-cpu", processor, program], capture_output=True, text=True, check=True)
        assert (names[int(done.stdout.split()[0])], done.stdout.split()[1]) == (level, "0"), processor


@pytest.mark.skipif(isa.here()[0] != "x86_64", reason="this machine is no x86-64")
def test_the_bits_of_cpuid_are_those_that_the_system_tells(tmp_path):
    """/proc/cpuinfo is the oracle: of every flag whether the processor has it, and of registers that threads keep them."""
    source = template("levels_x86_64.c", {"cases": ""}) + "#include <stdio.h>\nint main(void) {\n"
    for flag, bit in levels.CPUID.items():
        source += 'printf("{} %d\\n", has_bit({}, {}, {}, {}));\n'.format(flag, *bit)
    source += 'printf("avx %d\\n", has_registers(6));\nprintf("avx512f %d\\n", has_registers(0xe6));\n'
    source += "return has_level(0) - 1;\n}\n"
    (tmp_path / "main").write_bytes(
        compiler.executable({"main.c": source}, compiler.for_this_machine(isa.level("x86-64")))
    )
    (tmp_path / "main").chmod(0o755)
    done = subprocess.run([tmp_path / "main"], capture_output=True, text=True, check=True)
    flags = isa.here()[1]
    lines = [line.split() for line in done.stdout.splitlines()]
    assert len(lines) == len(levels.CPUID) + 2
    assert [(flag, bool(int(has))) for flag, has in lines] == [(flag, flag in flags) for flag, _ in lines]
    assert {flag for level in isa.LEVELS.values() if level.machine == "x86_64" for flag in level.flags} == {
        *levels.CPUID
    }


def test_a_level_that_computes_something_else_is_not_written(tmp_path, monkeypatch):
    """The last level is compiled from a source whose sigmoid is another function."""
    original = levels.object_file

    def altered(source, how):
        wrong = source.replace("return f##_line(0.5f, 0.5f,", "return f##_line(0.5f, 0.25f,")
        assert wrong != source
        return original(wrong if how.options == isa.level(LAST).options else source, how)

    monkeypatch.setattr(levels, "object_file", altered)
    with pytest.raises(ParityError, match=rf"'{LAST}' fails its own test on this machine"):
        export(KWS, tmp_path / "m.so", levels="all")
    assert list(tmp_path.iterdir()) == []


def bare(folder, text):
    """The loader, in a Python without any package."""
    return subprocess.run(
        [sys.executable, "-S", "-W", "error", "m_stream.py"], cwd=folder, input=text, capture_output=True, text=True,
        check=False,
    )  # fmt: skip


def test_the_loader_runs_where_one_of_the_levels_does(fleet, tmp_path):
    path = fleet[1]
    loader = path.with_name("m_stream.py").read_text()
    lines = "\n".join(",".join(map(str, x.tolist())) for x in XS)
    expected = edgernn.open(path).stream().run(XS)
    none, one = ([["no_flag"], ["no_other", "no_such"]], [["no_flag"], []])
    for flags in (None, none, one):
        text = loader if flags is None else re.sub(r"FLAGS = .*", f"FLAGS = {flags}", loader, count=1)
        (tmp_path / "m_stream.py").write_text(text)
        (tmp_path / "m.so").write_bytes(path.read_bytes())
        done = bare(tmp_path, lines)
        if flags is none:
            assert "needs a processor with no_other, no_such" in done.stderr
        else:
            assert done.returncode == 0, done.stderr
            actual = np.loadtxt(done.stdout.splitlines(), delimiter=",").astype(np.float32)
            np.testing.assert_array_equal(actual, expected)


def test_a_library_is_refused_where_no_level_runs(fleet, monkeypatch):
    path = fleet[1]
    machine, flags = isa.here()
    monkeypatch.setattr(isa, "here", lambda: ("riscv64", frozenset()))
    with pytest.raises(UnsupportedError, match=f"needs a machine of kind {machine}; this is riscv64; export it"):
        edgernn.open(path)
    monkeypatch.setattr(isa, "here", lambda: (machine, flags - {"fma"}))  # the last level needs no flag
    assert edgernn.open(path).stream().run(XS).shape == (len(XS), KWS.outputs)


def test_a_library_that_names_several_levels_and_cannot_choose_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(library.isa, "joined", lambda names: f"{names[0]},{LAST}")
    files = library.render(KWS, "m", destination_of("m.so"))
    (tmp_path / "m.so").write_bytes(files["m.so"])
    with pytest.raises(FileError, match="it has no function edgernn_choose"):
        edgernn.open(tmp_path / "m.so")


@pytest.mark.parametrize("board", ["raspberrypi5", "gateway-n100"])
def test_a_board_gets_every_level_of_its_kind_of_machine(board, tmp_path):
    export(KWS, tmp_path / "m.so", device=board, levels="all")
    data = (tmp_path / "m.so").read_bytes()
    machine = isa.LEVELS[edgernn.load_device(board).level].machine
    assert isa.split(parse_manifest(data, "m.so").cpu) == isa.of_machine(machine)
    if machine == isa.here()[0]:
        np.testing.assert_allclose(edgernn.open(tmp_path / "m.so").stream().run(XS), Stepper(KWS).run(XS)[0], atol=2e-6)


REFUSED = {
    "a name that is none": ("m.so", None, "all,x86-64-v3", r"there is no level 'all' of this machine"),
    "another machine's": ("m.so", "raspberrypi5", "x86-64", r"no level 'x86-64' of board 'raspberrypi5', a aarch64; "),
    "none": ("m.so", None, (), r"no levels arrived for '.*m.so'; expected 'all', or some of "),
    "of a file without code": ("m.onnx", None, "all", r"levels of processors arrived for '.*m.onnx'; only a \.so"),
    "of a source": ("m.c", None, "all", r"levels of processors arrived for '.*m.c'; only a \.so"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_levels_that_make_no_sense_are_refused(case, tmp_path):
    name, board, asked, message = REFUSED[case]
    with pytest.raises(UsageError, match=message):
        export(KWS, tmp_path / name, device=board, levels=asked)
    assert list(tmp_path.iterdir()) == []


def test_some_levels_in_any_order_are_sorted_and_one_is_a_library_of_its_own(tmp_path):
    export(KWS, tmp_path / "m.so", levels=[LAST, HERE[0]])
    program, expected = edgernn.open(tmp_path / "m.so"), Stepper(KWS, "float32").run(XS)[0]
    assert isa.split(program.manifest.cpu) == tuple({HERE[0]: 0, LAST: 0})
    for level in program.engine.levels:
        program.engine.choose(level)
        np.testing.assert_allclose(program.stream().run(XS), expected, atol=2e-6)
    export(KWS, tmp_path / "m.so", levels=LAST)
    assert edgernn.open(tmp_path / "m.so").backend == f"native {LAST}"
    assert not hasattr(edgernn.open(tmp_path / "m.so").engine.library, "edgernn_choose")


def test_the_command_takes_levels(tmp_path):
    edgernn.save(KWS, tmp_path / "m.rnn")
    out = edge("export", tmp_path / "m.rnn", tmp_path / "m.so", "--levels", f"{HERE[0]},{LAST}")
    assert f"{(tmp_path / 'm.so').stat().st_size:,} bytes" in out
    assert isa.split(parse_manifest((tmp_path / "m.so").read_bytes(), "m").cpu) == tuple({HERE[0]: 0, LAST: 0})
