"""Models as components of build systems: their sources run, and the checkers of each format accept their metadata."""

import re
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

import edgernn
from edge import edge
from edgernn.artifact.manifest import graph_manifest
from edgernn.errors import FileError, UsageError
from edgernn.interpreters.integer import IntegerStepper
from edgernn.interpreters.numpy import Stepper
from edgernn.package.manifest import Card
from edgernn_export import PackageOptions, export_project
from edgernn_export.projects import PROJECTS, components
from ways import needs
from zoo import GRAPHS, frames, keyword_spotter

ROOT = Path(__file__).parent.parent
FORMATS = ROOT / "tests/formats"
KINDS = [*components.LAYOUTS]
KWS = keyword_spotter()
MODELS = {
    "kws-fp32": KWS,
    "kws-ai8": edgernn.quantize(edgernn.calibrate(KWS, [frames(KWS, 200)]), "static_wi8_ai8"),
    "symbols": GRAPHS["Embedding"],
}
M4 = ("-mcpu=cortex-m4", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16", "-c")
A7 = (
    "-mcpu=cortex-a7",
    "-mfloat-abi=hard",
    "-mfpu=neon-vfpv4",
    "--specs=rdimon.specs",
)  # qemu runs it without a system
MAIN = "void app_main(void); int main(void) { app_main(); return 0; }"


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A component of each kind, of each model."""
    top = tmp_path_factory.mktemp("components")
    for kind in KINDS:
        (top / kind).mkdir()
        for name, graph in MODELS.items():
            export_project(graph, top / kind / name, kind)
    return top


def answer(graph):
    """What the examples print: the answer to the last of a hundred frames of zeros, as the integers of C."""
    manifest, integers = graph_manifest(graph), bool(graph_manifest(graph).quantization)
    xs = np.zeros((100, graph.inputs), np.int64 if graph.vocabulary_size else np.float32)
    if "x" in manifest.quantization:
        xs += np.float32(manifest.quantization["x"].numbers(np.zeros(1, np.int64))[0])
    ys, _ = (IntegerStepper(graph) if integers else Stepper(graph, "float32")).run(xs)
    return manifest.quantization["y"].integers(ys[-1]) if "y" in manifest.quantization else ys[-1]


def printed(text):
    """The numbers in the last line with some."""
    return [float(each) for each in text.replace(" us", "").strip().splitlines()[-1].split()]


def test_each_template_is_in_a_layout_and_each_layout_is_a_kind():
    used = {source for layout in components.LAYOUTS.values() for source in layout.values()} - {"NAME.c", "NAME.h"}
    top = Path(str(files("edgernn_export.projects"))) / "templates"
    mine = {
        each for each in top.rglob("*") if each.is_file() and each.relative_to(top).parts[0] in {*KINDS, "example.c"}
    }
    assert {str(each.relative_to(top)) for each in mine} == used
    assert {name for name, each in PROJECTS.items() if each.module == components.__name__} == {*KINDS}


def sources(folder, kind):
    """The C of a component, and the C or C++ of its example."""
    example = next(folder.rglob("*.ino"), None) or next(
        each for each in folder.rglob("*.c") if each.stem != folder.name
    )
    return next(folder.rglob(f"{folder.name}.c")), example, next(folder.rglob(f"{folder.name}.h")).parent


@needs("arm-none-eabi-g++", "qemu-arm-static")
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "cmake"])
def test_the_sources_compile_for_arm_without_a_warning_and_the_example_prints_the_answer(kind, written, tmp_path):
    (tmp_path / "entry.c").write_text(MAIN if kind == "esp-idf" else "int unused;")
    for name, graph in MODELS.items():
        model, example, include = sources(written / kind / name, kind)
        language = ("-x", "c++", "-include", FORMATS / "Arduino.h") if kind == "arduino" else ()
        strict = ("-Wall", "-Wextra", "-Werror", "-O2", "-ffp-contract=off", f"-I{include}")

        def compiled(options, *parts, strict=strict):
            call = ["arm-none-eabi-gcc", *options, *strict, *parts]
            done = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr[:2000]

        compiled(M4, "-std=c99", model, "-o", "m4.o")
        compiled((*A7, "-c"), "-std=c99", model, "-o", "model.o")
        compiled((*A7, "-c"), *language, example, "-o", "example.o")
        compiled(A7, "example.o", "model.o", "entry.c", "-o", "program", "-lm")
        run = ["qemu-arm-static", "-cpu", "cortex-a7", tmp_path / "program"]
        done = subprocess.run(run, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout
        numbers = printed(done.stdout)[: graph.outputs]
        np.testing.assert_allclose(numbers, answer(graph), rtol=1e-4, atol=1e-5)


@needs("cmake")
def test_cmake_builds_it_alone_and_inside_another_project(written, tmp_path):
    outer = "cmake_minimum_required(VERSION 3.13)\nproject(app C)\nadd_subdirectory(component)\n"
    outer += "add_executable(app component/example.c)\ntarget_link_libraries(app PRIVATE edgernn::NAME)\n"
    for name, graph in MODELS.items():
        place = tmp_path / name
        shutil.copytree(written / "cmake" / name, place / "component")
        (place / "CMakeLists.txt").write_text(outer.replace("NAME", name))
        for source, program in ((place / "component", f"{name}_example"), (place, "app")):
            build = place / f"build-{program}"
            for call in (["-S", source, "-B", build, "-DCMAKE_C_FLAGS=-Wall -Werror"], ["--build", build]):
                done = subprocess.run(["cmake", *call], capture_output=True, text=True, check=False)
                assert done.returncode == 0, done.stderr + done.stdout
            out = subprocess.run([build / program], capture_output=True, text=True, check=True).stdout
            np.testing.assert_allclose(printed(out), answer(graph), rtol=1e-4, atol=1e-5)
        tested = subprocess.run(
            ["ctest"], cwd=place / f"build-{name}_example", capture_output=True, text=True, check=False
        )
        assert "100% tests passed, 0 tests failed out of 1" in tested.stdout


def test_the_checkers_of_the_formats_accept_all_metadata(written):
    python = ROOT / ".venv-formats/bin/python"
    if not python.exists():
        pytest.skip("there is no environment .venv-formats; `make formats` makes it")
    done = subprocess.run([python, FORMATS / "check.py", written], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    per_model = [
        "Kconfig",
        "idf_component.yml",
        "idf_component.yml",
        "library.json",
        "library.properties",
        "module.yml",
    ]
    assert sorted(done.stdout.split()) == sorted((*per_model, "sample.yaml") * len(MODELS))


CATEGORIES = (
    "Display|Communication|Signal Input/Output|Sensors|Device Control|Timing|Data Storage|Data Processing|Other"
)
ARDUINO = {
    "name": r"(?!Arduino)[A-Za-z0-9][A-Za-z0-9 _.-]{0,62}",
    "version": r"\d+\.\d+\.\d+",
    "author": r".+",
    "maintainer": r"(?!Arduino).+",
    "sentence": r".+",
    "paragraph": r".*",
    "category": CATEGORIES,
    "url": r"https://\S+",
    "architectures": r"\*|[a-z0-9_,]+",
    "includes": r"\S+\.h",
}
"""The fields of library.properties as Arduino's library specification has them."""


def test_a_library_of_arduino_follows_its_specification(written):
    for name in MODELS:
        folder = written / "arduino" / name
        lines = [line.partition("=") for line in (folder / "library.properties").read_text().splitlines()]
        assert [key for key, _, _ in lines] == [*ARDUINO]
        for key, _, value in lines:
            assert re.fullmatch(ARDUINO[key], value), (key, value)
        assert (folder / "src" / f"{name}.h").is_file()
        (sketch,) = (folder / "examples").rglob("*.ino")
        assert sketch.stem == sketch.parent.name
        assert sketch.parent.parent == folder / "examples"


def test_metadata_have_the_version_and_the_words_of_the_card(tmp_path):
    card = Card(description='Spots "yes":\nat 16 kHz $x \\', weights_licence="Apache-2.0")
    options = PackageOptions(model_version="1.2", card=card)
    for kind in KINDS:
        export_project(KWS, tmp_path / kind, kind, package=options)
    properties = (tmp_path / "arduino/library.properties").read_text().splitlines()
    assert "version=1.2.0" in properties
    assert "sentence=Spots yes at 16 kHz x" in properties
    library = (tmp_path / "platformio/library.json").read_text()
    assert '"license": "Apache-2.0"' in library
    assert '"version": "1.2.0"' in library
    with pytest.raises(
        UsageError, match=r"the version of the model is '1\.2-beta'; .* such as 1\.2\.0: change the card"
    ):
        export_project(KWS, tmp_path / "other", "arduino", package=PackageOptions(model_version="1.2-beta"))
    assert not (tmp_path / "other").exists()


REFUSED = {  # name -> arguments, and words of the message
    "kind": (("new", "--as", "ardiuno"), "there is no kind of folder 'ardiuno'; did you mean 'arduino'? there are "),
    "no kind": (("new",), "'new' has no suffix, so it is a folder, and --as is missing; there are arduino, cmake"),
    "file": (("new.c", "--as", "arduino"), "--as arduino arrived for 'new.c', a file; give the name of a folder"),
    "name": (("9new", "--as", "arduino"), "'9new' arrived as the name of a folder, which is that of the model in code"),
    "board": (("new", "--as", "cmake", "--board", "stm32h743"), "'stm32h743' arrived for a folder of kind 'cmake', which"),
    "runtime": (("new", "--as", "cmake", "--runtime", "x"), "--runtime x arrived for the folder 'new', which has none"),
    "levels": (("new", "--as", "cmake", "--levels", "all"), "--levels all arrived for the folder 'new', which has none"),
    "package": (("new", "--as", "cmake", "--to", "so"), "--to arrived for 'new'; only a .edge package has it"),
    "occupied": (("full", "--as", "cmake"), "'full' exists and is no empty folder; nothing is replaced"),
    "file there": (("kws.rnn/", "--as", "cmake"), "'kws.rnn' arrived as the name of a folder, which is that of the model"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_bad_input_is_one_line_and_nothing_is_written(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    edgernn.save(KWS, "kws.rnn")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine").write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    arguments, message = REFUSED[name]
    text = edge("export", "kws.rnn", *arguments, code=2)
    assert message in text
    assert len(text.strip().splitlines()) == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_the_command_writes_a_folder_beside_files_or_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    edgernn.save(KWS, "kws.rnn")
    text = edge("export", "kws.rnn", "model.c", "library/", "--as", "arduino")
    assert sorted(line.split()[0] for line in text.splitlines()) == sorted(
        [
            "model.c",
            "model.h",
            *(f"library/{each.relative_to('library')}" for each in Path("library").rglob("*") if each.is_file()),
        ]
    )
    with pytest.raises(FileError, match="exists and is no empty folder"):
        export_project(KWS, "library", "arduino")
