"""Tuning: the winner is on the Pareto front, candidates are evaluated on their runtime, and tunings can be resumed."""

import json
from dataclasses import replace
from itertools import count
from math import inf, nan

import numpy as np
import pytest
from hypothesis import given, strategies as st

import edgernn
from edge import edge
from edgernn.artifact.rnn import dumps, load
from edgernn.cells import Dense
from edgernn.commands.tune import _text
from edgernn.device import board
from edgernn.device.runtimes import RUNTIMES, named
from edgernn.errors import FileError, FrameError, MissingExtraError, UsageError
from edgernn.latency import estimate
from edgernn.latency.steps import BLOCK, ROUNDS, STEPS_PER_ROUND
from edgernn.model.graph import Graph
from edgernn.model.tensor import DYNAMIC, FOUR_BITS, SCHEMES, Tensor
from edgernn.passes.calibrate import calibrate
from edgernn.passes.quantize import quantize
from edgernn.train import recipe as recipes
from edgernn.train.compare.race import raced
from edgernn.train.data.reader import read_data
from edgernn.train.evaluate.drop import metric_drop
from edgernn.train.evaluate.metrics import answers as as_judged, evaluate as evaluated
from edgernn.train.loop.task import Task
from edgernn.train.loop.trainer import Accelerator
from edgernn.tune import cache as keeping, candidates as making, tuning
from edgernn.tune.by_recipe import by_recipe
from edgernn.tune.candidates import LeftOut, count_candidates
from edgernn.tune.choice import PREFERENCES, TIE, Candidate, choose_winner, pareto_front
from edgernn.tune.evaluate import by_frames
from edgernn.tune.tuning import files, is_here, tune
from edgernn_export.translate import export, render
from motors import trained
from zoo import frames, keyword_spotter, one, t

_random = np.random.default_rng(0)  # of its own: with other weights four bits may lose nothing
KWS = keyword_spotter(8, 6)
KWS = KWS.with_tensors(
    {name: Tensor(_random.standard_normal(each.shape) / np.sqrt(each.shape[-1])) for name, each in KWS.tensors.items()}
).astype("float32")
FRAMES = frames(KWS, 200)
HERE = replace(board.load("raspberrypi4"), name="this")
BOARD = board.load("raspberrypi4")
NUMBERS = st.integers(1, 4)

candidates = st.lists(
    st.builds(Candidate, st.just(""), st.just("fp32"), st.just("compiled"), st.just(1.0), NUMBERS, NUMBERS, NUMBERS),
    min_size=1,
    max_size=8,
)


def clock():
    """A step takes a microsecond."""
    return count(0, 1000).__next__


def beaten(one: Candidate, by: Candidate) -> bool:
    no_worse = by.bytes <= one.bytes and by.step_us <= one.step_us and by.drop <= one.drop
    return no_worse and (by.bytes < one.bytes or by.step_us < one.step_us or by.drop < one.drop)


@given(candidates)
def test_nobody_beats_the_front_and_the_front_beats_all_others(those):
    best = pareto_front(those)
    assert best
    for each in those:
        assert (each in best) == (not any(beaten(each, by) for by in those))
        assert each in best or any(beaten(each, by) for by in best)


@given(candidates, st.sampled_from(PREFERENCES))
def test_the_winner_is_on_the_front_and_has_what_is_preferred(those, prefer):
    best = choose_winner(those, prefer)
    assert best in pareto_front(those)
    if prefer == "bytes":
        assert best.bytes == min(each.bytes for each in those)
    else:
        near = [each for each in those if each.step_us <= min(other.step_us for other in those) * (1 + TIE)]
        assert best in near
        assert best.bytes == min(each.bytes for each in near)


def test_what_no_clock_can_tell_apart_is_told_apart_by_bytes():
    fast, small, slow = (
        Candidate("", "fp32", "compiled", 1.0, 0.0, size, us) for size, us in ((90, 1.0), (50, 1.019), (10, 1.03))
    )
    assert choose_winner([fast, small, slow]) == small
    better = replace(small, drop=-1.0, step_us=1.0195)
    assert choose_winner([fast, small, better]) == better
    assert choose_winner([fast, small, slow], "bytes") == slow


LOST = {
    ("maximize", 0.98, 0.97): 1.0,
    ("maximize", 0.5, 0.6): -10.0,
    ("minimize", 2.0, 2.1): 5.0,
    ("minimize", 2.0, 1.0): -50.0,
    ("minimize", 0.0, 0.0): 0.0,
    ("minimize", 0.0, 0.1): inf,
}


@pytest.mark.parametrize("case", LOST)
def test_points_are_hundredths(case):
    better, before, after = case
    assert metric_drop(before, after, better) == pytest.approx(LOST[case])


@pytest.fixture(scope="module")
def tuned_once(tmp_path_factory):
    """A tuning of a small model in three precisions on every runtime: (result, folder, evaluator)."""
    folder, evaluator = tmp_path_factory.mktemp("tune"), by_frames(KWS, FRAMES, "frames")
    result = tune(KWS, evaluator, folder, bound=100, board=HERE, schemes=("fp32", DYNAMIC, FOUR_BITS), clock=clock())
    return result, folder, evaluator


def test_a_candidate_is_judged_as_it_will_run(tuned_once, tmp_path):
    actual, folder, _ = tuned_once
    assert {(each.scheme, each.runtime) for each in actual.candidates} == {
        (scheme, runtime) for scheme in ("fp32", DYNAMIC, FOUR_BITS) for runtime in raced()
    }
    assert not actual.left_out
    expected = edgernn.open(_exported(KWS, tmp_path / "whole.onnx")).stream().run(FRAMES[100:]).argmax(-1)
    for each in actual.candidates:
        graph = KWS if each.scheme == "fp32" else quantize(KWS, each.scheme)
        path = _exported(graph, tmp_path / f"m{raced()[each.runtime].suffix}")
        same = edgernn.open(path).stream().run(FRAMES[100:]).argmax(-1) == expected
        assert each.metric == pytest.approx(same.mean())
        assert each.drop == pytest.approx(100 - 100 * same.mean())
        assert each.bytes == path.stat().st_size
        assert each.step_us == 1.0
    assert any(each.drop > 0 for each in actual.candidates)  # otherwise the test above is vacuous
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_ranges_are_learnt_from_what_judges_whatever_the_model_brings(tmp_path):
    arguments = calibrate(KWS, [10 * FRAMES])
    evaluator, schemes = by_frames(arguments, FRAMES, "frames"), ("static_wi8_ai8",)
    result = tune(arguments, evaluator, tmp_path, bound=100, board=HERE, schemes=schemes, clock=clock())
    learnt = calibrate(KWS, [FRAMES[:100]])
    assert arguments.ranges != learnt.ranges
    assert result.model == quantize(learnt, *schemes)


def test_what_is_judged_is_the_answer_of_the_runtime_to_the_last_bit(tuned_once, tmp_path):
    _, folder, evaluator = tuned_once
    last = replace(evaluator, score=lambda answer: float(answer(FRAMES)[-1, 0]), key="the last answer")
    result = tune(KWS, last, folder, bound=inf, board=HERE, schemes=(DYNAMIC,), clock=clock())
    options = {each.runtime: each.metric for each in result.candidates}
    assert options["compiled"] != options["LiteRT"]  # it rounds in its own way
    for title, runtime in raced().items():
        path = _exported(quantize(KWS), tmp_path / f"m{runtime.suffix}")
        assert options[title] == edgernn.open(path).stream().run(FRAMES)[-1, 0]


def _exported(graph, path):
    export(graph, path)
    return path


def test_the_winner_is_what_is_written(tuned_once, tmp_path):
    result, *_ = tuned_once
    built = files(result, str(tmp_path / "best"))
    suffix = raced()[result.best.runtime].suffix
    assert (
        result.best.bytes
        == min(each.bytes for each in result.candidates)
        == len(built[str(tmp_path / f"best{suffix}")])
    )
    assert built[str(tmp_path / "best.rnn")] == dumps(result.model)
    assert result.model == (KWS if result.best.scheme == "fp32" else quantize(KWS, result.best.scheme))


def test_what_is_beyond_the_bound_is_left_out_and_never_timed(tuned_once):
    whole, folder, evaluator = tuned_once
    bound = sorted(each.drop for each in whole.candidates)[4]
    ticks = count()
    result = tune(
        KWS, evaluator, folder, bound=bound, board=HERE, schemes=("fp32", DYNAMIC, FOUR_BITS), clock=lambda: next(ticks)
    )
    assert set(map(_what, result.candidates)) == {_what(each) for each in whole.candidates if each.drop <= bound}
    assert set(map(_what, result.left_out)) == {_what(each) for each in whole.candidates if each.drop > bound}
    assert {each.why for each in result.left_out} == {"beyond the bound"}
    assert next(ticks) == 2 * ROUNDS * (BLOCK + STEPS_PER_ROUND) * len(result.candidates)


def _what(each: Candidate | LeftOut) -> tuple[str, str, str]:
    return each.plan, each.scheme, each.runtime


def test_nobody_within_the_bound_is_an_error_that_says_who_came_how_near(tuned_once):
    _, folder, evaluator = tuned_once
    with pytest.raises(
        UsageError, match=rf"drop of at most 0 points; allow a larger drop.*{FOUR_BITS} compiled: equal answers 0\."
    ):
        tune(KWS, evaluator, folder, bound=0, board=HERE, schemes=(FOUR_BITS,), clock=clock())


def test_what_cannot_be_is_told_with_its_reason(tuned_once, tmp_path, monkeypatch):
    _, _, evaluator = tuned_once
    large = KWS.with_tensors(
        {"out.b": Tensor(KWS.tensors["out.b"].stored), "out.w": Tensor(np.full((4, 8), 1e5, "f4"))}
    )

    def absent(graph, name):
        if name.endswith(".tflite"):
            raise MissingExtraError("ai-edge-litert", "litert", "running .tflite")
        return render(graph, name)

    monkeypatch.setattr(keeping, "render", absent)
    monkeypatch.setattr(
        making, "raced", lambda: {each.title: each for each in map(named, ("onnxruntime", "ai-edge-litert"))}
    )
    heard = []
    result = tune(
        large,
        evaluator,
        tmp_path,
        bound=100,
        board=HERE,
        schemes=("fp32", "fp16"),
        clock=clock(),
        on_progress=heard.append,
    )
    assert [_what(each) for each in result.candidates] == [("", "fp32", "ONNX Runtime")]
    reasons = {_what(each): (each.why, each.note) for each in result.left_out}
    assert reasons["", "fp32", "LiteRT"][0] == "runtime missing"
    assert "pip install 'edgernn[litert]'" in reasons["", "fp32", "LiteRT"][1]
    assert reasons["", "fp16", ""][0] == "cannot be expressed"
    assert "layer 'out': a weight of 100000 arrived, and float16 ends at 65504" in reasons["", "fp16", ""][1]
    assert sum(heard) == count_candidates([()], ("fp32", "fp16"))


@pytest.mark.parametrize("after", [1, 3])
def test_an_interrupted_tuning_goes_on_to_the_same_end(after, tmp_path, monkeypatch):
    monkeypatch.setattr(making, "raced", lambda: {"LiteRT": RUNTIMES["ai-edge-litert"]})
    collected = []
    plain = by_frames(KWS, FRAMES, "frames")
    evaluator = replace(plain, score=lambda answer: collected.append(0) or plain.score(answer))
    options = {"bound": 100.0, "board": HERE, "schemes": ("fp32", "fp16", "weight_only_wi8_afp32", DYNAMIC)}
    whole = tune(KWS, evaluator, tmp_path / "whole", **options, clock=clock())
    assert len(collected) == 4
    collected.clear()

    def interrupted(_):
        if len(collected) == after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune(KWS, evaluator, tmp_path / "broken", **options, clock=clock(), on_progress=interrupted)
    again = tune(KWS, evaluator, tmp_path / "broken", **options, clock=clock())
    assert len(collected) == 4  # each was evaluated once
    assert (again.candidates, again.front, again.best) == (whole.candidates, whole.front, whole.best)
    names = [sorted(path.name for path in (tmp_path / each).iterdir()) for each in ("whole", "broken")]
    assert names[0] == names[1]
    other = KWS.with_tensors({"out.b": t(4)})
    tune(other, by_frames(other, FRAMES, "frames"), tmp_path / "broken", **options, clock=clock())
    assert len(list((tmp_path / "broken").iterdir())) == 2 * len(names[0])  # the cache of another model is not used


def test_a_kept_file_that_was_altered_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(making, "raced", lambda: {"LiteRT": RUNTIMES["ai-edge-litert"]})
    evaluator = by_frames(KWS, FRAMES, "frames")
    tune(KWS, evaluator, tmp_path, bound=100, board=HERE, schemes=("fp32",), clock=clock())
    (result,) = tmp_path.glob("*.tflite.json")
    result.write_text("{}")
    with pytest.raises(FileError, match=r"is not a cached metric: KeyError\('backend'\); delete it"):
        tune(KWS, evaluator, tmp_path, bound=100, board=HERE, schemes=("fp32",), clock=clock())


def test_another_board_is_estimated_and_never_measured(tuned_once):
    _, folder, evaluator = tuned_once
    result = tune(KWS, evaluator, folder, bound=100, board=BOARD, schemes=("fp32", DYNAMIC), clock=None)
    assert not result.measured
    for each in result.candidates:
        graph = KWS if each.scheme == "fp32" else quantize(KWS, each.scheme)
        assert each.runtime == "compiled"
        assert each.step_us == pytest.approx(estimate.estimate(graph, BOARD).step_us, abs=1e-3)
    assert {each.runtime: each.why for each in result.left_out} == dict.fromkeys(
        ("ONNX Runtime", "LiteRT"), "no estimate"
    )
    written = files(result, "best")
    assert list(written) == ["best.rnn"]
    built = _text(result, written)
    assert "us, estimate" in built.splitlines()[0]
    assert "us are estimated for 'raspberrypi4', not measured" in built
    assert "`edgernn export best.rnn NAME.so --board raspberrypi4` compiles it for the board" in built
    with pytest.raises(UsageError, match="clock_mhz of board 'unknown' is unknown"):
        tune(KWS, evaluator, folder, bound=9, board=replace(BOARD, name="unknown", clock_mhz=None), schemes=("fp32",))


def test_a_board_of_this_kind_is_this_machine():
    this = board.this()
    assert is_here(this)
    assert is_here(replace(this, name="another", core=this.core or "core")) == (this.core is not None)
    assert not is_here(BOARD)
    assert not is_here(replace(this, name="another", core=None))


JUDGE = by_frames(KWS, FRAMES, "frames")
WRONG = {
    "bound": ({"bound": -0.1}, "the allowed drop is -0.1 points; expected a number of at least 0"),
    "nan": ({"bound": nan}, "the allowed drop is nan points"),
    "prefer": ({"prefer": "byte"}, "there is no preference 'byte'; did you mean 'bytes'"),
    "scheme": ({"schemes": ("fp61",)}, "there is no scheme 'fp61'; did you mean 'fp16'"),
    "plan": ({"plans": [("units=0.5",)]}, "units=0.5 needs fine-tuning; give the recipe"),
    "no plan": ({"plans": [("unit=0.5",)]}, "did you mean 'units'"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_makes_no_sense_is_refused_before_anything_is_done(case, tmp_path):
    wrong, message = WRONG[case]
    with pytest.raises(UsageError, match=message):
        tune(KWS, JUDGE, tmp_path / "none", **{"bound": 1.0, "board": HERE} | wrong)
    assert not (tmp_path / "none").exists()


def test_only_float_models_are_tuned(tmp_path):
    with pytest.raises(UsageError, match="a model in dynamic_wi8_afp32 cannot be tuned"):
        tune(quantize(KWS), JUDGE, tmp_path, bound=1, board=HERE)


def test_frames_that_say_nothing_are_refused():
    with pytest.raises(FrameError, match=r"frame 0 of 'f\.csv' has 5 values; the model has 6 inputs"):
        by_frames(KWS, np.zeros((99, 5), np.float32), "f.csv")
    with pytest.raises(FrameError, match=r"'f\.csv' has 63 frames; expected at least 64"):
        by_frames(KWS, FRAMES[:63], "f.csv")
    nowhere = FRAMES.copy()
    nowhere[70, 2] = nan
    with pytest.raises(FrameError, match="element 2 of frame 70 of sequence 0 is nan; expected a finite number"):
        by_frames(KWS, nowhere, "f.csv")
    with pytest.raises(UsageError, match="no output of the model has several values, so answers cannot be compared"):
        by_frames(one(Dense(t(1, 6))), FRAMES, "f.csv")


@pytest.fixture(scope="module")
def motor(tmp_path_factory):
    """A folder with a small recipe, its data, and the model trained for a moment."""
    return trained(tmp_path_factory.mktemp("motor"), 20, 20, hidden=8, epochs=1, batch=20, rate=1e-2)


def test_a_recipe_judges_and_trains_what_is_left(motor, tmp_path, monkeypatch):
    monkeypatch.setattr(making, "raced", lambda: {"LiteRT": RUNTIMES["ai-edge-litert"]})
    recipe, graph = recipes.load(motor / "small.toml"), load(motor / "run/model.rnn")
    evaluator = by_recipe(graph, recipe, motor / "motor.npz", Accelerator("cpu"))
    data = read_data(recipe.reader, motor / "motor.npz", recipe.options)
    assert evaluator.baseline == evaluated(as_judged(graph), data, data.test).metrics["accuracy"]
    plans = [(), ("units=0.5",), ("blocks=0.96",)]
    result = tune(graph, evaluator, tmp_path, bound=100, board=HERE, plans=plans, schemes=("fp32",), clock=clock())
    whole, half = (next(each for each in result.candidates if each.plan == plan) for plan in ("", "units=0.5"))
    assert whole.drop == 0
    assert half.bytes < whole.bytes
    (path,) = tmp_path.glob("*.rnn")
    small = load(path)
    assert small.states["layers_0.h"] == 4
    assert half.metric == pytest.approx(evaluated(as_judged(small), data, data.test).metrics["accuracy"])
    (gone,) = result.left_out
    assert (gone.plan, gone.why) == ("blocks=0.96", "cannot be expressed")
    again = replace(evaluator, finetune=lambda *_: pytest.fail("trained twice"))
    assert tune(graph, again, tmp_path, bound=100, board=HERE, plans=plans[:2], schemes=("fp32",)).model == result.model
    with pytest.raises(UsageError, match="the model has 2 layers, and recipe 'small' with this data has 3"):
        by_recipe(Graph(graph.layers[:-1], graph.inputs), recipe, motor / "motor.npz")


def test_a_tuning_that_is_killed_within_a_training_goes_on_and_ends_the_same(motor, tmp_path, monkeypatch):
    monkeypatch.setattr(making, "raced", lambda: {"LiteRT": RUNTIMES["ai-edge-litert"]})
    graph, recipe = load(motor / "run/model.rnn"), recipes.load(motor / "small.toml", ["training.epochs=3"])

    def evaluator(graph=graph, recipe=recipe):
        return by_recipe(graph, recipe, motor / "motor.npz", Accelerator("cpu"))

    def tuned(evaluator, folder, plans=("units=0.5", "magnitude=0.5"), graph=graph):
        each, folder = [(plan,) for plan in plans], tmp_path / folder
        result = tune(graph, evaluator, folder, bound=100, board=HERE, plans=each, schemes=("fp32",), clock=clock())
        return result, {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}

    own = evaluator()
    whole, files = tuned(own, "whole")
    begun, begin = count(), Task.on_train_batch_start

    def killed(task, batch, index):
        if index == 0 and next(begun) == 4:  # the second epoch of the second training
            raise KeyboardInterrupt
        begin(task, batch, index)

    with monkeypatch.context() as patch:
        patch.setattr(Task, "on_train_batch_start", killed)
        with pytest.raises(KeyboardInterrupt):
            tuned(own, "broken")
    (remaining,) = (tmp_path / "broken").glob("*.training")
    before = {path.name: path.read_bytes() for path in remaining.iterdir()}
    assert "last.ckpt" in before
    epochs, seen = Task.on_train_epoch_end, []
    monkeypatch.setattr(Task, "on_train_epoch_end", lambda task: (epochs(task), seen.append(task.current_epoch)))
    bent = graph.with_tensors({"head.b": Tensor(graph.tensors["head.b"].stored + np.float32(0.5))})
    for other in ({"recipe": recipes.with_settings(recipe, {"training.rate": 1e-3})}, {"graph": bent}):
        seen.clear()
        tuned(evaluator(**other), "broken", ["magnitude=0.5"], other.get("graph", graph))
        assert seen == [0, 1, 2]  # the existing cache is not used, and stays
        assert {path.name: path.read_bytes() for path in remaining.iterdir()} == before
    seen.clear()
    again, remade = tuned(own, "broken")
    assert seen == [1, 2]
    assert (again.candidates, again.best) == (whole.candidates, whole.best)
    assert files.items() <= remade.items()
    assert not remaining.exists()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(making, "raced", lambda: {"LiteRT": RUNTIMES["ai-edge-litert"]})
    edgernn.save(KWS, "kws.rnn")
    np.save("frames.npy", FRAMES)
    return tmp_path


def test_the_command_tells_and_writes_the_best(folder):
    document = json.loads(edge("tune", "kws.rnn", "--data", "frames.npy", "-o", "best", "--json"))
    assert (
        set(document["files"])
        == {"best.rnn", "best.tflite"}
        == {path.name for path in folder.glob("best.*")} - {"best.tune"}
    )
    assert document["winner"] in [{k: v for k, v in each.items() if k != "front"} for each in document["candidates"]]
    assert {each["scheme"] for each in document["candidates"] + document["left_out"]} == {"fp32", *SCHEMES}
    assert (folder / "best.tflite").stat().st_size == document["winner"]["bytes"]
    assert document["steps"] == "measured"
    lines = edge("tune", "kws.rnn", "--data", "frames.npy", "-o", "best.rnn", "--prefer", "bytes").splitlines()
    head, first = lines[0].split(), next(line for line in lines if line.startswith(">"))
    assert head[:3] == ["pruned", "precision", "runtime"]
    assert first.split()[:2] == [">*", "-"]
    assert any(line.startswith("us are measured on this machine") for line in lines)


REFUSED = {
    "device": (("--board", "raspberypi4"), "no board 'raspberypi4'; did you mean 'raspberrypi4'"),
    "drop": (("--metric-drop", "-1"), "the allowed drop is -1.0 points"),
    "suffix": (("-o", "best.onnx"), "'best.onnx' has a suffix, which the winner decides"),
    "recipe": (("--prune", "units=0.5"), "--prune needs a recipe for the fine-tuning"),
    "settings": (("--set", "training.epochs=1"), "--set needs a recipe; give --recipe RECIPE"),
    "data": (("--data", "frames.txt"), "no frames can be read from 'frames.txt'"),
    "missing": (("--data", "none.npy"), "'none.npy' cannot be read"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_the_command_refuses(case, folder):
    options, message = REFUSED[case]
    assert message in edge("tune", "kws.rnn", "--data", "frames.npy", "-o", "best", *options, code=2)
    assert not list(folder.glob("best*"))


def test_an_interruption_leaves_no_half_and_says_how_to_go_on(folder, monkeypatch):
    real = tuning.candidates

    def interrupted(*arguments, **options):
        for i, each in enumerate(real(*arguments, **options)):
            if i == 1:
                raise KeyboardInterrupt
            yield each

    monkeypatch.setattr(tuning, "candidates", interrupted)
    output = edge("tune", "kws.rnn", "--data", "frames.npy", "-o", "best", code=130)
    assert "Finished candidates are saved in 'best.tune': the same command continues." in output
    assert [path.name for path in folder.glob("best*")] == ["best.tune"]
    assert not [path for path in folder.rglob("*") if path.name.startswith(".")]
