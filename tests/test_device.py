"""The device installs no torch: the built wheel in two bare environments, which `make test` prepares."""

import json
import shutil
import subprocess
import sys
import zipfile
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from test_float_io import quantized

import edgernn
from edgernn.interpreters.numpy import Stepper
from edgernn.model.tensor import DYNAMIC, STATIC
from edgernn.passes.quantize import quantize
from edgernn_export import PackageOptions, export
from edgernn_export.proof.floats import sides
from edgernn_export.targets.naming import WEIGHTS
from zoo import GRAPHS, frames

ROOT = Path(__file__).parent.parent
BARE = {"litert": "ai-edge-litert", "tflite": "tflite-runtime"}
SMALLER = ("stack", "Embedding", "Product")
FREE = tuple(scheme for scheme in WEIGHTS if scheme != DYNAMIC)  # those in which no runtime rounds in its own way


@pytest.fixture(autouse=True)
def installed(monkeypatch):
    """What a bare environment has is asked, and not this checkout, wherever PYTHONPATH leads."""
    monkeypatch.delenv("PYTHONPATH", raising=False)


def bare_python(extra):
    python = ROOT / f".venv-{extra}/bin/python"
    if not python.exists():
        pytest.skip(f"there is no bare environment .venv-{extra}; `make devices` makes it")
    return python


@pytest.fixture(scope="module")
def goldens(tmp_path_factory):
    """Every graph of the zoo as artifacts, with frames and what numpy in float64 answers."""
    folder = tmp_path_factory.mktemp("goldens")
    for name, graph in GRAPHS.items():
        path = folder / name.replace(" ", "_")
        xs = frames(graph, 40)
        expected, states = Stepper(graph).run(xs)
        np.savez(
            f"{path}.npz", frames=xs, expected=expected, **{f"state.{key}": state for key, state in states.items()}
        )
        edgernn.save(graph, f"{path}.rnn")
        for suffix in (".tflite", ".so"):
            export(graph, f"{path}{suffix}")
    export(GRAPHS["stack"], folder / "stack.onnx")  # which no bare device opens
    return folder


@pytest.fixture(scope="module")
def smaller(goldens):
    """A few graphs in each smaller precision, in a folder for each runtime.

    Where inputs are rounded, a runtime may round in its own way: so each step has its states before, and its bounds.
    """
    for scheme, runtime, name in product((*WEIGHTS, *STATIC), BARE.values(), SMALLER):
        graph = quantized(name, scheme) if scheme in STATIC else quantize(GRAPHS[name], scheme)
        path = goldens / runtime / f"{name}_{scheme}"
        path.parent.mkdir(exist_ok=True)
        xs = frames(graph, 40)
        expected, states = Stepper(graph).run(xs)
        free = {"expected": expected, **{f"state.{key}": state for key, state in states.items()}}
        np.savez(f"{path}.npz", frames=xs, **(free if scheme in FREE else step_by_step(graph, xs, runtime)))
        edgernn.save(graph, f"{path}.rnn")
        export(graph, f"{path}.tflite", runtime=runtime)
        export(graph, f"{path}.so")
    return goldens


def step_by_step(graph, xs, runtime):
    """For each step: the states before it, every result, and how far from that the runtime may be."""
    reference, bounds, _ = sides(graph, runtime, len(xs))
    states, rows = reference.initial_state(), []
    for x in xs:
        y, after = reference.step(x, states)
        expected = {"y": y, **after}
        parts = {"before": states, "after": expected, "bound": bounds.of(x, states, expected)}
        rows.append({f"{kind}.{name}": value for kind, values in parts.items() for name, value in values.items()})
        states = after
    return {key: np.stack([row[key] for row in rows]) for key in rows[0]}


def traced(log):
    """What stands before a command so that its calls to `connect`, and those of its children, are in a file."""
    strace = shutil.which("strace")
    return (
        [strace, "-f", "-qq", "--seccomp-bpf", "-e", "trace=connect", "-e", "signal=none", "-o", log] if strace else []
    )


@pytest.mark.parametrize("extra", BARE)
def test_a_bare_device_computes_the_hosts_goldens_and_connects_to_nothing(extra, smaller, tmp_path):
    python = bare_python(extra)
    done = subprocess.run(
        [*traced(tmp_path / "log"), python, "-W", "error", ROOT / "tests/device/check.py", smaller, BARE[extra]],
        capture_output=True, text=True, check=False, cwd=smaller,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "log").exists() or "connect(" not in (tmp_path / "log").read_text()
    print(done.stdout)
    assert done.stdout.startswith(
        f"{BARE[extra]}: {len(GRAPHS) + len(SMALLER) * len((*WEIGHTS, *STATIC))} models match"
    )


def test_a_connection_would_be_seen(tmp_path):
    if not traced(""):
        pytest.skip("there is no strace, so nothing is known of connections")
    code = "import socket; socket.socket().connect_ex(('127.0.0.1', 9))"
    subprocess.run([*traced(tmp_path / "log"), sys.executable, "-c", code], check=True)
    assert "connect(" in (tmp_path / "log").read_text()


@pytest.mark.parametrize("extra", BARE)
def test_the_command_works_on_a_bare_device(extra, goldens):
    script = bare_python(extra).parent / "edgernn"
    versions = subprocess.run([script, "--version"], capture_output=True, text=True, check=True).stdout
    assert "torch not installed" in versions
    assert f"{BARE[extra]} not installed" not in versions
    rows = subprocess.run(
        [script, "bench", goldens / "stack.tflite", "--steps", "100"], capture_output=True, text=True, check=True
    )
    assert BARE[extra] in rows.stdout
    for verb in (["demo"], ["train", "spoken-digits", "--data", "x"]):
        done = subprocess.run([script, *verb], capture_output=True, text=True, check=False, cwd=goldens)
        assert (done.returncode, "pip install 'edgernn[" in done.stderr) == (2, True), done.stderr


@pytest.mark.parametrize("extra", BARE)
def test_a_bare_device_verifies_a_package_and_updates_itself(extra, tmp_path):
    script, package = bare_python(extra).parent / "edgernn", tmp_path / "kws.edge"
    export(GRAPHS["stack"], package, package=PackageOptions(to=("onnx", "tflite", "so"), model_version="1.0"))

    def printed(*arguments):
        return subprocess.run([script, *arguments], capture_output=True, text=True, check=True, cwd=tmp_path).stdout

    findings = json.loads(printed("verify", package, "--json"))["findings"]
    passed = {
        Path(each["subject"].split()[0]).suffix for each in findings if each["name"] == "goldens" and each["passed"]
    }
    assert passed == {".so", ".tflite", ".rnn"}
    assert any("'onnxruntime' is not installed" in each["text"] for each in findings)
    installed = printed("update", "install", "store", package).strip()
    assert printed("update", "start", "store").strip() == installed


def test_the_wheel_has_what_it_should():
    wheels = sorted((ROOT / ".cache/dist").glob("*.whl"))
    if not wheels:
        pytest.skip("there is no wheel in .cache/dist; `make devices` builds it")
    names = zipfile.ZipFile(wheels[-1]).namelist()
    tops = {name.partition("/")[0] for name in names if ".dist-info" not in name}
    assert tops == {"edgernn", "edgernn_export"}
    assert {"edgernn/py.typed", "edgernn_export/py.typed", "edgernn/devices/README.md"} <= set(names)
    assert any(name.endswith("licenses/LICENSE") for name in names)
