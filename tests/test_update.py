"""Updates of a device: a working model is there after any cut, and a candidate that fails makes room by itself."""

import json
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from fcntl import LOCK_EX, flock
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

import disk_faults
import edgernn
from edge import called, edge
from edgernn.artifact import checksum
from edgernn.cells import Activation, Concat, Dense, Gru, Rnn
from edgernn.errors import FileError, SignatureError, StateError, UpdateError, UsageError
from edgernn.update.pointer import FILE
from edgernn.update.store import INSTALLING
from edgernn_export.packaging.compose import compose
from edgernn_export.packaging.options import PackageOptions
from packages import members, sealed
from zoo import begin, frames, keyword_spotter, one, t


def packaged(folder: Path, name: str, graph, version: str, formats=()) -> Path:
    path = folder / name
    path.write_bytes(compose(graph, name, PackageOptions(formats, name="kws", model_version=version)))
    return path


def growing(factor: float):
    """A state that grows by a factor in each step, in float32 until it is infinite."""
    eye = np.eye(4, dtype=np.float32)
    w = np.ones((4, 10), np.float32) + np.float32(1e-3)
    cell = Rnn(edgernn.Tensor(np.abs(w)), edgernn.Tensor(factor * eye), edgernn.Tensor(np.ones(4, np.float32)), "relu")
    return one(cell, inputs=10)


def infinite():
    """A state that lives, and beside it an answer that is infinite or 0."""
    ones = edgernn.Tensor(np.full((4, 4), 1000, np.float32))
    layers = (
        edgernn.Layer("gru", Gru(t(12, 10), t(12, 4))),
        edgernn.Layer("loud", Dense(ones)),
        edgernn.Layer("power", Activation("exp")),
        edgernn.Layer("both", Concat(), ("gru", "power")),
    )
    return edgernn.Graph(layers, 10)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("packages")
    begin(8)
    packaged(folder, "old.edge", keyword_spotter(), "1.0.0")
    packaged(folder, "new.edge", keyword_spotter(), "1.1.0")
    return folder


@pytest.fixture(scope="module")
def installed(folder):
    """The folder of a store whose model is good."""
    store = edgernn.ModelStore(folder / "store")
    store.install(folder / "old.edge")
    store.mark_good()
    return store.root


@pytest.fixture
def store(installed, tmp_path):
    """A copy of that store."""
    return edgernn.ModelStore(shutil.copytree(installed, tmp_path / "store"))


def version(store):
    return edgernn.open(store.root / store.pointer.current).package.model_version


def test_a_package_is_installed_tried_started_and_marked_good(store, folder):
    path = store.install(folder / "new.edge")
    assert store.pointer.trial
    assert store.start() == path
    assert store.pointer.starts == 1
    store.mark_good()
    assert (version(store), store.pointer.trial, store.pointer.failed) == ("1.1.0", False, "")
    assert path.read_bytes() == (folder / "new.edge").read_bytes()
    assert len([*store.root.glob("*.edge")]) == 2


def test_one_that_is_started_and_never_proves_good_makes_room(store, folder):
    new = store.install(folder / "new.edge").name
    starts = [store.start().name for _ in range(5)]
    assert starts[:3] == [new] * 3
    assert set(starts[3:]) == {store.pointer.current} != {new}
    assert version(store) == "1.0.0"
    assert "was started 3 times, and never proved good" in store.pointer.failed


def test_a_process_that_dies_on_trial_is_back_on_the_old_model_by_itself(store, folder, tmp_path):
    store.install(folder / "new.edge")
    code = (
        "import os, sys, edgernn, numpy as np; store = edgernn.ModelStore(sys.argv[1])\n"
        "stream = edgernn.UpdatedStream(store)\n"
        "if stream.on_trial: os.abort()\n"
        "print(stream.stream.program.package.model_version)"
    )
    runs = [
        subprocess.run([sys.executable, "-c", code, store.root], check=False, capture_output=True, text=True)
        for _ in range(4)
    ]
    assert [run.returncode for run in runs] == [-6, -6, -6, 0]
    assert runs[-1].stdout == "1.0.0\n"


def crashing(data: bytes, tmp_path: Path) -> bytes:
    """A package whose library ends the process when it is loaded."""
    inside = members(data)
    name = next(each for each in inside if each.endswith(".so"))
    at = inside[name].index(b'{"' + checksum.KEY.encode())
    manifest = inside[name][at : inside[name].index(b"\0", at)].decode()
    blank = manifest.replace(checksum.verify(inside[name], name), checksum.BLANK)
    quoted = blank.replace("\\", "\\\\").replace('"', '\\"')
    (tmp_path / "crash.c").write_text(
        f'#include <stdlib.h>\nconst char kept[] = "{quoted}";\n__attribute__((constructor)) void go(void) {{ abort(); }}\n'
    )
    subprocess.run(["cc", "-shared", "-fPIC", "-o", tmp_path / "crash.so", tmp_path / "crash.c"], check=True)
    return sealed({**inside, name: checksum.fill((tmp_path / "crash.so").read_bytes())})


@pytest.mark.parametrize("candidate", ["crashing", "not finite", "slow", "damaged", "older", "another artifact"])
def test_a_candidate_that_cannot_work_is_refused_and_the_old_one_stays(candidate, store, folder, tmp_path):
    before, options = store.pointer, {}
    if candidate == "crashing":
        path = tmp_path / "crash.edge"
        data = compose(keyword_spotter(), "kws.edge", PackageOptions(("so",), name="kws", model_version="1.2.0"))
        path.write_bytes(crashing(data, tmp_path))
        expected = "its process died by SIGABRT"
    elif candidate == "not finite":
        path, expected = packaged(tmp_path, "inf.edge", infinite(), "1.2.0"), "recorded answers are not finite"
    elif candidate == "slow":
        path, options = folder / "new.edge", {"budget": edgernn.Budget(0.01)}
        expected = r"half of its steps take \d+ us or more; the deadline is 0.01 us"
    elif candidate == "damaged":
        path, expected = tmp_path / "damaged.edge", "damaged.edge"
        path.write_bytes((folder / "new.edge").read_bytes()[:-1])
    elif candidate == "older":
        path, expected = packaged(tmp_path, "o.edge", keyword_spotter(), "0.9"), "has the version 0.9, and 1.0.0 runs"
    else:
        path, inside = tmp_path / "other.edge", members((folder / "new.edge").read_bytes())
        goldens = members((folder / "old.edge").read_bytes())
        path.write_bytes(sealed({**inside, "goldens.safetensors": goldens["goldens.safetensors"]}))
        expected = "fails its goldens"
    with pytest.raises((UpdateError, FileError), match=expected):
        store.install(path, **options)
    assert store.pointer == before
    assert len([*store.root.glob("*.edge")]) == 1


def test_a_stream_takes_an_update_between_two_frames_and_ends_the_trial(store, folder):
    xs, stream = frames(keyword_spotter(), 40), edgernn.UpdatedStream(store, trial_steps=15)
    first = [stream.step(x) for x in xs[:10]]
    assert not stream.refresh()
    store.install(folder / "new.edge")
    assert stream.refresh()
    second = []
    for k, x in enumerate(xs[10:], 1):
        second.append(stream.step(x))
        assert stream.on_trial == (k < 15) == store.pointer.trial
    old, new = edgernn.open(folder / "old.edge").stream(), edgernn.open(folder / "new.edge").stream()
    np.testing.assert_array_equal(first, old.run(xs[:10]))
    new.state = old.state
    np.testing.assert_array_equal(second, new.run(xs[10:]))


@pytest.mark.parametrize("good", [True, False])
def test_what_is_judged_is_the_model_that_runs_and_none_installed_since(good, store, folder, tmp_path):
    xs, stream = frames(keyword_spotter(), 6), edgernn.UpdatedStream(store, trial_steps=5)
    running = store.install(folder / "new.edge").name
    assert stream.refresh()
    newest = store.install(packaged(tmp_path, "newest.edge", keyword_spotter(), "1.2.0")).name
    if good:
        for x in xs:
            stream.step(x)
    else:
        stream.roll_back("its owner complains")
        assert stream.stream.program.package.model_version == "1.2.0"
    assert (store.pointer.current, store.pointer.trial, store.pointer.failed) == (newest, True, "")
    assert running != newest


@pytest.mark.parametrize("fault", ["grows", "slow"])
def test_a_candidate_that_fails_on_trial_rolls_back_and_no_frame_is_lost(fault, store, folder, tmp_path):
    if fault == "grows":  # finite in its goldens, beyond all bounds later
        packaged(tmp_path, "first.edge", growing(0.5), "1.0.0", ("so",))
        store = edgernn.ModelStore(tmp_path / "growing")
        store.install(tmp_path / "first.edge")
        store.mark_good()
        candidate, reason = (
            packaged(tmp_path, "grows.edge", growing(1.1), "1.1.0", ("so",)),
            "(not finite|beyond its bounds)",
        )
    else:
        candidate, reason = folder / "new.edge", "take longer than 100 us"
    now, xs = [0], np.abs(frames(keyword_spotter(), 1200))
    took = {"1.0.0": 20_000, "1.1.0": 500_000 if fault == "slow" else 20_000}

    def clock():  # called before and after a step
        now[0] += took[stream.stream.program.package.model_version] if len(calls) % 2 else 0
        calls.append(now[0])
        return now[0]

    calls: list[int] = []
    stream = edgernn.UpdatedStream(store, budget=edgernn.Budget(100.0), trial_steps=1100, clock=clock)
    old = edgernn.open(store.root / store.pointer.current).stream()
    store.install(candidate)
    assert stream.refresh()
    for x in xs:
        state = stream.stream.state
        answer = stream.step(x)
        assert np.isfinite(answer).all()
        if not stream.on_trial:
            break
    assert (version(store), store.pointer.trial) == ("1.0.0", False)
    assert re.search(reason, store.pointer.failed)
    with suppress(StateError):  # one beyond all bounds: the old model begins at rest
        old.state = state
    np.testing.assert_array_equal(answer, old.step(x))  # the old model answers that frame, from the state before it
    assert np.isfinite(stream.step(xs[0])).all()


@pytest.mark.slow
def test_a_cut_anywhere_in_an_update_leaves_a_model_that_works(folder):
    printed = disk_faults.run(Path(__file__).parent / "updating.py", folder, 3, 4)
    assert "old.edge" in printed
    assert "new.edge" in printed


def test_a_program_starts_while_a_package_is_being_installed(store):
    with (store.root / INSTALLING).open("w") as file:
        flock(file, LOCK_EX)
        started = Thread(target=store.start, daemon=True)
        started.start()
        started.join(60)
        assert not started.is_alive()


def test_a_store_with_a_key_takes_signed_packages_alone(folder, tmp_path):
    edge("keygen", tmp_path / "k", "--no-password")
    signed = tmp_path / "signed.edge"
    signed.write_bytes((folder / "new.edge").read_bytes())
    edge("sign", signed, "--key", tmp_path / "k.key")
    store = edgernn.ModelStore(tmp_path / "store", key=tmp_path / "k.pub")
    with pytest.raises(SignatureError, match="is not signed"):
        store.install(folder / "new.edge")
    assert not (tmp_path / "store").exists()
    store.install(signed)
    (store.root / store.pointer.current).write_bytes((folder / "new.edge").read_bytes())
    with pytest.raises(SignatureError, match="is not signed"):
        edgernn.UpdatedStream(store)


def test_what_is_missing_or_damaged_in_a_store_is_an_error(folder, tmp_path):
    store = edgernn.ModelStore(tmp_path / "store")
    for call in (store.start, store.mark_good, store.roll_back):
        with pytest.raises(UpdateError, match="there is no store of models in"):
            call()
    store.install(folder / "old.edge")
    with pytest.raises(UpdateError, match=r"failed \(asked for\), and no model was installed before it"):
        store.roll_back()
    (store.root / FILE).write_text('{"current": "../../etc/passwd"}')
    with pytest.raises(FileError, match="is no pointer of a store"):
        store.start()
    with pytest.raises(UsageError, match="most_starts is 0"):
        edgernn.ModelStore(tmp_path, most_starts=0)
    with pytest.raises(UsageError, match="trial_steps is 0"):
        edgernn.UpdatedStream(store, trial_steps=0)


def test_a_script_updates_by_the_command(folder, tmp_path):
    root = tmp_path / "store"
    first = edge("update", "install", root, folder / "old.edge").strip()
    assert edge("update", "start", root).strip() == first
    edge("update", "good", root)
    second = edge("update", "install", root, folder / "new.edge", "--longest", "1s").strip()
    assert not Path(second).samefile(first)
    assert "on trial" in edge("update", "status", root)
    assert edge("update", "rollback", root, "--reason", "too loud").strip() == first
    assert "too loud" in edge("update", "status", root)
    assert json.loads(edge("update", "status", root, "--json"))["path"] == first


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("install", "store"), "no package arrived with install"),
        (("start", "store", "new.edge"), "'new.edge' arrived with start; expected"),
        (("good", "store", "--longest", "1ms"), "--longest arrived with good; it belongs to install"),
        (("install", "store", "none.edge"), "none.edge' cannot be read"),
        (("start", "store"), "there is no store of models in 'store'"),
        (("strat", "store"), "'start'"),
    ],
)
def test_a_wrong_use_of_the_command_says_what_is_right(arguments, expected, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, error = called("update", *arguments)
    assert code == 2
    assert expected in error
    assert not [*tmp_path.iterdir()]
