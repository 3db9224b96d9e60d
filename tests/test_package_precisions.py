"""A package of several precisions: each is what it is alone, one stream goes through all, and a lie is refused."""

import json
import pickle
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from test_adaptive import Machine

import edgernn
from edge import called, edge
from edgernn.errors import FileError, UsageError
from edgernn.package import contents, goldens as recordings
from edgernn.package.archive import MANIFEST
from edgernn.package.manifest import GOLDENS, GRAPH
from edgernn.runtime import packaged
from edgernn.runtime.adaptive import AdaptiveStream
from edgernn.runtime.program import of_package
from edgernn.update.candidate import fault
from edgernn.verification.verify import verify
from edgernn_export import PackageOptions, export
from edgernn_export.packaging.compose import compose
from packages import forms, members, package, sealed, several
from zoo import frames, keyword_spotter

FORMATS = ("onnx", "so", "tflite")
SUFFIXES = (".rnn", *(f".{form}" for form in FORMATS))
PRECISIONS = ("fp32", "dynamic_wi8_afp32", "static_wi8_ai8")
BUDGET = edgernn.Budget(10_000.0, percentile=90.0)


@pytest.fixture(scope="module")
def kws(tmp_path_factory):
    """A package with every format in every precision."""
    path = tmp_path_factory.mktemp("precisions") / "kws.edge"
    path.write_bytes(several(*FORMATS))
    return path


def written(path, data):
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_each_precision_is_the_graph_that_was_quantized_by_hand_and_exported_alone(precision, suffix, kws, tmp_path):
    graph = forms()[precision]
    alone = tmp_path / f"model{suffix}"
    edgernn.save(graph, alone) if suffix == ".rnn" else export(graph, alone)
    read = contents.read(kws.read_bytes(), "kws.edge")
    (artifact,) = (
        each for each in read.manifest.artifacts if each.precision == precision and Path(each.file).suffix == suffix
    )
    program, xs = of_package(read, artifact), frames(graph, 60)
    np.testing.assert_array_equal(program.run(xs), edgernn.open(alone).run(xs))
    assert program.data == alone.read_bytes()
    assert program.manifest.precision == precision


@pytest.mark.parametrize("precision", [None, *PRECISIONS])
def test_a_precision_is_opened_by_its_name_and_the_model_in_its_own(precision, kws):
    program = edgernn.open(kws, precision=precision)
    assert program.manifest.precision == (precision or "fp32")
    assert program.package.precisions == PRECISIONS
    assert program.backend.startswith("native")
    assert pickle.loads(pickle.dumps(program)).manifest == program.manifest


def test_the_order_of_a_package_is_that_of_each_precision(kws, tmp_path):
    held, files = members(kws.read_bytes()), ["model.static_wi8_ai8.onnx", "model.rnn"]
    path = written(tmp_path / "kws.edge", sealed(held, lambda stated: stated.update(preferred=files)))
    backends = {name: edgernn.open(path, precision=name).backend.split()[0] for name in PRECISIONS}
    assert backends == dict(zip(PRECISIONS, ("numpy", "native", "onnxruntime"), strict=True))
    listed = [each.precision for each in packaged.ordered(edgernn.open(path).package)]
    assert listed == sorted(listed, key=PRECISIONS.index)


def test_an_order_of_formats_counts_for_every_precision():
    own, *also = forms().values()
    options = PackageOptions(("onnx",), preferred=("rnn", "onnx"), also=tuple(also))
    read = contents.read(compose(own, "kws.edge", options), "kws.edge")
    assert [packaged.best(read, name).file for name in PRECISIONS] == [
        read.manifest.member(GRAPH, name) for name in PRECISIONS
    ]


def test_the_same_graphs_give_the_same_bytes():
    own, *also = forms().values()
    assert compose(own, "kws.edge", PackageOptions(also=tuple(also))) == several()


def loaded(step):
    """Busy, and then so busy that integers alone are in time."""
    return 1.0 if step < 300 or step >= 900 else 2.5 if step < 600 else 6.0


def test_one_stream_goes_down_and_up_through_the_precisions_of_a_package_with_its_state(kws):
    costs = dict(zip(PRECISIONS, (6_000.0, 3_000.0, 1_000.0), strict=True))
    machine = Machine(costs, loaded)
    stream = machine.stream = AdaptiveStream.of(kws, BUDGET, clock=machine)
    programs = {name: edgernn.open(kws, precision=name) for name in PRECISIONS}
    by_hand, course = programs["fp32"].stream(), ["fp32"]
    for x in frames(keyword_spotter(), 1_500):
        precision = stream.program.manifest.precision
        if precision != course[-1]:
            state, before = by_hand.state, course[-1]
            by_hand = programs[precision].stream()
            by_hand.state = state
            course.append(precision)
            assert abs(PRECISIONS.index(precision) - PRECISIONS.index(before)) == 1
        np.testing.assert_array_equal(stream.step(x), by_hand.step(x))
    assert {*course} == {*PRECISIONS}
    assert course[-1] == "fp32"
    assert stream.switches == len(course) - 1


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(PRECISIONS), st.integers(1, 6)), min_size=2, max_size=6))
def test_whatever_the_course_a_state_is_handed_from_one_precision_to_another(kws, course):
    programs = {name: edgernn.open(kws, precision=name) for name in PRECISIONS}
    stream, xs = programs[course[0][0]].stream(), iter(frames(keyword_spotter(), 40))
    for precision, steps in course:
        state = stream.state
        assert stream.swap(programs[precision])
        by_hand = programs[precision].stream()
        by_hand.state = state
        for x, _ in zip(xs, range(steps), strict=False):
            np.testing.assert_array_equal(stream.step(x), by_hand.step(x))


def test_the_goldens_of_each_precision_are_those_that_its_artifacts_answer(kws, tmp_path):
    read = contents.read(kws.read_bytes(), "kws.edge")
    assert verify(kws).passed
    assert {*read.goldens()} == {*PRECISIONS}
    for precision, goldens in read.goldens().items():
        member = read.manifest.member(GOLDENS, precision)
        moved = recordings.dump(replace(goldens, answers=goldens.answers + np.float32(10)))
        path = written(tmp_path / "kws.edge", sealed(members(kws.read_bytes()) | {member: moved}))
        failed = {each.subject.split()[0] for each in verify(path).findings if each.passed is False}
        assert failed == {each.file for each in read.manifest.artifacts if each.precision == precision}


def test_a_store_takes_no_package_with_a_precision_that_does_not_work(kws, tmp_path):
    held = members(kws.read_bytes())
    held["model.static_wi8_ai8.rnn"] = held["model.rnn"]
    assert fault(str(written(tmp_path / "kws.edge", sealed(held))), 0).startswith(
        "model.static_wi8_ai8.rnn fails its contract"
    )
    assert fault(str(kws), 0) == ""


def parts():
    """The members of a package of graphs alone."""
    return members(several())


def artifact(file, **fields):
    def change(stated):
        next(each for each in stated["artifacts"] if each["file"] == file).update(fields)

    return lambda: sealed(parts(), change)


def further(**fields):
    return lambda: sealed(parts(), lambda stated: stated["also"][0].update(fields))


def reordered(stated):
    """A further contract whose inputs are side by side in another order than in the model's own."""
    for contract, names in ((stated["contract"], ("a", "b")), *((each, ("b", "a")) for each in stated["also"])):
        contract["named_inputs"] = dict.fromkeys(names, 5)


def without(name):
    return lambda: sealed({key: data for key, data in parts().items() if key != name})


LIES = {
    "an artifact of a precision that is none": (
        artifact("model.rnn", precision="fp16"),
        r"'model\.rnn' has precision 'fp16'; there are fp32, dynamic_wi8_afp32, static_wi8_ai8",
    ),
    "a graph of another precision": (
        artifact("model.static_wi8_ai8.rnn", precision="fp32"),
        r"'model\.static_wi8_ai8\.rnn' has precision 'fp32'; expected 'static_wi8_ai8'",
    ),
    "an artifact without a precision": (
        lambda: sealed(parts(), lambda stated: stated["artifacts"][0].pop("precision")),
        "precision",
    ),
    "a precision twice": (further(precision="fp32"), "one of its precisions comes twice"),
    "a precision that no member has": (further(precision="fp16"), r"expected model\.rnn, model\.fp16\.rnn"),
    "a precision with a line": (further(precision="fp\n16"), "is no name of a precision"),
    "other frames": (further(inputs=11), "is another model: inputs is 11, and 10 in fp32"),
    "another width of a state": (further(states={"gru.h": 8}), "is another model: states"),
    "another period": (further(period_ms=20.0), "is another model: period_ms"),
    "inputs in another order": (lambda: sealed(parts(), reordered), "is another model: named_inputs"),
    "a contract of a window": (further(window="steps"), "not that of a graph that streams"),
    "no contract": (lambda: sealed(parts(), lambda stated: stated.update(also=[{}])), "not one of a package"),
    "a contract for contracts": (
        lambda: sealed(parts(), lambda stated: stated.update(also={})),
        "'also' is {}; expected a list",
    ),
    "no goldens of a precision": (without("goldens.static_wi8_ai8.safetensors"), r"expected its artifacts and goldens"),
    "no graph of a precision": (without("model.static_wi8_ai8.rnn"), "expected its artifacts"),
}


@pytest.mark.parametrize("case", LIES)
def test_a_manifest_that_lies_about_a_precision_is_refused_before_a_runtime_is_chosen(case):
    make, reason = LIES[case]
    with pytest.raises(FileError, match=reason):
        contents.read(make(), "kws.edge")


SHIFTED = {
    "the graph of another precision": {"model.dynamic_wi8_afp32.rnn": "model.rnn"},
    "two precisions in each other's place": {
        "model.dynamic_wi8_afp32.rnn": "model.static_wi8_ai8.rnn",
        "model.static_wi8_ai8.rnn": "model.dynamic_wi8_afp32.rnn",
    },
}


@pytest.mark.parametrize("case", SHIFTED)
def test_an_artifact_that_is_in_another_precision_than_stated_is_refused(case, tmp_path):
    """Every hash matches: the artifact itself says what it is."""
    places = SHIFTED[case]
    path = written(tmp_path / "kws.edge", sealed(parts() | {name: parts()[other] for name, other in places.items()}))
    with pytest.raises(FileError, match=r"'model\.dynamic_wi8_afp32\.rnn' in '.*' has graph=.*; its package states"):
        edgernn.open(path, precision="dynamic_wi8_afp32")
    assert edgernn.open(path).manifest.precision == "fp32"
    failed = {each.subject for each in verify(path).findings if each.passed is False}
    assert failed == {*places}


def test_a_manifest_that_gives_a_precision_another_name_is_refused(tmp_path):
    held = {name.replace("dynamic_wi8_afp32", "fp16"): data for name, data in parts().items()}
    held[MANIFEST] = held[MANIFEST].replace(b"dynamic_wi8_afp32", b"fp16")
    assert json.loads(held[MANIFEST])["also"][0]["precision"] == "fp16"
    path = written(tmp_path / "kws.edge", sealed(held))
    with pytest.raises(FileError, match="has precision=dynamic_wi8_afp32; its package states fp16"):
        edgernn.open(path, precision="fp16")


def test_the_command_quantizes_by_the_frames_of_calibrate(tmp_path):
    graph = replace(forms()["fp32"], ranges={})
    edgernn.save(graph, tmp_path / "kws.rnn")
    np.save(tmp_path / "frames.npy", frames(graph, 200))
    path = tmp_path / "kws.edge"
    also = ("--also", "dynamic_wi8_afp32,static_wi8_ai8", "--calibrate", tmp_path / "frames.npy")
    edge("export", tmp_path / "kws.rnn", path, *also)
    ranged, xs = edgernn.calibrate(graph, [np.load(tmp_path / "frames.npy")]), frames(graph, 40)
    for precision in PRECISIONS:
        by_hand = graph if precision == "fp32" else edgernn.quantize(ranged, precision)
        edgernn.save(by_hand, tmp_path / "alone.rnn")
        expected = edgernn.open(tmp_path / "alone.rnn")
        np.testing.assert_array_equal(edgernn.open(path, precision=precision).run(xs), expected.run(xs))
    printed = edge("info", path)
    assert re.search(r"^precisions +fp32, dynamic_wi8_afp32, static_wi8_ai8$", printed, re.MULTILINE)
    assert re.search(r"^  model\.static_wi8_ai8\.rnn +static_wi8_ai8 ", printed, re.MULTILINE)
    code, printed, _ = called("verify", path)
    assert (code, printed.splitlines()[0]) == (0, f"{path}: kws 0, {', '.join(PRECISIONS)}")
    assert json.loads(edge("verify", path, "--json"))["precisions"] == [*PRECISIONS]


REFUSED = {
    "a name that is none": (("kws.edge", "--also", "fp61"), "there is no precision 'fp61' for --also; did you mean"),
    "another file": (("kws.onnx", "--also", "fp16"), r"--also arrived for .*; only a \.edge package has it"),
    "integers without ranges": (
        ("kws.edge", "--also", "static_wi8_ai8"),
        r"has no range, .* --calibrate FILE of `edgernn export`",
    ),
    "a precision twice": (
        ("kws.edge", "--precision", "fp16", "--also", "fp16"),
        "two of the graphs are in fp16; a package has each precision once",
    ),
    "frames for nothing": (("kws.edge", "--calibrate", "frames.npy"), "--calibrate needs --precision"),
    "a method for floats": (
        ("kws.edge", "--also", "fp16", "--calibration-method", "mse"),
        "--calibration-method needs a precision of integers",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_the_command_refuses_precisions_that_it_cannot_write(case, tmp_path, monkeypatch):
    (out, *options), reason = REFUSED[case]
    monkeypatch.chdir(tmp_path)
    edgernn.save(replace(forms()["fp32"], ranges={}), "kws.rnn")
    assert re.search(reason, edge("export", "kws.rnn", out, *options, code=2))
    assert not Path(out).exists()


WRONG = {
    "names for graphs": (lambda: PackageOptions(also=("fp16",)), "expected a tuple of graphs"),
    "one graph": (lambda: PackageOptions(also=forms()["fp32"]), "expected a tuple of graphs"),
    "the same precision": (
        lambda: compose(forms()["fp32"], "a.edge", PackageOptions(also=(forms()["fp32"],))),
        "two of the graphs are in fp32",
    ),
    "another model": (
        lambda: compose(forms()["fp32"], "a.edge", PackageOptions(also=(edgernn.quantize(keyword_spotter(hidden=8)),))),
        r"the graph in dynamic_wi8_afp32 is another model: its states is .*8.*16.*; quantize the same graph",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_graphs_that_are_no_precisions_of_one_model_are_refused(case):
    call, reason = WRONG[case]
    with pytest.raises(UsageError, match=reason):
        call()


def test_a_file_without_the_precision_is_refused(kws, tmp_path):
    with pytest.raises(UsageError, match=r"has no precision 'dynamic_wi8_afp23'; did you mean 'dynamic_wi8_afp32'"):
        edgernn.open(kws, precision="dynamic_wi8_afp23")
    edgernn.save(forms()["fp32"], tmp_path / "kws.rnn")
    assert edgernn.open(tmp_path / "kws.rnn", precision="fp32").manifest.precision == "fp32"
    with pytest.raises(UsageError, match=r"kws\.rnn' has no precision 'fp16'; there are fp32"):
        edgernn.open(tmp_path / "kws.rnn", precision="fp16")
    with pytest.raises(UsageError, match=r"expected a \.edge package"):
        AdaptiveStream.of(tmp_path / "kws.rnn", BUDGET)
    with pytest.raises(UsageError, match="has the precision fp32 alone; export it with a cheaper one too"):
        AdaptiveStream.of(written(tmp_path / "one.edge", package()), BUDGET)
