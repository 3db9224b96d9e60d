"""The search: its space, trials shared by workers, limits, and the Pareto front."""

import json
import os
import pwd
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from itertools import product
from pathlib import Path

import numpy as np
import optuna
import pytest
from hypothesis import given, settings, strategies as st
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState, create_trial

import edgernn
from edge import edge
from edgernn.device import board as boards
from edgernn.errors import FileError, StorageError, UnsupportedError, UsageError
from edgernn.latency import estimate
from edgernn.train import recipe as recipes, run, space
from edgernn.train.data.fingerprint import Fingerprint
from edgernn.train.loop.task import Task
from edgernn.train.loop.trainer import Accelerator
from edgernn.train.search import methods, objectives as aims, storage
from edgernn.train.search.objectives import Limits
from edgernn.train.search.study import best_trials, join_study
from edgernn.train.search.trials import Work, search
from edgernn.train.search.workers import NUMBER
from forked import forks

RECIPE = """title = "t"

[data]
reader = "ts"

[model]
hidden = 8

[training]
epochs = 1

[search]
"model.hidden" = [4, 8]
"""

WRONG = {
    "setting": (
        '"model.hiden" = [4]',
        "the search space of 'model.hiden' is invalid: there is no 'hiden' in [model]; did you mean",
    ),
    "section": (
        '"modle.hidden" = [4]',
        "the search space of 'modle.hidden' is invalid: it is not a setting; write \"section.key\"",
    ),
    "unquoted": ("model.hidden = [4]", 'it is not a setting; write "section.key", in quotes'),
    "kind": ('"model.hidden" = [4, 8.5]', "got 8.5; expected a whole number"),
    "ends": ('"model.hidden" = { low = 4, high = 8.5 }', "got 4.0; expected a whole number"),
    "value": ('"model.cell" = ["gru", "gruu"]', "there is no cell 'gruu' to train; did you mean 'gru'?"),
    "empty": ('"model.hidden" = []', "[] arrived; expected at least one choice"),
    "twice": ('"model.hidden" = [4, 4]', "[4, 4] arrived; expected each choice once"),
    "nested": ('"data.horizon" = [[1, 2]]', "expected at least one choice, each a number, a word, true or false"),
    "neither": ('"model.hidden" = 4', "4 arrived; expected a list of choices or a table"),
    "key": ('"model.hidden" = { low = 4, hihg = 8 }', "there is no 'hihg' in a range; did you mean 'high'?"),
    "missing": ('"model.hidden" = { low = 4 }', "'high' is 'missing'; expected a number"),
    "log": ('"model.dropout" = { low = 0.0, high = 0.5, log = true }', "a logarithmic range from 0.0"),
    "both": ('"model.hidden" = { low = 4, high = 8, step = 2, log = true }', "expected it above 0, and no step"),
    "order": ('"model.hidden" = { low = 8, high = 4 }', "a range from 8 to 4 arrived; expected the lower end first"),
    "step": ('"model.hidden" = { low = 4, high = 9, step = 2 }', "steps of 2 do not lead from 4 to 9"),
    "infinite": ('"training.rate" = { low = 1.0, high = inf }', "a range from 1.0 to inf arrived"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_space_is_refused_with_its_line(name, tmp_path):
    result, words = WRONG[name]
    path = tmp_path / "r.toml"
    path.write_text(RECIPE.replace('"model.hidden" = [4, 8]', result))
    with pytest.raises(FileError) as error:
        recipes.load(path)
    assert words in str(error.value)
    assert "line 13: " in str(error.value)


def test_no_section_is_refused_as_one(tmp_path):
    path = tmp_path / "r.toml"
    path.write_text("search = 3\n" + RECIPE.partition("[search]")[0])
    with pytest.raises(FileError, match=r"line 1: 'search' is 3; expected a section \[search\]"):
        recipes.load(path)


GIVEN = {
    "model.hidden=16,32": space.Choices((16, 32)),
    "model.cell=gru,lstm": space.Choices(("gru", "lstm")),
    "model.norm=true,false": space.Choices((True, False)),
    "model.hidden=16..64": space.Range(16, 64),
    "model.hidden=16..64:8": space.Range(16, 64, 8),
    "training.rate=1e-3..1e-2:log": space.Range(1e-3, 1e-2, log=True),
    "training.noise=0..1": space.Range(0.0, 1.0),
    "data.bands=10..40:10": space.Range(10, 40, 10),
}


@pytest.mark.parametrize("text", GIVEN)
def test_the_command_line_takes_the_place_of_the_section(text, tmp_path):
    path = tmp_path / "r.toml"
    path.write_text(RECIPE)
    key, _, _ = text.partition("=")
    result = recipes.load(path, (), [text]).space[key]
    assert repr(result) == repr(GIVEN[text])  # 0 and 0.0 are equal but of different types


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("model.hidden", "'model.hidden' is not a search space; write section.key=16,32,64"),
        (
            "model.hiden=4,8",
            "the search space of 'model.hiden' is invalid: there is no 'hiden' in [model]; did you mean 'hidden'?",
        ),
        ("model.hidden=8..4", "a range from 8 to 4 arrived; expected the lower end first"),
        ("model.hidden=4..8:lgo", "'step' is 'lgo'; expected a number"),
        ("model.hidden=4..", "'high' is ''; expected a number"),
    ],
)
def test_a_wrong_space_on_the_command_line_is_no_mistake_of_the_file(text, words, tmp_path):
    path = tmp_path / "r.toml"
    path.write_text(RECIPE)
    with pytest.raises(UsageError) as error:
        recipes.load(path, (), [text])
    assert words in str(error.value)
    assert "line" not in str(error.value)


NUMBERS = st.integers(1, 100)
DOMAINS = st.fixed_dictionaries(
    {},
    optional={
        "model.hidden": st.lists(NUMBERS, min_size=1, unique=True)
        | st.builds(lambda low, step, n: {"low": low, "high": low + step * n, "step": step}, NUMBERS, NUMBERS, NUMBERS),
        "model.cell": st.lists(st.sampled_from(["gru", "lstm", "mgu"]), min_size=1, unique=True),
        "model.norm": st.just([True, False]),
        "training.rate": st.builds(
            lambda low, times: {"low": low, "high": low * times, "log": True}, st.floats(1e-9, 1), st.floats(1.5, 1e6)
        ),
    },
)


@settings(max_examples=60, deadline=None)
@given(domains=DOMAINS)
def test_a_recipe_with_a_space_is_written_back_whole(domains, tmp_path_factory):
    folder = tmp_path_factory.mktemp("written")
    (folder / "r.toml").write_text(RECIPE.partition("[search]")[0])
    plain = recipes.load(folder / "r.toml")
    loaded = recipes._recipe("r", recipes.parse(b"", "r"), {**plain.values, "search": domains})
    (folder / "r.toml").write_text(recipes.to_toml(loaded))
    again = recipes.load(folder / "r.toml")
    assert again == loaded
    assert recipes.with_settings(again, {}).space == {}
    assert set(again.space) == set(domains)


@settings(max_examples=60, deadline=None)
@given(domains=DOMAINS, seed=st.integers(0, 9), number=st.integers(0, 50), method=st.sampled_from(["random", "tpe"]))
def test_what_is_drawn_lies_in_the_space_and_hangs_on_seed_and_number_alone(domains, seed, number, method):
    kinds = {"training.rate": float}
    parsed = {key: space.domain(value, kinds.get(key)) for key, value in domains.items()}
    drawn = []
    for _ in range(2):
        study = optuna.create_study(sampler=methods.sampler(method, seed, number))
        drawn.append(methods.draw(study.ask(), parsed))
    assert drawn[0] == drawn[1]
    for key, value in drawn[0].items():
        result = domains[key]
        if isinstance(result, list):
            assert value in result
            continue
        assert result["low"] <= value <= result["high"]
        assert (value - result["low"]) % result.get("step", 1) == 0 or "log" in result


# These tests are about the study only: a formula of the settings replaces the training, so trials are fast.

CHOICES = {"model.hidden": (4, 8, 16), "training.batch": (8, 32), "model.dropout": (0.0, 0.5)}
POINTS = [dict(zip(CHOICES, values, strict=True)) for values in product(*CHOICES.values())]
SPACE = [f"{key}={','.join(map(str, values))}" for key, values in CHOICES.items()]
RANGES = ["model.hidden=4..64", "training.rate=1e-3..1e-1:log", "model.dropout=0.0,0.25,0.5"]


def score(recipe):
    return round(1 / (1 + abs(recipe.shape.hidden - 16)) + recipe.training.rate, 6)


@pytest.fixture
def formula(monkeypatch):
    """Records trainings by number; the worker is interrupted at a given number."""
    met, stop = [], []

    def train(_data, recipe, out, *, accelerator, resume):
        assert accelerator.devices == 1
        if stop and out.name == f"trial-{stop[0]}":
            stop.clear()
            raise KeyboardInterrupt
        met.append((int(out.name.partition("-")[2]), resume))
        return run.Result({}, {"accuracy": score(recipe)}, 0.0, 0.0, 0.0, 0, [], [])

    monkeypatch.setattr(run, "train_on", train)
    monkeypatch.setattr(Work, "figures", lambda work, recipe, data: aims.Figures(recipe.shape.hidden / 4, 1.0, 1.0))
    return met, stop


def vowels(data, spaces, *more):
    return recipes.load("japanese-vowels", ["training.epochs=2", *more], ["model.hidden=4,8", *spaces])


def trials(summary):
    return [(each.number, each.state, dict(each.settings), dict(each.values)) for each in summary.trials]


def test_a_grid_visits_each_point_once_also_in_pieces(data, tmp_path, formula):
    recipe = recipes.load("japanese-vowels", (), [*SPACE, "training.rate=0.005"])
    points = [{**point, "training.rate": 0.005} for point in POINTS]
    for expected, count in ((3, 3), (7, 7), (None, 12), (50, 12)):
        actual = search(recipe, data / "japanese_vowels", tmp_path, method="grid", trials=expected)
        assert [each.number for each in actual.trials] == list(range(count))
    met = [dict(each.settings) for each in actual.trials]
    assert all(met.count(point) == 1 for point in points)
    assert len(met) == len(points)
    assert Counter(formula[0]) == {(number, False): 1 for number in range(12)}
    best_of_all = max(points, key=lambda point: -abs(point["model.hidden"] - 16))
    assert actual.trials[actual.best[0]].settings["model.hidden"] == best_of_all["model.hidden"]


@pytest.mark.parametrize("method", ["random", "tpe"])
@pytest.mark.parametrize("objectives", [("accuracy",), ("accuracy", "latency")])
def test_a_seed_makes_the_same_trials_however_often_the_search_is_interrupted(
    method, objectives, data, tmp_path, formula
):
    recipe = vowels(data, RANGES)
    options = {"method": method, "objectives": objectives, "trials": 18}
    whole = search(recipe, data / "japanese_vowels", tmp_path / "whole", **options)
    for at in (0, 5, 13):
        formula[1].append(at)
        with pytest.raises(KeyboardInterrupt):
            search(recipe, data / "japanese_vowels", tmp_path / "pieces", **options)
    messages = []
    pieces = search(recipe, data / "japanese_vowels", tmp_path / "pieces", on_trial=messages.append, **options)
    assert trials(pieces) == trials(whole)
    assert pieces.best == whole.best
    assert len({str(each.settings) for each in whole.trials}) == 18
    assert [each.number for each in messages] == list(range(13, 18))
    other = search(recipe, data / "japanese_vowels", tmp_path / "other", seed=1, **options)
    assert all(one.settings != two.settings for one, two in zip(whole.trials, other.trials, strict=True))


def test_tpe_learns_from_the_trials_before(data, tmp_path, formula):
    recipe = recipes.load("japanese-vowels", (), ["model.hidden=4..512", "training.rate=0.005", "model.dropout=0.0"])
    close = {}
    for method in ("random", "tpe"):
        result = search(recipe, data / "japanese_vowels", tmp_path / method, method=method, trials=40)
        close[method] = sum(abs(each.settings["model.hidden"] - 16) < 32 for each in result.trials)
    assert close["tpe"] > 2 * close["random"]


def test_a_study_is_not_gone_on_with_by_other_arguments(data, tmp_path, formula):
    recipe, path = vowels(data, RANGES), data / "japanese_vowels"
    search(recipe, path, tmp_path, trials=1)
    for words, other, result in (
        (r"another seed \(0, now 1\)", recipe, {"seed": 1}),
        (r"another method \(tpe, now random\)", recipe, {"method": "random"}),
        ("another objectives", recipe, {"objectives": ["latency"]}),
        ("another limits", recipe, {"limits": Limits(ram_kib=3)}),
        ("another device", recipe, {"device": "raspberrypi4"}),
        ("another recipe; use", vowels(data, RANGES, "training.rate=0.1"), {}),
    ):
        with pytest.raises(UsageError, match=words):
            search(other, path, tmp_path, trials=2, **result)
    assert len(search(recipe, path, tmp_path, trials=2).trials) == 2


@pytest.mark.parametrize("deaths", [1, 2])
def test_a_trial_is_begun_once_more_when_a_worker_dies_at_it(deaths, data, tmp_path, formula):
    """Running attempts without a process that holds their lock, as a killed worker leaves them."""
    recipe, path = vowels(data, RANGES), data / "japanese_vowels"
    whole = search(recipe, path, tmp_path / "whole", trials=4)
    search(recipe, path, tmp_path / "died", trials=1)
    with storage.open_storage(None, tmp_path / "died") as backend:
        study = optuna.load_study(study_name="japanese-vowels", storage=backend)
        for _ in range(deaths):
            study.enqueue_trial({}, {NUMBER: 1})
            study.sampler = methods.sampler("tpe", 99, 1)
            drawn = methods.draw(study.ask(), recipe.space)
            search(recipe, path, tmp_path / "died", trials=1)
    died = search(recipe, path, tmp_path / "died", trials=4)
    if deaths == 1:
        assert died.trials[1].settings == drawn != whole.trials[1].settings
        assert [trials(died)[k] for k in (0, 2, 3)] == [trials(whole)[k] for k in (0, 2, 3)]
    else:
        assert [each.state for each in died.trials] == ["done", "failed", "done", "done"]
        assert died.trials[1].reason == "2 workers died during it"
        assert 1 not in died.best


def test_half_a_line_at_the_end_of_the_journal_is_dropped(data, tmp_path, formula):
    recipe, path = vowels(data, RANGES), data / "japanese_vowels"
    before = search(recipe, path, tmp_path, trials=3)
    with (tmp_path / storage.JOURNAL).open("a") as journal:
        journal.write('{"op_code":5,"worker_id":"a')
    after = search(recipe, path, tmp_path, trials=5)
    assert trials(after)[:3] == trials(before)
    assert len(after.trials) == 5
    (tmp_path / storage.JOURNAL).write_text("this is prose\nand no journal\n")
    with pytest.raises(FileError, match=r"study.journal' is not the journal of a study"):
        search(recipe, path, tmp_path, trials=5)


VALUES = st.lists(st.tuples(*[st.integers(0, 5)] * 3, st.booleans()), min_size=1, max_size=25)


@settings(max_examples=100, deadline=None)
@given(rows=VALUES, ways=st.lists(st.sampled_from(["minimize", "maximize"]), min_size=1, max_size=3))
def test_the_front_is_all_that_nothing_dominates(rows, ways):
    """The definition: no other trial is at least as good in all objectives and better in one."""
    study = optuna.create_study(directions=ways)
    wide = FloatDistribution(0, 1)
    signs = [1 if way == "maximize" else -1 for way in ways]
    done = {}
    for number, (*values, fits) in enumerate(rows):
        shown = [float(value) for value in values[: len(ways)]]
        state = TrialState.COMPLETE if fits else TrialState.PRUNED
        limits = {"constraints:ram_kib": -1.0 if fits else 1.0}
        study.add_trial(
            create_trial(
                state=state,
                values=shown if fits else None,
                params={"x": 0.5},
                distributions={"x": wide},
                user_attrs={NUMBER: number},
                system_attrs=limits,
            )
        )
        if fits:
            done[number] = np.multiply(signs, shown)
    front = [
        number
        for number, mine in done.items()
        if not any((other >= mine).all() and (other > mine).any() for other in done.values())
    ]
    assert best_trials(study) == tuple(front if len(ways) > 1 else front[:1])


def test_the_metric_is_that_of_the_data():
    assert aims.metric("class", {"accuracy": 0.5}) == 0.5
    assert aims.metric("text", {"nats": 1.5}) == 1.5
    forecast = {"rmse 1 step": 2.0, "rmse 24 steps": 4.0, "persistence 1 step": 9.0, "persistence 24 steps": 9.0}
    assert aims.metric("series", forecast) == 3.0
    assert [aims.directions(["ram", "accuracy"], kind) for kind in ("class", "text", "series")] == [
        {"ram": "minimize", "accuracy": "maximize"},
        {"ram": "minimize", "nats": "minimize"},
        {"ram": "minimize", "rmse": "minimize"},
    ]


# These tests train.


def test_no_network_is_trained_that_does_not_fit(data, tmp_path):
    recipe = vowels(data, ["model.hidden=4,6,8,24", "model.cell=gru,rnn", "training.rate=0.01", "model.dropout=0.0"])
    limits = Limits(latency_us=0.36, flash_kib=2.0, ram_kib=0.3)
    objectives = ("accuracy", "latency", "flash", "ram")
    options = {"method": "grid", "device": "raspberrypi4", "accelerator": Accelerator("cpu")}
    result = search(recipe, data / "japanese_vowels", tmp_path, objectives=objectives, limits=limits, **options)
    assert Counter(each.state for each in result.trials) == {"done": 4, "infeasible": 4}
    board = boards.load("raspberrypi4")
    for each in result.trials:
        folder = tmp_path / f"trial-{each.number}"
        assert folder.exists() == (each.state == "done")
        over = [name for name in ("latency_us", "flash_kib", "ram_kib") if each.figures[name] > getattr(limits, name)]
        assert bool(over) == (each.state == "infeasible")
        if each.state == "done":  # the figures before the training equal those of the trained model
            cost_of = estimate.estimate(edgernn.load(folder / "model.rnn"), board)
            flash, ram = cost_of.cost.weight_bytes, cost_of.cost.state_bytes + cost_of.cost.scratch_bytes
            assert each.values["latency"] == each.figures["latency_us"] == cost_of.step_us
            assert (each.values["flash"] * 1024, each.values["ram"] * 1024) == (flash, ram)
            assert (
                each.values["accuracy"] == json.loads((folder / "metrics.json").read_text())["validation"]["accuracy"]
            )


def test_a_trial_whose_loss_is_no_number_has_failed_and_the_next_begins(data, tmp_path):
    recipe = vowels(data, ["model.hidden=4", "training.rate=2e9,0.01", "model.dropout=0.0"], "training.clip=0.0")
    result = search(recipe, data / "japanese_vowels", tmp_path, method="grid", accelerator=Accelerator("cpu"))
    assert {each.settings["training.rate"]: each.state for each in result.trials} == {2e9: "failed", 0.01: "done"}
    failed = next(each for each in result.trials if each.state == "failed")
    assert "the loss of batch" in failed.reason
    assert result.trials[result.best[0]].settings["training.rate"] == 0.01


def command(data, out, *more):
    """The arguments of a small search of four points."""
    arguments = ("--method", "grid", "--set", "training.epochs=3", "--accelerator", "cpu", "--board", "raspberrypi4")
    spaces = [f"--space={each}" for each in ("model.hidden=4,6", "model.dropout=0.0,0.2", "training.rate=0.01")]
    return [
        "search",
        "japanese-vowels",
        "--data",
        str(data / "japanese_vowels"),
        "--out",
        str(out),
        *arguments,
        *spaces,
        *more,
    ]


IMPORTS = ("edgernn.train.search.trials", "psycopg")


@pytest.fixture(scope="module")
def processes(tmp_path_factory):
    with forks(tmp_path_factory.mktemp("workers"), IMPORTS) as processes:
        yield processes


@pytest.fixture
def begin(processes):
    """A worker: the command in a process of its own, with warnings as errors."""

    def begin(*arguments, before=""):
        return processes.begin(f"import sys\n{before}\nfrom edgernn.cli import main\nmain(sys.argv[1:])", *arguments)

    return begin


def ended(*workers):
    """The output of each worker, and the numbers of the trials that it finished."""
    result = [worker.communicate() for worker in workers]
    for worker, (_, complaint) in zip(workers, result, strict=True):
        assert worker.returncode == 0, complaint
    numbers = [[int(line.split()[1].rstrip(":")) for line in message.splitlines()] for _, message in result]
    return [json.loads(printed) for printed, _ in result], numbers


@pytest.mark.slow
def test_two_processes_share_one_folder(data, tmp_path, begin):
    arguments = command(data, tmp_path, "--json")
    printed, numbers = ended(begin(*arguments), begin(*arguments))
    assert sorted(numbers[0] + numbers[1]) == [0, 1, 2, 3]
    assert printed[0] == printed[1]
    assert [each["state"] for each in printed[0]["trials"]] == ["done"] * 4


MET = """
import os, time
from pathlib import Path
from edgernn.train.data.fingerprint import Fingerprint
from edgernn.train.loop.task import Task
on, place = Task.on_train_batch_start, Path({place!r})
def batch(task, *arguments):
    (place / str(os.getpid())).touch()
    while len(os.listdir(place)) < 2:
        time.sleep(0.01)
    on(task, *arguments)
Task.on_train_batch_start = batch
"""

KILLED = """
import os, signal
from edgernn.train.data.fingerprint import Fingerprint
from edgernn.train.loop.task import Task
on = Task.on_train_batch_start
def batch(task, *arguments):
    if task.current_epoch == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    on(task, *arguments)
Task.on_train_batch_start = batch
"""


@pytest.fixture
def kill(begin):
    """A worker that dies in the second epoch of its first trial."""

    def kill(*arguments):
        worker = begin(*arguments, before=KILLED)
        worker.communicate()
        assert worker.returncode == -signal.SIGKILL

    return kill


def epochs(folder):
    return (folder / "curves.csv").read_text()


@pytest.mark.slow
def test_the_trial_of_a_dead_worker_goes_on_where_it_died(data, tmp_path, monkeypatch, kill):
    whole = json.loads(edge(*command(data, tmp_path / "whole", "--json", "--trials", 2)))
    kill(*command(data, tmp_path / "killed", "--trials", "2"))
    assert not (tmp_path / "killed/trial-0/metrics.json").exists()
    met, on = [], Task.on_train_epoch_start
    monkeypatch.setattr(Task, "on_train_epoch_start", lambda task: met.append(task.current_epoch) or on(task))
    document = json.loads(edge(*command(data, tmp_path / "killed", "--json", "--trials", 2)))
    assert document["trials"] == whole["trials"]
    assert met == [1, 2, 0, 1, 2]  # the epochs of the first trial, but for the one that was done, and of the second
    assert epochs(tmp_path / "killed/trial-0") == epochs(tmp_path / "whole/trial-0")


@pytest.mark.slow
def test_the_command_that_is_printed_trains_the_winner_again(data, tmp_path):
    document = json.loads(edge(*command(data, tmp_path, "--json", "--trials", 2)))
    (again,) = document["commands"]
    content = json.loads(
        edge(
            *shlex.split(again)[1:],
            "--set",
            "training.validation=0.2",
            "--accelerator",
            "cpu",
            "--out",
            tmp_path / "again",
            "--json",
        )
    )
    winner = document["trials"][document["best"][0]]
    assert (
        content["validation"]["accuracy"]
        == winner["values"]["accuracy"]
        == max(each["values"]["accuracy"] for each in document["trials"])
    )
    printed = edge(*command(data, tmp_path, "--trials", 2))
    assert again in printed
    assert f"{document['best'][0]}*" in printed


def test_a_front_is_printed(data, tmp_path, formula):
    printed = edge(*command(data, tmp_path, "--objective", "accuracy,latency", "--set", "model.cell=lstm"))
    assert "The Pareto front; to train a trial again:" in printed
    assert printed.count("edgernn train japanese-vowels") == printed.count("*") == 4
    assert "--set model.cell=lstm" in printed


# PostgreSQL, as it comes from Debian, as its own user, for this test alone.


def binaries():
    """The folder of initdb and pg_ctl."""
    here = shutil.which("postgres")
    folders = [Path(here).resolve().parent] if here else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "initdb").exists() and (folder / "pg_ctl").exists()), None)


@pytest.fixture(scope="module")
def postgres():
    """The URL of a temporary server for these tests, with a socket in a folder."""
    programs = binaries()
    if programs is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    who = {}
    if os.getuid() == 0:  # initdb refuses root
        try:
            entry = pwd.getpwnam("postgres")
        except KeyError:
            pytest.skip("PostgreSQL has no user 'postgres' here, and does not run as root")
        who = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    folder = Path(tempfile.mkdtemp(prefix="edgernn-postgres-", dir="/tmp"))  # a short name, where its user may enter
    if who:
        os.chown(folder, who["user"], who["group"])

    def do(program, *arguments):
        with (folder.parent / f"{folder.name}.log").open("a") as log:
            subprocess.run(
                [programs / program, "-D", folder / "data", *arguments],
                check=True,
                stdout=log,
                stderr=log,
                cwd="/",
                **who,
            )

    try:
        do("initdb", "-A", "trust", "-U", "edge", "--no-sync", "--locale=C", "-E", "UTF8")
        do("pg_ctl", "start", "-w", "-o", f"-k {folder} -c listen_addresses='' -c fsync=off")
        yield f"postgresql+psycopg://edge:secret@/postgres?host={folder}"
    finally:
        if (folder / "data" / "postmaster.pid").exists():
            do("pg_ctl", "stop", "-m", "immediate")
        shutil.rmtree(folder)
        (folder.parent / f"{folder.name}.log").unlink(missing_ok=True)


@pytest.mark.slow
def test_workers_share_a_study_in_postgresql(data, tmp_path, postgres, begin):
    """Two workers with separate folders on an empty database; neither trains until both have a trial."""
    arguments, place = ("--storage", postgres, "--study", "shared", "--json"), tmp_path / "met"
    place.mkdir()
    met = MET.format(place=str(place))
    workers = [begin(*command(data, tmp_path / name, *arguments), before=met) for name in ("one", "two")]
    printed, numbers = ended(*workers)
    assert sorted(numbers[0] + numbers[1]) == [0, 1, 2, 3]
    assert all(numbers)
    assert printed[0]["trials"] == printed[1]["trials"]
    assert [each["state"] for each in printed[0]["trials"]] == ["done"] * 4
    for name, mine in zip(("one", "two"), numbers, strict=True):
        assert sorted(path.name for path in (tmp_path / name).glob("trial-*")) == [f"trial-{k}" for k in sorted(mine)]


@pytest.mark.slow
def test_a_worker_that_is_silent_at_postgresql_is_taken_for_dead(data, tmp_path, postgres, kill):
    import psycopg

    arguments = ("--storage", postgres, "--study", "silent", "--trials", "2", "--json")
    kill(*command(data, tmp_path / "one", *arguments))
    socket = postgres.partition("host=")[2]
    with psycopg.connect(host=socket, user="edge", dbname="postgres") as connection:
        moved = connection.execute("UPDATE trial_heartbeats SET heartbeat = heartbeat - interval '1 hour'")
        assert moved.rowcount >= 1
    printed = json.loads(edge(*command(data, tmp_path / "two", *arguments)))
    assert [each["state"] for each in printed["trials"]] == ["done"] * 2
    assert sorted(path.name for path in (tmp_path / "two").glob("trial-*")) == ["trial-0", "trial-1"]


JOIN = """
import sys
from pathlib import Path
from edgernn.train.data.fingerprint import Fingerprint
from edgernn.train.search.storage import open_storage
from edgernn.train.search.study import join_study
with open_storage(sys.argv[1], Path()) as backend:
    print(join_study(backend, "one", ["minimize"], {"seed": 0}, Fingerprint("file", {"a": "0"}, {}, {})).study_name)
"""


def test_an_empty_database_is_prepared_by_several_at_once(postgres, processes):
    """The first worker creates the tables; the others use them."""
    import psycopg

    socket = postgres.partition("host=")[2]
    with psycopg.connect(host=socket, user="edge", dbname="postgres", autocommit=True) as connection:
        connection.execute("CREATE DATABASE empty")
    url = postgres.replace("/postgres?", "/empty?")
    workers = [processes.begin(JOIN, url) for _ in range(4)]
    assert [worker.communicate() for worker in workers] == [("one\n", "")] * 4


def test_a_study_is_kept_in_sqlite_too(data, tmp_path, formula):
    recipe, path = vowels(data, RANGES), data / "japanese_vowels"
    url = f"sqlite:///{tmp_path}/study.db"
    first = search(recipe, path, tmp_path / "a", trials=3, storage=url)
    both = search(recipe, path, tmp_path / "b", trials=5, storage=url)
    assert trials(both)[:3] == trials(first)
    assert [number for number, _ in formula[0]] == [0, 1, 2, 3, 4]
    assert trials(both) == trials(search(recipe, path, tmp_path / "c", trials=5))


def test_a_worker_that_was_taken_for_dead_does_not_count(data, tmp_path, formula, monkeypatch):
    """Another worker marks its trial as failed during the training, and the trial begins anew."""
    recipe, path, url = vowels(data, RANGES), data / "japanese_vowels", f"sqlite:///{tmp_path}/study.db"
    train = run.train_on

    def slow(*built, **more):
        if not formula[0]:
            with storage.open_storage(url, tmp_path) as backend:
                optuna.load_study(study_name="japanese-vowels", storage=backend).tell(0, state=TrialState.FAIL)
        return train(*built, **more)

    monkeypatch.setattr(run, "train_on", slow)
    result = search(recipe, path, tmp_path / "a", trials=3, storage=url)
    assert [number for number, _ in formula[0]] == [0, 1, 2, 0]
    assert [each.state for each in result.trials] == ["done"] * 3
    with storage.open_storage(url, tmp_path) as backend:
        attempts = optuna.load_study(study_name="japanese-vowels", storage=backend).trials
    assert [(each.user_attrs[NUMBER], each.state.name) for each in attempts] == [
        (0, "FAIL"),
        (1, "COMPLETE"),
        (2, "COMPLETE"),
        (0, "COMPLETE"),
    ]


REACHED = {
    "refused": ("postgresql+psycopg://me:hush@127.0.0.1:1/db", "127.0.0.1:1/db' cannot be reached: "),
    "query": ("postgresql+psycopg://me@127.0.0.1:1/db?password=hush", "127.0.0.1:1/db' cannot be reached: "),
    "echo": ("postgresql+psycopg://me@127.0.0.1/db?password=hush&port=hush", "127.0.0.1/db' cannot be reached: "),
    "folder": ("sqlite:////nowhere/hush/study.db", "cannot be reached: unable to open database file"),
}


@pytest.mark.parametrize("name", REACHED)
def test_a_database_that_cannot_be_reached_is_told_in_a_line_without_its_password(name, tmp_path):
    url, words = REACHED[name]
    with pytest.raises(StorageError) as error, storage.open_storage(url, tmp_path):
        pass
    assert words in str(error.value)
    assert "\n" not in str(error.value)
    assert name == "folder" or "hush" not in str(error.value)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("study.db", "the storage is not a database URL; write one such as postgresql+psycopg://"),
        ("postgresql+psycopg://me:hush@host:hush/db", "the storage is not a database URL"),
        ("postgress://me:hush@host/db", "there is no database type 'postgress'; write a URL such as postgresql"),
        ("mysql+pymysql://me:hush@host/db", "the driver of 'mysql+pymysql' is not installed"),
    ],
)
def test_a_wrong_url_is_refused(url, words, tmp_path):
    with pytest.raises(UsageError) as error, storage.open_storage(url, tmp_path):
        pass
    assert words in str(error.value)
    assert "hush" not in str(error.value)


BAD = {
    "method": (("--method", "gird"), "'gird' is not one of 'grid', 'random', 'tpe'. Did you mean 'grid'?"),
    "objective": (("--objective", "accuracy,latensy"), "there is no objective 'latensy'; did you mean 'latency'?"),
    "twice": (("--objective", "ram,ram"), "got the objectives 'ram,ram'; expected at least one, and each once"),
    "range": (("--space", "training.rate=1e-3..1e-2:log"), "a grid cannot search the range of 'training.rate'"),
    "limit": (("--max-ram-kib", "0"), "the limit ram_kib is 0.0; expected more than 0"),
    "board": (("--board", "raspberypi4"), "no board 'raspberypi4'; did you mean 'raspberrypi4'?"),
    "space": (("--space", "model.hiden=4"), "there is no 'hiden' in [model]; did you mean 'hidden'?"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_told_before_anything_is_trained(name, data, tmp_path):
    arguments, words = BAD[name]
    assert words in edge(*command(data, tmp_path / "out", *arguments), code=2)
    assert not (tmp_path / "out").exists()


def test_a_recipe_without_a_space_says_how_to_give_one(data, tmp_path):
    output = edge("search", "activity", "--data", data, "--out", tmp_path, code=2)
    assert (
        "the recipe has no section [search]; add one, or give a search space: --space model.hidden=16,32,64" in output
    )


def test_where_nothing_fits_the_nearest_is_named(data, tmp_path):
    """4 and 6 units, computed by hand: three gates, 12 inputs, two biases, nine classes, two standardizing vectors."""
    output = edge(*command(data, tmp_path, "--max-flash-kib", "1"), code=2)
    kib = 4 * (3 * 4 * (12 + 4 + 2) + 9 * (4 + 1) + 2 * 12) / 1024
    assert "none of 4 trials is within the limits on 'raspberrypi4'; the closest is trial" in output
    assert f"(model.hidden=4, model.dropout=0.0, training.rate=0.01): flash_kib {kib:.4g} of at most 1" in output or (
        f"(model.hidden=4, model.dropout=0.2, training.rate=0.01): flash_kib {kib:.4g} of at most 1" in output
    )
    assert not list(tmp_path.glob("trial-*"))


PROFILE = """title = "a board of which little is known"

[sources]
book = "a book"

[processor]
level = { value = "aarch64", source = "book" }
"""


def test_a_latency_that_cannot_be_predicted_is_refused_where_it_is_asked_for(data, tmp_path, formula, monkeypatch):
    monkeypatch.undo()
    (tmp_path / "board.toml").write_text(PROFILE)
    recipe, path = vowels(data, ["training.rate=0.01", "model.dropout=0.0"]), data / "japanese_vowels"
    for built in ({"objectives": ["accuracy", "latency"]}, {"limits": Limits(latency_us=5)}):
        with pytest.raises(
            UnsupportedError, match="the latency cannot be predicted: clock_mhz of board 'board' is unknown"
        ):
            search(recipe, path, tmp_path / "out", trials=1, device=tmp_path / "board.toml", **built)
    assert not (tmp_path / "out").exists()
    result = search(
        recipe, path, tmp_path / "out", trials=1, device=tmp_path / "board.toml", accelerator=Accelerator("cpu")
    )
    assert result.trials[0].figures["latency_us"] is None


@pytest.mark.parametrize(("package", "extra"), [("optuna", "search"), ("lightning", "train")])
def test_a_missing_extra_is_answered_with_the_pip_command(package, extra, tmp_path):
    code = (
        "import sys; sys.modules[sys.argv[1]] = None\n"
        "from edgernn.cli import call, cli; sys.exit(call(cli, ['search', 'surnames', '--data', '.'], 'edgernn'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, package], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 2
    assert (
        f"searching needs the package '{package}', which is not installed: pip install 'edgernn[{extra}]'"
        in done.stderr
    )


def test_workers_that_join_at_once_agree(tmp_path):
    """The second worker to join gets an error if its options differ."""
    data = Fingerprint("file", {"a": "0"}, {}, {})
    with storage.open_storage(None, tmp_path) as backend:
        join_study(backend, "s", ["minimize"], {"seed": 0}, data)
        with pytest.raises(UsageError, match=r"the study 's' began with another seed \(0, now 1\)"):
            join_study(backend, "s", ["minimize"], {"seed": 1}, data)
