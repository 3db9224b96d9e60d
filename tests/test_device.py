"""The device installs no torch: the built wheel in two bare environments, which `make test` prepares."""

import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest

import edgernn
from edgernn.readings.numpy import Stepper
from edgernn_export import export
from zoo import GRAPHS, frames

ROOT = Path(__file__).parent.parent
BARE = {"litert": "ai-edge-litert", "tflite": "tflite-runtime"}


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
        wanted, states = Stepper(graph).run(xs)
        np.savez(f"{path}.npz", frames=xs, wanted=wanted, **{f"state.{key}": state for key, state in states.items()})
        edgernn.save(graph, f"{path}.rnn")
        for suffix in (".tflite", ".onnx", ".so"):
            export(graph, f"{path}{suffix}")
    return folder


@pytest.mark.parametrize("extra", BARE)
def test_a_bare_device_computes_the_hosts_goldens(extra, goldens):
    python = bare_python(extra)
    done = subprocess.run(
        [python, "-W", "error", ROOT / "tests/device/check.py", goldens, BARE[extra]],
        capture_output=True, text=True, check=False, cwd=goldens,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    print(done.stdout)
    assert done.stdout.startswith(f"{BARE[extra]}: {len(GRAPHS)} models match")


@pytest.mark.parametrize("extra", BARE)
def test_the_command_works_on_a_bare_device(extra, goldens):
    script = bare_python(extra).parent / "edgernn"
    said = subprocess.run([script, "--version"], capture_output=True, text=True, check=True).stdout
    assert "torch not installed" in said
    assert f"{BARE[extra]} not installed" not in said
    rows = subprocess.run(
        [script, "bench", goldens / "stack.tflite", "--steps", "100"], capture_output=True, text=True, check=True
    )
    assert BARE[extra] in rows.stdout
    demo = subprocess.run([script, "demo"], capture_output=True, text=True, check=False, cwd=goldens)
    assert (demo.returncode, "pip install 'edgernn[host]'" in demo.stderr) == (2, True), demo.stderr


def test_the_wheel_has_what_it_should():
    wheels = sorted((ROOT / ".cache/dist").glob("*.whl"))
    if not wheels:
        pytest.skip("there is no wheel in .cache/dist; `make devices` builds it")
    names = zipfile.ZipFile(wheels[-1]).namelist()
    tops = {name.partition("/")[0] for name in names if ".dist-info" not in name}
    assert tops == {"edgernn", "edgernn_export"}
    assert {"edgernn/py.typed", "edgernn_export/py.typed", "edgernn/devices/README.md"} <= set(names)
    assert any(name.endswith("licenses/LICENSE") for name in names)
