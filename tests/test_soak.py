"""Long runs: what drifts is named, what is stable passes, and the figures are those of torch in float64."""

import json
import os
import signal
from dataclasses import replace
from itertools import count
from mmap import mmap

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st
from scipy import stats

import edgernn
from edge import called, edge
from edgernn.cells import Rnn
from edgernn.errors import FrameError, SignatureError, UnsupportedError, UsageError
from edgernn.interpreters.bound.exact import exact_step
from edgernn.interpreters.numpy import Stepper
from edgernn.model.graph import Graph
from edgernn.model.layer import Layer
from edgernn.model.tensor import Tensor
from edgernn.model.window import Stage, Window
from edgernn.package.minisign import public_text
from edgernn.package.trust import VARIABLE
from edgernn.pages.soak import page
from edgernn.runtime.health import Health
from edgernn.runtime.stream import Stream
from edgernn.verification import soak as soaks
from edgernn.verification.course import Part, Statistics, joined, statistics
from edgernn.verification.drift import MOST_ERROR, MOST_KIB, ROUNDING, growths, reasons
from edgernn.verification.soak import DRIFTS, LEAST, PARTS, STABLE, STOPPED, Soak, SoakOptions, soak
from edgernn.verification.summary import as_json, text
from edgernn_export import PackageOptions, export, from_torch
from page import Page
from trusted import OURS
from zoo import GRAPHS, frames, keyword_spotter

KWS = keyword_spotter()


def turning(shrink=1.0):
    """A point that a step turns around (2, 2), nearer by a factor; its numbers stay above 0, so relu changes none."""
    turn = shrink * np.array([[np.cos(0.1), -np.sin(0.1)], [np.sin(0.1), np.cos(0.1)]])
    weights = (np.zeros((2, 1)), turn, (np.eye(2) - turn) @ [2.0, 2.0])
    cell = Rnn(*(Tensor(each.astype(np.float32)) for each in weights), "relu")
    start = {"turn.h": Tensor(np.array([2.5, 1.5], np.float32))}
    return Graph((Layer("turn", cell),), 1, initial_state=start)


ADDING = Graph((Layer("sum", Rnn(Tensor(np.float32([[0.1]])), Tensor(np.float32([[1]])), None, "relu")),), 1)
"""It adds a tenth of each frame to its state."""


def saved(graph, folder):
    edgernn.save(graph, folder / "m.rnn")
    return str(folder / "m.rnn")


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    path = tmp_path_factory.mktemp("soak") / "kws.edge"
    export(KWS, path, package=PackageOptions(to=("onnx",)))
    return path


def test_a_state_whose_rounding_adds_up_is_told_and_one_that_forgets_is_stable(tmp_path):
    turns, settles = (soak(SoakOptions(saved(graph, tmp_path), LEAST)) for graph in (turning(), turning(0.999)))
    (output, state) = turns.reasons
    assert output.startswith("the error of the output grows")
    assert state.startswith("the error of state 'turn.h' grows")
    assert turns.growths["turn.h"].range == pytest.approx(1, abs=0.01)
    assert (turns.verdict, settles.verdict, settles.reasons) == (DRIFTS, STABLE, ())
    assert settles.growths["turn.h"].first.rms > 0


def test_a_state_that_grows_in_the_model_too_is_named_so(tmp_path):
    np.save(tmp_path / "ones.npy", np.ones((7, 1), np.float32))
    result = soak(SoakOptions(saved(ADDING, tmp_path), LEAST, frames=str(tmp_path / "ones.npy")))
    assert result.verdict == DRIFTS
    growth, tenth = result.growths["sum.h"], np.full(LEAST, np.float32(0.1))
    exact, rounded = np.cumsum(tenth, dtype=np.float64), np.cumsum(tenth, dtype=np.float32)
    assert result.reasons[-1] == (
        f"state 'sum.h' grows: 0.1 to 100 in the first tenth, 0.1 to {rounded[-1]:.4g} in all; so does the reference: "
        "it is the model"
    )
    assert growth.range == pytest.approx(rounded[-1] / rounded[LEAST // 10 - 1])
    assert growth.whole.rms == pytest.approx(np.sqrt(np.mean((rounded - exact) ** 2)), rel=1e-9)


def test_a_state_that_the_guard_resets_is_told(tmp_path):
    doubling = Graph((Layer("sum", replace(ADDING.layers[0].cell, u=Tensor(np.float32([[2]])))),), 1)
    result = soak(SoakOptions(saved(doubling, tmp_path), LEAST))
    resets = sum(part.health.resets for part in result.parts)
    assert resets >= LEAST // 200
    assert f"{resets:,} times" in " ".join(result.reasons)
    assert result.tenths[-1].health.looks == result.tenths[0].health.looks == LEAST // 10 // 100
    assert result.verdict == DRIFTS


class Recurrent(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.gru, self.out = torch.nn.GRU(3, 8, batch_first=True), torch.nn.Linear(8, 2)

    def forward(self, x):
        h = self.gru(x)[0]
        return self.out(h)


def test_the_errors_are_those_against_torch_in_float64(tmp_path):
    module, xs = Recurrent().eval(), np.random.default_rng(1).standard_normal((LEAST, 3)).astype(np.float32)
    graph = from_torch(module, torch.zeros(1, 10, 3))
    export(graph, tmp_path / "m.so")
    np.save(tmp_path / "x.npy", xs)
    reference = saved(graph, tmp_path)
    result = soak(SoakOptions(str(tmp_path / "m.so"), LEAST, str(tmp_path / "x.npy"), reference=reference))
    with torch.no_grad():
        exact = module.double()(torch.from_numpy(xs[None]).double())[0].numpy()
    error = np.abs(edgernn.open(tmp_path / "m.so").run(xs) - exact)
    y, tenth = result.growths["y"], LEAST // 10
    assert (y.whole.reference_low, y.whole.reference_high) == pytest.approx((exact.min(), exact.max()), rel=1e-12)
    assert y.whole.largest == pytest.approx(error.max(), rel=1e-6)
    for part, actual in ((error[:tenth], y.first.rms), (error[-tenth:], y.last.rms), (error, y.whole.rms)):
        assert actual == pytest.approx(np.sqrt(np.mean(part**2)), rel=1e-6)
    assert result.verdict == STABLE


@pytest.mark.parametrize("name", sorted(GRAPHS)[::6])
def test_the_reference_is_the_definition_in_float64(name):
    graph, expected = GRAPHS[name], Stepper(GRAPHS[name])
    step, states = exact_step(graph), expected.initial_state()
    for frame in frames(graph, 8):
        y, states = expected.step(frame, states)
        step.x[...] = frame
        step.step()
        np.testing.assert_allclose(step.y, y, rtol=1e-9, atol=1e-12)
        for actual, state in zip(step.states, states.values(), strict=True):
            np.testing.assert_allclose(actual, state, rtol=1e-9, atol=1e-12)


@given(st.data())
def test_the_statistics_of_parts_are_those_of_the_whole(data):
    finite = st.floats(-10, 10, width=32)
    number = data.draw(st.sampled_from([finite, finite | st.sampled_from([np.inf, -np.inf, np.nan])]))
    lengths = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    rows = data.draw(st.lists(st.tuples(number, number), min_size=sum(lengths), max_size=sum(lengths)))
    actual, expected = np.array(rows, np.float32).T[..., None]
    ends = np.cumsum(lengths)[:-1]
    parts = [
        Part(len(a), {"y": statistics(a, e.astype(np.float64))}, 1, 1)
        for a, e in zip(np.split(actual, ends), np.split(expected, ends), strict=True)
    ]
    whole = joined(parts).values["y"]
    errors = [
        0.0 if a == e or (a != a and e != e) else abs(a - e) if np.isfinite(a - e) else np.inf  # noqa: PLR0124
        for a, e in ((float(a), float(e)) for a, e in rows)
    ]
    assert joined(parts).steps == len(rows)
    assert whole.largest == max(errors)
    assert whole.rms == pytest.approx(np.sqrt(sum(each**2 for each in errors) / len(errors)), rel=1e-12)
    ends = (whole.low, whole.high, whole.reference_low, whole.reference_high)
    np.testing.assert_array_equal(ends, [f(each) for each in (actual, expected) for f in (np.min, np.max)])


CALM = Statistics(1e-3, 5e-3, -1, 1, -1, 1)
FINE = Part(100, {"y": CALM, "gru.h": CALM}, 50_000, 6)
LATER = {
    "": (FINE, CALM),
    "below the limits": (FINE, replace(CALM, rms=1.19e-3, low=-1.9, high=1.09)),
    "the error of state 'gru.h' grows: 0.001 RMS in the first tenth, 0.00121 in the last, 1.21": (
        FINE,
        replace(CALM, rms=1.21e-3),
    ),
    "state 'gru.h' is infinite, or not a number": (FINE, replace(CALM, rms=np.inf, largest=np.inf)),
    "-1 to 1 in the first tenth, -2.1 to 1 in all; the reference does not: it is the artifact": (
        FINE,
        replace(CALM, low=-2.1),
    ),
    "-2.1 to 1 in all; so does the reference: it is the model": (FINE, replace(CALM, low=-2.1, reference_low=-2.1)),
    "state 'gru.h' grows: -1 to 1 in the first tenth, -1 to nan in all": (FINE, replace(CALM, high=np.nan)),
    "memory grows: 1,025 KiB more": (replace(FINE, resident_kib=50_000 + MOST_KIB + 1), CALM),
    "the state guard found a value that no state may have, and reset the states: 30 times": (
        replace(FINE, health=Health(looks=9, resets=3)),
        CALM,
    ),
    "descriptors stay open: 7, and 6": (replace(FINE, descriptors=7), CALM),
}
"""What is told of a later tenth, and that tenth with its state."""


@pytest.mark.parametrize("reason", LATER)
def test_what_drifts_is_told_in_words(reason):
    part, state = LATER[reason]
    later = replace(part, values={"y": CALM, "gru.h": state})
    texts = reasons([(each,) * 10 for each in (FINE, FINE, later)])
    assert [reason in each for each in texts] == [True] * (reason not in {"", "below the limits"}), texts


def of_errors(*tenths):
    """Tenths whose parts have these root mean squares in the output."""
    return [[replace(FINE, values={"y": replace(CALM, rms=rms)}) for rms in each] for each in tenths]


def test_an_error_of_rounding_does_not_grow():
    tenths = of_errors([ROUNDING / 100] * 10, [0.99 * ROUNDING] * 10)
    assert reasons(tenths) == ()
    assert growths(tenths)["y"].error == 1
    assert len(reasons(of_errors([ROUNDING / 100] * 10, [1.21 * ROUNDING] * 10))) == 1


def test_chance_is_no_growth_and_hides_none():
    """An integer that falls the other way is rare, and moves the error of a part a thousandfold, as in dynamic int8."""
    random = np.random.default_rng(0)
    rare = [of_errors(*np.where(random.random((2, 10)) < 0.1, 1e-3, 1e-6)) for _ in range(300)]
    calm = [of_errors(*1e-3 * np.exp(random.normal(0, 0.02, (2, 10)))) for _ in range(300)]
    grown = [of_errors(*np.exp(random.normal(0, 0.1, (2, 10))) * [[1e-3], [2e-3]]) for _ in range(300)]
    shares = [np.mean([len(reasons(tenths)) for tenths in runs]) for runs in (rare, calm, grown)]
    assert max(growths(tenths)["y"].error for tenths in rare) > 100
    assert shares[0] < 0.01
    assert shares[1] == 0
    assert shares[2] > 0.99


@pytest.mark.parametrize("parts", [1, 2, 10])
def test_errors_that_scatter_are_beyond_chance_as_scipy_has_it(parts):
    before, after = np.random.default_rng(parts).uniform(1, 3, (2, parts))
    expected = 0.0
    if parts > 1:
        expected = stats.ttest_ind(after**2, MOST_ERROR**2 * before**2, equal_var=False).statistic
    assert growths(of_errors(before, after))["y"].beyond == pytest.approx(expected)


def test_a_step_that_keeps_memory_or_descriptors_is_told(tmp_path, monkeypatch):
    held, descriptors, steps = [], [], count()
    step, model = Stream.step, saved(turning(0.9), tmp_path)

    def leaking(stream, frame):
        if next(steps) % 1000 == 0:
            held.append(mmap(-1, 2**20))  # not of the heap, which may have room
            held[-1].write(b"1" * 2**20)
            descriptors.append(os.open("/dev/null", os.O_RDONLY))
        return step(stream, frame)

    monkeypatch.setattr(Stream, "step", leaking)
    memory, open_ones = soak(SoakOptions(model, LEAST)).reasons
    assert memory.startswith("memory grows: ")
    assert open_ones.startswith("descriptors stay open: ")
    for each in descriptors:
        os.close(each)


def test_the_frames_are_new_at_every_step_and_the_same_for_a_seed(tmp_path, monkeypatch):
    seen, step, model = [], Stream.step, saved(KWS, tmp_path)
    monkeypatch.setattr(Stream, "step", lambda stream, frame: (seen.append(frame.tobytes()), step(stream, frame))[1])
    one, again = (as_json(soak(SoakOptions(model, LEAST, seed=2))) for _ in range(2))
    assert len({*seen[:LEAST]}) == LEAST
    assert seen[:LEAST] == seen[LEAST:]
    assert [each["values"] for each in one["tenths"]] == [each["values"] for each in again["tenths"]]


def test_the_command_prints_a_verdict_and_writes_a_page(package, tmp_path):
    html = tmp_path / "new.html"
    printed = edge("soak", package, "--steps", "1e4", "--backend", "onnxruntime", "--html", html)
    assert printed.startswith("kws.edge on onnxruntime ")
    assert "\nSTABLE: " in printed
    shown = Page(html.read_text())
    assert shown.stands_alone()
    assert [len(table) for table in shown.tables[:2]] == [3, 11]  # a head, and y and gru.h; a head, and ten tenths
    assert len(shown.drawn) == 3
    assert {"y", "gru.h"} <= {*shown.drawn[0]}
    document = json.loads(edge("soak", package, "--steps", LEAST, "--json"))
    assert document["verdict"] == STABLE
    assert document["backend"].startswith("onnxruntime ")  # before numpy in the order of a package
    assert sum(each["steps"] for each in document["tenths"]) == document["steps_done"] == LEAST
    assert document["values"].keys() == {"y", "gru.h"}


def test_a_run_that_drifts_has_its_exit_code_and_its_page(tmp_path):
    arguments = ("soak", saved(turning(), tmp_path), "--steps", LEAST, "--json", "--html", tmp_path / "new.html")
    code, printed, _ = called(*arguments)
    assert (code, json.loads(printed)["verdict"]) == (1, DRIFTS)
    assert "the error of state 'turn.h' grows" in Page((tmp_path / "new.html").read_text()).text


def test_numbers_that_are_not_finite_are_null_and_drawn_as_gaps(tmp_path):
    parts = (replace(FINE, values={"y": CALM, "turn.h": CALM}),) * PARTS
    result = Soak(SoakOptions("m.rnn"), "numpy 2.0", "0" * 64, "fp32", parts)
    broken = Statistics(np.inf, np.inf, np.nan, np.inf, -1, 1)
    last = replace(result.parts[-1], values=dict.fromkeys(result.parts[-1].values, broken))
    result = replace(result, parts=(*result.parts[:-1], last))
    assert Page(page(result)).text.startswith("DRIFTS")
    assert json.loads(json.dumps(as_json(result), allow_nan=False))["values"]["y"]["error"] is None


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_shows_what_was_measured_until_then(name, tmp_path, monkeypatch):
    number, ran = getattr(signal, name), []

    def run(pair, steps, run=soaks.Pair.run):
        ran.append(steps)
        if len(ran) == 25:
            os.kill(os.getpid(), number)
        return run(pair, steps)

    monkeypatch.setattr(soaks.Pair, "run", run)
    html = tmp_path / "new.html"
    code, printed, complaint = called("soak", saved(KWS, tmp_path), "--steps", "1e5", "--html", html)
    assert (code, len(ran), html.exists()) == (128 + number, 25, False)
    assert complaint.splitlines()[-1] == "interrupted"
    assert "24,000 of 100,000 steps" in printed
    assert f"\n{STOPPED}" in printed
    assert printed.splitlines()[-1].split()[:2] == ["3", "4,000"]


def test_a_run_without_states_has_no_ranges(tmp_path):
    result = soak(SoakOptions(saved(GRAPHS["Dense"], tmp_path), LEAST))
    assert result.verdict == STABLE
    assert len(result.parts) == PARTS
    assert len(Page(page(result)).drawn) == 2
    assert text(result)


REFUSED = {
    "steps=9,999 arrived": (UsageError, {"steps": 9999}),
    "seed=-1 arrived": (UsageError, {"seed": -1}),
    "was not exported from the reference": (UsageError, {"reference": "other.rnn"}),
    "runs on numpy .*, not on native": (UsageError, {"backend": "native"}),
    "there is no runtime 'numpi'": (UsageError, {"backend": "numpi"}),
    "'bad.npy', frame 1: .* is nan": (FrameError, {"frames": "bad.npy"}),
    "does not hold its graph; give .* --reference": (UsageError, {"artifact": "m.onnx"}),
    "whole windows": (UnsupportedError, {"artifact": "w.onnx"}),
    "holds nothing for native; its artifacts are": (UsageError, {"artifact": "m.edge", "backend": "native"}),
}
"""A message -> its error, and the options that bring it about."""


@pytest.fixture(scope="module")
def files(package, tmp_path_factory):
    folder = tmp_path_factory.mktemp("refused")
    edgernn.save(KWS, folder / "m.rnn")
    edgernn.save(keyword_spotter(), folder / "other.rnn")
    export(KWS, folder / "m.onnx")
    export(Window((Stage(GRAPHS["Gru"], GRAPHS["Gru"]),)), folder / "w.onnx")
    (folder / "m.edge").write_bytes(package.read_bytes())
    np.save(folder / "bad.npy", np.array([[0.0] * 10, [np.nan] * 10], np.float32))
    return folder


@pytest.mark.parametrize("message", REFUSED)
def test_what_cannot_be_run_is_refused(message, files, monkeypatch):
    monkeypatch.chdir(files)
    error, options = REFUSED[message]
    with pytest.raises(error, match=message):
        soak(SoakOptions(**{"artifact": "m.rnn", **options}))


def test_a_package_must_be_signed_where_a_key_is_demanded(files, monkeypatch):
    monkeypatch.setenv(VARIABLE, public_text(OURS.public_key))
    with pytest.raises(SignatureError, match="sign"):
        soak(SoakOptions(str(files / "m.edge")))


@pytest.mark.parametrize("steps", ["0", "-1e6", "1e3", "10000.5", "many", "nan", "inf", ""])
def test_a_number_of_steps_that_is_none_is_refused(steps, files):
    message = "expected a whole number of at least 10,000, such as 1e6"
    assert message in edge("soak", files / "m.rnn", "--steps", steps, code=2)
