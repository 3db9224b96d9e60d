"""The device installs no torch: the built wheel in two bare environments, which `make test` prepares."""

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import goldens
from edgernn_export import PackageOptions, export
from zoo import GRAPHS

ROOT = Path(__file__).parent.parent
BARE = {"litert": "ai-edge-litert", "tflite": "tflite-runtime"}


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
def folder(tmp_path_factory):
    """Every graph of the zoo as artifacts, with frames and what numpy in float64 answers."""
    folder = tmp_path_factory.mktemp("goldens")
    goldens.write_floats(folder, {suffix: goldens.exported() for suffix in (".tflite", ".so")})
    export(GRAPHS["stack"], folder / "stack.onnx")  # which no bare device opens
    return folder


@pytest.fixture(scope="module")
def smaller(folder):
    """A few graphs in each smaller precision, in a folder for each runtime."""
    for runtime in BARE.values():
        goldens.write_smaller(folder, runtime, {".tflite": goldens.exported(runtime), ".so": goldens.exported()})
    return folder


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
    assert done.stdout.startswith(f"{BARE[extra]}: {goldens.COUNT} models match")


def test_a_connection_would_be_seen(tmp_path):
    if not traced(""):
        pytest.skip("there is no strace, so nothing is known of connections")
    code = "import socket; socket.socket().connect_ex(('127.0.0.1', 9))"
    subprocess.run([*traced(tmp_path / "log"), sys.executable, "-c", code], check=True)
    assert "connect(" in (tmp_path / "log").read_text()


@pytest.mark.parametrize("extra", BARE)
def test_the_command_works_on_a_bare_device(extra, folder):
    script = bare_python(extra).parent / "edgernn"
    versions = subprocess.run([script, "--version"], capture_output=True, text=True, check=True).stdout
    assert "torch not installed" in versions
    assert f"{BARE[extra]} not installed" not in versions
    rows = subprocess.run(
        [script, "bench", folder / "stack.tflite", "--steps", "100"], capture_output=True, text=True, check=True
    )
    assert BARE[extra] in rows.stdout
    for verb in (["demo"], ["train", "spoken-digits", "--data", "x"]):
        done = subprocess.run([script, *verb], capture_output=True, text=True, check=False, cwd=folder)
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
