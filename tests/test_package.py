"""The package: written the same every time, opened as its best artifact, and verified on every runtime that is here."""

import json
import pickle
import re
import subprocess
import sys
from dataclasses import replace
from itertools import repeat

import numpy as np
import pytest
from test_check import MS, on_a_clock

import edgernn
from edge import called, edge
from edgernn.artifact import checksum
from edgernn.artifact.manifest import dumped, graph_manifest
from edgernn.artifact.rnn import dumps, loads
from edgernn.budget.verdict import Budget
from edgernn.device import isa
from edgernn.errors import FileError, UnsupportedError, UsageError
from edgernn.interpreters.numpy import Stepper
from edgernn.latency import check as checks
from edgernn.model.tensor import DYNAMIC, Tensor
from edgernn.model.window import Stage, Window
from edgernn.package import contents, goldens as recordings
from edgernn.package.archive import MANIFEST
from edgernn.package.manifest import Artifact
from edgernn.passes.calibrate import calibrate
from edgernn.passes.quantize import quantize
from edgernn.runtime import packaged
from edgernn.runtime.goldens import replay
from edgernn.runtime.stream import Stream
from edgernn.train.data.fingerprint import Fingerprint, dumps as dumps_fingerprint
from edgernn.verification import verify as verifying
from edgernn.verification.verify import verify
from edgernn_export import Card, PackageOptions, export
from edgernn_export.packaging.compose import compose
from packages import members, package, sealed
from zoo import GRAPHS, frames, keyword_spotter

FORMATS = ("onnx", "so", "tflite")
SUFFIXES = {".onnx": "onnxruntime", ".so": "native", ".tflite": "ai-edge-litert", ".rnn": "numpy"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with `kws.edge`, which has every format."""
    path = tmp_path_factory.mktemp("package")
    (path / "kws.edge").write_bytes(package(*FORMATS))
    return path


@pytest.fixture
def kws(folder):
    return folder / "kws.edge"


def graph_of(data):
    return loads(members(data)["model.rnn"])


def written(path, data):
    path.write_bytes(data)
    return path


def test_two_exports_have_the_same_bytes(kws, tmp_path, real_compiler):
    """The library is compiled again, in another folder."""
    export(graph_of(kws.read_bytes()), tmp_path / "kws.edge", package=PackageOptions(FORMATS))
    data = (tmp_path / "kws.edge").read_bytes()
    assert data == kws.read_bytes()
    assert str(tmp_path).encode() not in data
    library = f"model.{isa.best()}.so"
    assert members(data).keys() == {MANIFEST, "goldens.safetensors", "model.rnn", "model.onnx", "model.tflite", library}


def test_the_manifest_has_the_whole_contract(kws):
    manifest = edgernn.open(kws).package
    graph = graph_of(kws.read_bytes())
    assert manifest.contract == graph_manifest(graph)
    assert (manifest.name, manifest.model_version) == ("kws", "0")
    assert manifest.provenance.tools.keys() > {"edgernn", "numpy", "onnx", "ai-edge-litert"}
    assert all(each.tolerance.keys() == {"y", "gru.h"} for each in manifest.artifacts)
    assert {name: each.size for name, each in manifest.members.items()} == {
        name: len(data) for name, data in members(kws.read_bytes()).items() if name != MANIFEST
    }
    assert (
        contents.read(compose(GRAPHS["LogMel"], "a.edge", PackageOptions()), "a.edge")
        .manifest.features[0]
        .startswith("LogMel(")
    )


@pytest.mark.parametrize("name", [*GRAPHS][::9])
def test_goldens_are_what_the_definition_answers(name):
    """The schedule is read from the goldens again, and stepped in float64."""
    data = compose(GRAPHS[name], "a.edge", PackageOptions())
    read = contents.read(data, "a.edge")
    goldens = recordings.parse(read.bytes_of("goldens.safetensors"), read.manifest.contract, "a.edge")
    stepper = Stepper(GRAPHS[name].astype("float32"), "float64")
    one, states = stepper.run(goldens.frames[: goldens.reset])
    two, saved = stepper.run(goldens.frames[goldens.reset : goldens.snapshot])
    three, _ = stepper.run(goldens.frames[goldens.snapshot : goldens.resume], saved)
    four, last = stepper.run(goldens.frames[goldens.resume :], saved)
    np.testing.assert_allclose(goldens.answers, np.concatenate([one, two, three, four]), rtol=1e-6, atol=1e-6)
    for key, state in saved.items():
        np.testing.assert_allclose(goldens.states[key], state, rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(goldens.last[key], last[key], rtol=1e-6, atol=1e-6)
    assert len(goldens.frames) >= 300
    assert goldens.changed.keys() <= states.keys()
    assert bool(goldens.changed) == bool(states)


@pytest.mark.parametrize("precision", ["fp32", DYNAMIC, "static_wi8_ai8"])
def test_goldens_pass_on_every_runtime(precision, tmp_path):
    graph = keyword_spotter()
    if precision != "fp32":
        graph = quantize(calibrate(graph, [frames(graph, 50)]), precision)
    export(graph, tmp_path / "kws.edge", package=PackageOptions(FORMATS))
    result = verify(tmp_path / "kws.edge")
    assert result.passed, result.findings
    for name in ("goldens", "liveness"):
        passed = [each.subject for each in result.findings if each.name == name and each.passed]
        assert sorted(subject.split(" on ")[1].split()[0] for subject in passed) == sorted(SUFFIXES.values())
    tolerances = {each.file.rpartition(".")[2]: {*each.tolerance.values()} for each in result.manifest.artifacts}
    if precision.startswith("static"):  # the same integers in numpy and compiled code, and nothing else will do
        assert tolerances["rnn"] == tolerances["so"] == {0.0}


ORDERS = {
    "the stated default": ((), ".so"),
    "the order of the package": (("onnx", "so"), ".onnx"),
    "numpy": (("rnn",), ".rnn"),
}


@pytest.mark.parametrize("case", ORDERS)
def test_the_first_artifact_in_the_order_is_opened(case, kws, tmp_path):
    formats, suffix = ORDERS[case]
    held = members(kws.read_bytes())
    files = [next(name for name in held if name.startswith("model") and name.endswith(form)) for form in formats]
    path = written(tmp_path / "kws.edge", sealed(held, lambda stated: stated.update(preferred=files)))
    program = edgernn.open(path)
    assert program.backend.split()[0] == SUFFIXES[suffix]
    assert program.name == str(path)
    alone = next(name for name in held if name.startswith("model") and name.endswith(suffix))
    (tmp_path / f"alone{suffix}").write_bytes(held[alone])
    xs = frames(graph_of(kws.read_bytes()), 20)
    np.testing.assert_array_equal(program.run(xs), edgernn.open(tmp_path / f"alone{suffix}").run(xs))
    again = pickle.loads(pickle.dumps(program))
    assert (again.package, again.manifest) == (program.package, program.manifest)


BLOCKED = {
    "onnxruntime": (("onnxruntime",), "ai-edge-litert"),
    "all that must be installed": (("onnxruntime", "ai_edge_litert", "tflite_runtime"), "numpy"),
}


@pytest.mark.parametrize("case", BLOCKED)
def test_an_artifact_whose_runtime_is_missing_is_passed_over(case, kws, tmp_path):
    blocked, runtime = BLOCKED[case]
    files = ["model.onnx", "model.tflite", "model.rnn"]
    path = written(
        tmp_path / "kws.edge", sealed(members(kws.read_bytes()), lambda stated: stated.update(preferred=files))
    )
    code = "import sys; sys.modules |= dict.fromkeys(sys.argv[2:])\nimport edgernn; print(edgernn.open(sys.argv[1]).backend)"
    printed = subprocess.run([sys.executable, "-c", code, path, *blocked], capture_output=True, text=True, check=True)
    assert printed.stdout.split()[0] == runtime


def test_where_nothing_runs_the_reason_of_each_is_listed(kws, monkeypatch):
    monkeypatch.setattr(packaged, "obstacle", lambda artifact: f"no {artifact.file[-4:]}")
    with pytest.raises(
        UnsupportedError, match=r"no artifact of '.*kws\.edge' runs .*: model\..*\.so: no .*; model\.tflite: no .*"
    ):
        edgernn.open(kws)


OBSTACLES = {
    "another processor": (Artifact("model.so", "fp32", {}, "armv7-neon"), "it needs a machine of kind armv7l"),
    "a later C library": (
        Artifact("model.so", "fp32", {}, isa.best(), "x86_64-linux-gnu.9.99"),
        r"it needs glibc 9\.99; this machine has",
    ),
    "no runtime": (Artifact("model.wasm", "fp32", {}), r"edgernn has no runtime for \.wasm files"),
}


@pytest.mark.parametrize("case", OBSTACLES)
def test_why_an_artifact_cannot_run_is_named(case):
    artifact, reason = OBSTACLES[case]
    assert re.search(reason, packaged.obstacle(artifact))
    assert packaged.obstacle(Artifact("model.so", "fp32", {}, isa.best(), "x86_64-linux-gnu.2.2")) == ""


def damaged(data, suffix):
    """The package with one bias of one artifact moved by a hundredth, and every checksum made anew."""
    held = members(data)
    name = next(each for each in held if each.startswith("model") and each.endswith(suffix))
    bias = graph_of(data).tensors["out.b"].stored
    assert held[name].count(bias.tobytes()) == 1
    moved = held[name].replace(bias.tobytes(), (bias + np.float32([0.01, 0, 0, 0])).tobytes())
    at = moved.find(f'"{checksum.KEY}":"'.encode()) + len(checksum.KEY) + 4
    held[name] = checksum.fill(moved[:at] + checksum.BLANK.encode() + moved[at + 64 :])
    return held, name


@pytest.mark.parametrize("suffix", [".onnx", ".tflite", ".so"])
def test_an_artifact_with_a_changed_weight_fails_its_goldens(suffix, kws, tmp_path):
    held, name = damaged(kws.read_bytes(), suffix)
    path = written(tmp_path / "kws.edge", sealed(held))
    failed = [each for each in verify(path).findings if each.passed is False]
    assert [each.subject.startswith(name) for each in failed] == [True]
    assert "by 0.01" in failed[0].text or "fails its own test" in failed[0].text
    code, printed, _ = called("verify", path)
    assert (code, printed.splitlines()[-1]) == (1, "FAIL")


def test_an_error_of_a_runtime_fails_its_artifact_alone(kws, monkeypatch):
    def broken(program, *_):
        if program.backend.startswith("onnxruntime"):
            raise RuntimeError("no such\noperator")
        return replay(program, *_)

    monkeypatch.setattr(verifying, "replay", broken)
    findings = verify(kws).findings
    assert [(each.subject, each.text) for each in findings if each.passed is False] == [
        ("model.onnx", "no such operator")
    ]
    assert len([each for each in findings if each.name == "liveness" and each.passed]) == 3


def test_a_damaged_artifact_is_an_error_and_no_reason_to_take_another(kws, tmp_path):
    held = members(kws.read_bytes())
    name = f"model.{isa.best()}.so"
    path = written(tmp_path / "kws.edge", sealed({**held, name: held[name][:-1] + b"\0\1"}))
    with pytest.raises(FileError, match="checksum does not match"):
        edgernn.open(path)


def test_an_artifact_of_another_graph_is_refused(kws, tmp_path):
    other = compose(keyword_spotter(), "kws.edge", PackageOptions(("onnx",)))
    held = members(kws.read_bytes()) | {"model.onnx": members(other)["model.onnx"]}
    path = written(tmp_path / "kws.edge", sealed(held, lambda stated: stated.update(preferred=["model.onnx"])))
    with pytest.raises(
        FileError, match=r"'model\.onnx' in '.*' has graph=.*; its package states .*: export the package"
    ):
        edgernn.open(path)


def cut(graph):
    """The graph of a GRU with gates that shut its state out: z = 0, and no weight of the state."""
    gru = graph.layers[0].cell
    c = gru.b.stored.copy()
    c[gru.b.shape[0] // 3 : 2 * gru.b.shape[0] // 3] = -200
    c[: gru.b.shape[0] // 3] = -200
    without = replace(gru, u=Tensor(np.zeros(gru.u.shape, np.float32)), b=Tensor(c))
    return replace(graph, layers=(replace(graph.layers[0], cell=without), *graph.layers[1:]))


def test_a_model_whose_state_was_cut_fails_liveness(kws, tmp_path):
    graph = cut(graph_of(kws.read_bytes()))
    stepper, xs = Stepper(graph), frames(graph, 3)
    before = stepper.step(xs[0], {"gru.h": np.ones(16)})[0]
    np.testing.assert_array_equal(before, stepper.step(xs[0], {"gru.h": np.zeros(16)})[0])
    held = {name: data for name, data in members(kws.read_bytes()).items() if name in {MANIFEST, "goldens.safetensors"}}

    def change(stated):
        stated["contract"] = json.loads(json.dumps(dumped(graph_manifest(graph))))
        stated["artifacts"] = [each for each in stated["artifacts"] if each["file"] == "model.rnn"]

    path = written(tmp_path / "kws.edge", sealed({**held, "model.rnn": dumps(graph)}, change))
    failed = {each.name: each.text for each in verify(path).findings if each.passed is False}
    assert failed.keys() == {"goldens", "liveness"}
    assert failed["liveness"] == "state 'gru.h' changes no answer"
    with pytest.raises(UnsupportedError, match="no carried state of the graph changes its answers"):
        compose(graph, "kws.edge", PackageOptions())


def test_goldens_that_name_no_live_state_fail_liveness(kws, tmp_path):
    held = members(package())
    read = contents.read(package(), "kws.edge")
    goldens = recordings.parse(read.bytes_of("goldens.safetensors"), read.manifest.contract, "kws.edge")
    held["goldens.safetensors"] = recordings.dump(replace(goldens, changed={}))
    result = verify(written(tmp_path / "kws.edge", sealed(held)))
    assert [each.text for each in result.findings if each.passed is False] == [
        "no state is recorded to change an answer"
    ]


def test_a_reset_that_restores_nothing_fails_liveness(tmp_path, monkeypatch):
    """The first reset is that of a new stream; one that follows leaves the state as it is."""
    path, reset, begun = written(tmp_path / "kws.edge", package()), Stream.reset, []

    def once(stream):
        begun.append(stream)
        return reset(stream) if sum(each is stream for each in begun) == 1 else stream

    monkeypatch.setattr(Stream, "reset", once)
    assert {each.name for each in verify(path).findings if each.passed is False} == {"goldens", "liveness"}


GOLDENS = {
    "no arrays": lambda _: {},
    "another order of events": lambda goldens: {"reset": 200},
    "answers of another width": lambda goldens: {"answers": goldens.answers[:, 1:]},
    "fewer answers": lambda goldens: {"answers": goldens.answers[1:]},
    "frames of another width": lambda goldens: {"frames": goldens.frames[:, 1:]},
    "no states": lambda goldens: {"states": {}},
    "a state of another name": lambda goldens: {"changed": {"gru.c": goldens.states["gru.h"]}},
    "a frame that is no number": lambda goldens: {"frames": np.full_like(goldens.frames, np.nan)},
    "answers in float64": lambda goldens: {"answers": goldens.answers.astype(np.float64)},
}


@pytest.mark.parametrize("case", GOLDENS)
def test_goldens_of_another_contract_are_refused(case):
    read = contents.read(package(), "kws.edge")
    contract = read.manifest.contract
    goldens = recordings.parse(read.bytes_of("goldens.safetensors"), contract, "kws.edge")
    data = recordings.dump(replace(goldens, **GOLDENS[case](goldens)))
    with pytest.raises(FileError, match=r"the goldens of 'kws\.edge' cannot be read: .*; export the package again"):
        recordings.parse(data if case != "no arrays" else b"", contract, "kws.edge")


def test_verify_prints_one_screen_and_json(kws, tmp_path):
    printed = edge("verify", kws)
    assert len(printed.splitlines()) <= 24
    assert printed.splitlines()[-1] == "PASS"
    document = json.loads(edge("verify", kws, "--json"))
    assert document["passed"] is True
    assert {each["name"] for each in document["findings"]} == {"hashes", "signature", "contract", "goldens", "liveness"}
    (tmp_path / "cut.edge").write_bytes(kws.read_bytes()[:-1])
    assert "is not a whole package of edgernn" in edge("verify", tmp_path / "cut.edge", code=2)


BUDGETED = {"PASS": (MS, 30.0, 0), "FAIL": (9 * MS, 30.0, 1), "NO VERDICT": (MS, 1.0, 3)}
"""Verdict -> the time of a step, the seconds that are measured, the exit code."""


@pytest.fixture(scope="module")
def budgeted(tmp_path_factory):
    options = PackageOptions(budgets={"bench": Budget(10_000.0, 8_000.0)})
    return written(tmp_path_factory.mktemp("budget") / "kws.edge", compose(keyword_spotter(), "kws.edge", options))


@pytest.mark.parametrize("verdict", BUDGETED)
def test_a_budget_of_the_package_is_checked_on_request(verdict, budgeted, monkeypatch):
    """On a clock that the test sets."""
    took, seconds, code = BUDGETED[verdict]
    monkeypatch.setattr(checks, "run_processes", on_a_clock(repeat(took)))
    actual, printed, _ = called("verify", budgeted, "--budget", "bench", "--seconds", seconds, "--json")
    document = json.loads(printed)
    assert (actual, document["budget"]["verdict"], document["passed"]) == (code, verdict, code == 0)
    assert called("verify", budgeted, "--budget", "bench", "--seconds", seconds)[1].splitlines()[-1] == verdict


@pytest.mark.parametrize(
    ("text", "reason"), [("benhc", "did you mean 'bench'? there are bench"), ("10", "is not a time")]
)
def test_a_budget_that_is_none_is_refused(text, reason, budgeted):
    assert reason in edge("verify", budgeted, "--budget", text, code=2)


CARD = """
name = "spotter"
version = "1.2.0"
description = "Spots words."
weights_licence = "Apache-2.0"
data_licence = "CC0-1.0"
[budgets.raspberrypi4]
period_us = 10000
deadline_us = 5000
"""


def test_the_command_writes_what_the_card_and_the_run_state(tmp_path):
    edgernn.save(keyword_spotter(), tmp_path / "kws.rnn")
    (tmp_path / "card.toml").write_text(CARD)
    (tmp_path / "recipe.toml").write_text("[data]\n")
    data = Fingerprint("file", {"a.csv": "0" * 64}, {"training": ("a.csv 3",)}, {})
    (tmp_path / "data.json").write_bytes(dumps_fingerprint(data))
    path = tmp_path / "kws.edge"
    edge(
        "export",
        tmp_path / "kws.rnn",
        path,
        "--to",
        "onnx",
        "--order",
        "rnn,onnx",
        "--card",
        tmp_path / "card.toml",
        "--trained-in",
        tmp_path,
    )
    manifest = edgernn.open(path).package
    assert (manifest.name, manifest.model_version) == ("spotter", "1.2.0")
    assert manifest.card == Card("Spots words.", "Apache-2.0", "CC0-1.0")
    assert manifest.budgets == {"raspberrypi4": Budget(10000, 5000)}
    assert (manifest.provenance.recipe, manifest.provenance.data) == ("[data]\n", data.checksum)
    assert manifest.preferred == ("model.rnn", "model.onnx")
    printed = edge("info", path)
    for line in ("weights_licence Apache-2.0", "raspberrypi4 (5000 us of 10000 us)", "model.onnx"):
        assert line in printed
    assert json.loads(edge("info", path, "--json"))["artifacts"][0]["file"] == "model.rnn"


@pytest.mark.slow
def test_a_package_for_a_board_has_its_library_and_one_for_this_machine(tmp_path):
    edgernn.save(keyword_spotter(), tmp_path / "kws.rnn")
    path = tmp_path / "kws.edge"
    edge("export", tmp_path / "kws.rnn", path, "--to", "so,tflite", "--board", "raspberrypi4,this")
    artifacts = {each.file: each for each in edgernn.open(path).package.artifacts}
    assert artifacts["model.aarch64.so"].triple.startswith("aarch64-linux-gnu")
    assert members(path.read_bytes())["model.aarch64.so"][18] == 183  # e_machine of AArch64
    assert verify(path).passed


def test_a_model_in_float64_is_packed_in_float32(tmp_path):
    export(keyword_spotter().astype("float64"), tmp_path / "kws.edge")
    assert edgernn.open(tmp_path / "kws.edge").package.contract.precision == "fp32"
    assert verify(tmp_path / "kws.edge").passed


def test_a_package_of_another_version_opens(tmp_path):
    """The graph has the version of edgernn that reads it, and no other field that depends on it."""
    data = sealed(members(package()), lambda stated: stated["contract"].update(version="0.1.9"))
    assert edgernn.open(written(tmp_path / "kws.edge", data)).package.contract.version == "0.1.9"


def test_each_level_of_a_library_is_verified(tmp_path):
    levels = [level for level in isa.of_machine(isa.here()[0]) if not isa.missing(level)]
    data = compose(keyword_spotter(), "kws.edge", PackageOptions(("so",)), levels="all")
    findings = verify(written(tmp_path / "kws.edge", data)).findings
    subjects = [each.subject for each in findings if each.name == "goldens" and each.passed]
    assert [each.split()[-1] for each in subjects if " on native " in each] == levels


WRONG = {
    "no graph": (lambda: compose(None, "a.edge", PackageOptions()), UsageError, "a NoneType arrived; expected a Graph"),
    "a window": (
        lambda: export(Window((Stage(GRAPHS["Gru"], GRAPHS["Gru"]),)), "a.edge"),
        UnsupportedError,
        "a Window cannot be written as 'a.edge'",
    ),
    "a format that is none": (lambda: PackageOptions(("onxx",)), UsageError, "no format 'onxx' .* did you mean 'onnx'"),
    "a format twice": (lambda: PackageOptions(("so", "so")), UsageError, "expected a tuple with each once"),
    "a text for formats": (lambda: PackageOptions("so"), UsageError, "expected a tuple"),
    "an order of what is not in it": (
        lambda: PackageOptions(("so",), preferred=("onnx",)),
        UsageError,
        "no format 'onnx'",
    ),
    "levels without a library": (
        lambda: compose(keyword_spotter(), "a.edge", PackageOptions(), levels="all"),
        UsageError,
        r"a package without a \.so",
    ),
    "a runtime that runs nothing in it": (
        lambda: compose(keyword_spotter(), "a.edge", PackageOptions(), runtime="tflite-runtime"),
        UsageError,
        "no format of the package runs on 'tflite-runtime'",
    ),
    "boards of one level": (
        lambda: compose(keyword_spotter(), "a.edge", PackageOptions(("so",)), ("this", "this")),
        UsageError,
        "two of the boards have the level of",
    ),
    "options for another file": (
        lambda: export(keyword_spotter(), "a.onnx", package=PackageOptions()),
        UsageError,
        r"only a \.edge file holds it",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_packed_is_refused(case):
    call, error, reason = WRONG[case]
    with pytest.raises(error, match=reason):
        call()


CARDS = {
    "an unknown key": ('nmae = "a"', r"line 1: there is no 'nmae' in a card; did you mean 'name'"),
    "a version that is a number": ("version = 1.2", r"line 1: 'version' is 1\.2; expected a text"),
    "a budget without a period": ("[budgets.this]\ndeadline_us = 1", "period_us"),
}


@pytest.mark.parametrize("case", CARDS)
def test_a_card_that_is_wrong_is_refused_with_its_line(case, tmp_path):
    text, reason = CARDS[case]
    (tmp_path / "card.toml").write_text(text)
    edgernn.save(keyword_spotter(), tmp_path / "kws.rnn")
    complaint = edge("export", tmp_path / "kws.rnn", tmp_path / "kws.edge", "--card", tmp_path / "card.toml", code=2)
    assert re.search(reason, complaint)
    assert not (tmp_path / "kws.edge").exists()
    complaint = edge("export", tmp_path / "kws.rnn", tmp_path / "kws.onnx", "--to", "so", code=2)
    assert "--to arrived for" in complaint
    assert "only a .edge package has it" in complaint


def candidate(runtime, step_us, scheme="fp32"):
    return {"plan": "", "scheme": scheme, "runtime": runtime, "step_us": step_us}


TUNED = {"winner": candidate("compiled", 3.0), "candidates": [
    candidate("LiteRT", 1.0, "fp16"), candidate("compiled", 3.0), candidate("LiteRT", 9.0), candidate("ONNX Runtime", 5.0),
]}  # fmt: skip


def test_the_order_is_that_which_tune_measured(tmp_path):
    """Only candidates in the winner's precision count, and only formats of the package."""
    (tmp_path / "tuned.json").write_text(json.dumps(TUNED))
    edgernn.save(keyword_spotter(), tmp_path / "kws.rnn")
    call = (
        "export",
        tmp_path / "kws.rnn",
        tmp_path / "kws.edge",
        "--to",
        "tflite,onnx",
        "--tuned",
        tmp_path / "tuned.json",
    )
    edge(*call)
    assert edgernn.open(tmp_path / "kws.edge").package.preferred == ("model.onnx", "model.tflite")
    assert "both arrived; give one order" in edge(*call, "--order", "onnx", code=2)
    (tmp_path / "tuned.json").write_text("{}")
    assert "is no result of `edgernn tune --json`" in edge(*call, code=2)
