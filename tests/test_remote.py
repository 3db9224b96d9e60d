"""`edgernn bench|check|verify --on`: the verb runs on another machine, here a real sshd, and answers as it does here."""

import base64
import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from dataclasses import replace
from hashlib import sha256
from importlib import metadata
from pathlib import Path

import click
import numpy as np
import pytest

import edgernn
import loopback
from edge import called, edge
from edgernn.cli import cli
from edgernn.commands.options import remote
from edgernn.latency import history
from edgernn.package import contents, goldens as recordings
from edgernn.package.minisign import dump_public_key, public_text
from edgernn.package.secret_key import dump_secret_key
from edgernn.remote import job as jobs, ssh
from edgernn.remote.wheel import NAME, requirements, wheel
from edgernn_export import export
from packages import members, package, sealed
from trusted import OTHER, OURS
from zoo import keyword_spotter

pytestmark = pytest.mark.skipif(bool(loopback.MISSING), reason=f"not installed: {', '.join(loopback.MISSING)}")

VERBS = {"bench", "check", "verify"}


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    with loopback.serving(tmp_path_factory.mktemp("machine")) as server:
        yield server


@pytest.fixture(scope="module")
def there(machine):
    return machine.add("plain")


@pytest.fixture(autouse=True)
def place(machine, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{machine.folder}/bin:{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("suffix", [".rnn", ".so", ".onnx"])
def test_a_step_is_timed_there(suffix, there):
    graph = keyword_spotter()
    edgernn.save(graph, "kws.rnn")
    export(graph, Path(f"kws{suffix}")) if suffix != ".rnn" else None
    call = ["bench", f"kws{suffix}", "--reference", "kws.rnn", "--steps", 100, "--period", "500us", "--json"]
    (row,), (here,) = (json.loads(edge(*call, *on)) for on in (("--on", "plain"), ()))
    untimed = ("artifact", "backend", "bytes", "period_us", "error")
    assert {name: row[name] for name in untimed} == {name: here[name] for name in untimed}
    assert 0 < row["p50_us"] <= row["p99_us"]
    assert loopback.nothing_left(there)


def test_a_package_is_verified_there_with_the_words_and_the_code_of_here(there, tmp_path):
    Path("kws.edge").write_bytes(package("so", "onnx"))
    assert called("verify", "kws.edge", "--on", "plain") == called("verify", "kws.edge")
    read = contents.read(package(), "kws.edge")
    (goldens,) = read.goldens().values()
    moved = recordings.dump(replace(goldens, answers=goldens.answers + np.float32(0.01)))
    Path("bad.edge").write_bytes(sealed({**members(package()), "goldens.safetensors": moved}))
    remotely, here = (called("verify", "bad.edge", "--json", *on) for on in (("--on", "plain"), ()))
    assert remotely == here
    assert here[0] == 1
    assert loopback.nothing_left(there)


def test_a_check_brings_back_its_reports_and_the_commit_of_here(there, tmp_path, monkeypatch):
    monkeypatch.setenv("GITHUB_SHA", "c0ffee")
    os.makedirs("models")
    edgernn.save(keyword_spotter(), "models/kws.rnn")
    np.save("frames.npy", np.zeros((50, 10), np.float32))
    np.savetxt("trace.txt", np.arange(300) * 2.0)
    call = ["check", "models/kws.rnn", "--period", "2ms", "--trace", "trace.txt", "--frames", tmp_path / "frames.npy"]
    reports = ["--junit", "junit.xml", "--markdown", "out.md", "--history", "runs.jsonl", "--json"]
    code, out, _ = called(*call, *reports, "--board", "this", "--on", "plain")
    result = json.loads(out)
    assert code == {"PASS": 0, "FAIL": 1, "NO VERDICT": 3}[result["verdict"]]
    assert (result["artifact"]["path"], result["trace"], result["frames"]) == (
        "models/kws.rnn",
        "trace.txt",
        "frames.npy",
    )
    assert result["evaluation"]["steps"] == 300
    assert result["device"] == "this"
    (entry,) = history.load("runs.jsonl")
    assert (entry.name, entry.commit, entry.verdict) == ("models/kws.rnn", "c0ffee", result["verdict"])
    assert "testsuite" in Path("junit.xml").read_text()
    assert result["verdict"] in Path("out.md").read_text()
    assert loopback.nothing_left(there)


@pytest.mark.parametrize(
    ("key", "how"), [(OURS, "file"), (OTHER, "text"), (OURS, "variable")], ids=["file", "text", "variable"]
)
def test_a_key_is_demanded_there(key, how, there, monkeypatch):
    Path("kws.edge").write_bytes(package())
    edgernn.save(keyword_spotter(), "kws.rnn")
    Path("ours.key").write_bytes(dump_secret_key(OURS, None))
    Path("any.pub").write_bytes(dump_public_key(key.public_key))
    for name in ("kws.edge", "kws.rnn"):
        edge("sign", name, "--key", "ours.key")
    option = {"file": ["--key", "any.pub"], "text": ["--key", public_text(key.public_key)], "variable": []}[how]
    if how == "variable":
        monkeypatch.setenv("EDGERNN_KEY", "any.pub")
        bench = called("bench", "kws.rnn", "--steps", "100", "--period", "100us", "--on", "plain")
        assert bench[0] == 0, bench
    remotely, here = (called("verify", "kws.edge", *option, *on) for on in (("--on", "plain"), ()))
    assert remotely == here
    assert here[0] == (0 if key is OURS else 2)


def test_a_secret_key_is_never_sent():
    Path("kws.edge").write_bytes(package())
    Path("ours.key").write_bytes(dump_secret_key(OURS, None))
    call = ("verify", "kws.edge", "--key", "ours.key")
    assert called(*call, "--on", "nowhere.invalid") == called(*call)
    assert called(*call)[0] == 2


def test_an_error_there_is_the_error_of_here(there):
    edgernn.save(keyword_spotter(), "kws.rnn")
    np.save("frames.npy", np.zeros((50, 9), np.float32))
    call = ("check", "kws.rnn", "--period", "2ms", "--frames", "frames.npy")
    assert called(*call, "--on", "plain") == called(*call)
    assert called(*call)[0] == 2
    assert loopback.nothing_left(there)


def test_a_profile_of_a_board_is_sent(there):
    edgernn.save(keyword_spotter(), "kws.rnn")
    profile = Path(edgernn.__file__).parents[1] / "devices" / "raspberrypi4.toml"
    Path("mine.toml").write_bytes(profile.read_bytes())
    call = ("check", "kws.rnn", "--seconds", "0.1", "--rate", "audio", "--json", "--on", "plain")
    assert json.loads(called(*call, "--board", "mine.toml")[1])["device"] == "mine"


# What is sent


def test_every_option_that_names_a_file_is_in_one_table():
    """A new option of these verbs with a file must be copied there, come back, or be refused."""
    for verb in VERBS:
        names = {each.name for each in cli.commands[verb].params if isinstance(each.type, click.Path)}
        tables = (remote.INPUTS, remote.OUTPUTS, remote.REFUSED)
        assert [name for name in names if sum(name in table for table in tables) != 1] == []
    assert {verb for verb, each in cli.commands.items() if any(p.name == "on" for p in each.params)} == VERBS


def test_paths_become_names_below_the_folder_there(tmp_path):
    files = remote.Files({}, {})
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "m.rnn").write_text(folder)
    (tmp_path / "a" / "-x.rnn").write_text("dash")
    os.chdir(tmp_path / "a")
    names = [files.add(path) for path in ("m.rnn", "../b/m.rnn", str(tmp_path / "b" / "m.rnn"), "m.rnn", "./-x.rnn")]
    assert names == ["m.rnn", "1.m.rnn", "2.m.rnn", "m.rnn", "-x.rnn"]
    assert files.data == {"m.rnn": b"a", "1.m.rnn": b"b", "2.m.rnn": b"b", "-x.rnn": b"dash"}


def test_the_wheel_is_what_pip_installs_and_always_the_same(tmp_path):
    data = wheel()
    assert data == wheel()
    Path(NAME).write_bytes(data)
    call = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", "there", NAME]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    call = [
        sys.executable,
        "-P",
        "-c",
        "import edgernn, edgernn.device.board as b; print(edgernn.__file__, *b.names())",
    ]
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "there")}
    printed = subprocess.run(call, capture_output=True, text=True, check=True, env=environment).stdout
    assert printed.startswith(str(tmp_path / "there"))
    assert "raspberrypi4" in printed
    distribution = metadata.Distribution.at(next((tmp_path / "there").glob("*.dist-info")))
    assert distribution.version == edgernn.__version__
    hashed = [each for each in distribution.files if each.hash]
    assert len(hashed) > 100
    for each in hashed:
        digest = sha256(each.locate().read_bytes()).digest()
        assert each.hash.value == base64.urlsafe_b64encode(digest).decode().rstrip("="), each
    assert sorted(distribution.requires) == sorted(metadata.distribution("edgernn").requires)


def test_the_needs_of_artifacts_are_the_runtimes_of_their_suffixes():
    edge_package = package("so", "onnx")
    names = [(each.purpose, each.choices, each.optional) for each in jobs.needs({"a.edge": edge_package}, signed=True)]
    assert names == [
        ("edgernn", (requirements(),), False),
        ("a signature", (requirements("sign"),), False),
        ("a .onnx file", (requirements("ort"),), True),
    ]
    (_, need) = jobs.needs({"a.tflite": b""}, signed=False)
    assert need.choices == (("ai-edge-litert>=2.0",), ("numpy<2", "tflite-runtime>=2.14"))
    assert [each.purpose for each in jobs.needs({"a.so": b"", "a.rnn": b""}, signed=False)] == ["edgernn"]


@pytest.mark.parametrize("shell", ["sh", "bash", "dash", "tcsh", "fish", "busybox"])
def test_every_login_shell_runs_the_command(shell):
    path = shutil.which(shell)
    if path is None:
        pytest.skip(f"{shell} is not installed")
    call = [path, "sh", "-c", ssh.COMMAND] if shell == "busybox" else [path, "-c", ssh.COMMAND]
    done = subprocess.run(call, input=b"print(6 * 7)\0left", capture_output=True, check=False)
    assert (done.stdout, done.stderr) == (b"42\n", b"")


# The environment there


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """A Python with the packages that edgernn needs but tomli-w, and a folder of wheels that has it."""
    folder = tmp_path_factory.mktemp("bare")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "env"], check=True)
    (packages,) = (folder / "env").glob("lib/python*/site-packages")
    for name in ("numpy", "click"):
        for path in {Path(name), *(Path(each.parts[0]) for each in metadata.files(name) if each.parts[0] != "..")}:
            source = metadata.distribution(name).locate_file(path)
            if source.is_dir() and not (packages / path).exists():
                (packages / path).symlink_to(source)
    distribution = metadata.distribution("tomli-w")
    with zipfile.ZipFile(folder / f"tomli_w-{distribution.version}-py3-none-any.whl", "w") as archive:
        for each in distribution.files:
            if each.suffix != ".pyc" and each.name not in {"INSTALLER", "REQUESTED"}:
                archive.write(distribution.locate_file(each), each)
    return folder, loopback.path_of(str(folder / "env" / "bin" / "python3"))


@pytest.fixture
def verify(machine, bare):
    """Verify a package where tomli-w is not installed, with pip as these variables of the environment say."""
    folder, path = bare

    def verified(name, variables):
        top = machine.add(name, {"PATH": path, "PIP_NO_INDEX": "1", **variables})
        Path("kws.edge").write_bytes(package())
        result = called("verify", "kws.edge", "--on", name)
        assert loopback.nothing_left(top)
        return result

    return verified, folder


def test_a_package_that_is_missing_there_is_installed(verify):
    verified, folder = verify
    code, out, _ = verified("with-wheels", {"PIP_FIND_LINKS": str(folder)})
    assert (code, out.splitlines()[-1]) == (0, "PASS")


def test_a_board_without_a_network_says_which_package_it_needs(verify):
    code, _, complaint = verify[0]("offline", {})
    assert code == 2
    assert "edgernn needs click>=8.1 and numpy>=1.24 and tomli-w>=1 there, and pip cannot install it" in complaint
    assert "tomli-w" in complaint.partition("cannot install it")[2]


def test_a_board_without_pip_says_so(verify, tmp_path):
    disabled = tmp_path / "disabled"
    disabled.mkdir()
    (disabled / "pip.py").write_text("raise ImportError")
    (disabled / "ensurepip.py").write_text("raise SystemExit('ensurepip is disabled, as Debian does')")
    code, _, complaint = verify[0]("no-pip", {"PYTHONPATH": str(disabled)})
    assert code == 2
    assert "there is no pip to install it" in complaint
    assert "as Debian does" in complaint


def test_a_runtime_of_a_package_that_cannot_be_installed_is_a_note(machine, bare):
    folder, path = bare
    machine.add("noted", {"PATH": path, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder)})
    Path("kws.edge").write_bytes(package("onnx"))
    code, out, complaint = called("verify", "kws.edge", "--on", "noted")
    assert code == 0, complaint
    assert "a .onnx file does not run there, because pip cannot install it" in complaint
    assert "onnxruntime' is not installed" in out


# Kinds of machines


def test_a_shell_that_prints_what_nobody_asked_for_is_no_obstacle(machine):
    noise = 'echo Welcome; echo warning >&2; echo EDGERNN?; exec sh -c "$SSH_ORIGINAL_COMMAND"'
    top = machine.add("noisy", command=noise)
    Path("kws.edge").write_bytes(package())
    assert called("verify", "kws.edge", "--on", "noisy")[:2] == called("verify", "kws.edge")[:2]
    assert loopback.nothing_left(top)


def test_a_key_of_the_agent_and_a_jump_host_of_the_configuration_work(machine, there, tmp_path, monkeypatch):
    top = machine.add("behind")
    machine.configure("behind", more="  ProxyJump plain", first=True)
    socket = tmp_path / "agent"
    with subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.DEVNULL) as agent:
        try:
            while not socket.exists():
                assert agent.poll() is None
                time.sleep(0.01)
            monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
            subprocess.run(["ssh-add", "-q", machine.folder / "behind"], check=True)
            (machine.folder / "behind").unlink()
            Path("kws.edge").write_bytes(package())
            assert called("verify", "kws.edge", "--on", "behind") == called("verify", "kws.edge")
        finally:
            agent.kill()
    assert machine.log().count("Accepted publickey") >= 2
    assert loopback.nothing_left(top)


def test_a_machine_with_busybox_alone_runs_it(machine, tmp_path):
    busybox = shutil.which("busybox")
    if busybox is None:
        pytest.skip("not installed: busybox-static")
    applets = tmp_path / "applets"
    applets.mkdir()
    subprocess.run([busybox, "--install", "-s", applets], check=True)
    (applets / "python3").write_text(f'#!{applets}/sh\nexec {sys.executable} "$@"\n')
    (applets / "python3").chmod(0o755)
    top = machine.add("busybox", {"PATH": str(applets)}, f"exec {busybox} {loopback.ORIGINAL.removeprefix('exec ')}")
    Path("kws.edge").write_bytes(package())
    assert called("verify", "kws.edge", "--on", "busybox")[:2] == called("verify", "kws.edge")[:2]
    assert loopback.nothing_left(top)


def test_a_damaged_package_is_refused_before_anything_is_sent(machine):
    Path("kws.edge").write_bytes(package()[:-1])
    assert called("verify", "kws.edge", "--on", "nowhere.invalid") == called("verify", "kws.edge")
