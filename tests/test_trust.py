"""Where a key is demanded, nothing that it did not sign is parsed or run; keys are made and files signed by the command."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from stat import S_IMODE

import numpy as np
import pytest
from hypothesis import assume, example, given, settings, strategies as st
from packaging.version import Version

import edgernn
from edge import edge
from edgernn.artifact import checksum
from edgernn.errors import FileError, MissingExtraError, SignatureError, UnsupportedError, UsageError
from edgernn.files import atomic
from edgernn.package import trust
from edgernn.package.minisign import dump_public_key, public_text
from edgernn.package.secret_key import dump_secret_key
from edgernn_export import export
from trusted import CHEAP, OTHER, OURS, counted
from zoo import keyword_spotter


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A folder with both keys, `ours` encrypted with the password "pw", and an unsigned `m.rnn`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(trust.VARIABLE, raising=False)
    for name, key, password in (("ours", OURS, "pw"), ("other", OTHER, None)):
        atomic.write(f"{name}.key", dump_secret_key(key, password, CHEAP))
        atomic.write(f"{name}.pub", dump_public_key(key.public_key))
    edgernn.save(keyword_spotter(), "m.rnn")
    return tmp_path


def sign(path, key="ours", version="1.2.0"):
    options = ["--version", version] if version else []
    return edge("sign", path, "--key", f"{key}.key", *options, lines="pw\n")


@pytest.fixture
def loads(monkeypatch):
    return counted(monkeypatch)


def altered():
    """The file with another weight and a right checksum."""
    data = bytearray(Path("m.rnn").read_bytes())
    data[-1] ^= 1
    at = data.index(checksum.KEY.encode()) + len(checksum.KEY) + 3
    data[at : at + 64] = checksum.BLANK.encode()
    atomic.write("m.rnn", checksum.fill(bytes(data)))


REFUSED = {
    "unsigned": (lambda: None, None, SignatureError, r"'m\.rnn' is not signed: there is no 'm\.rnn\.minisig'"),
    "by another key": (lambda: sign("m.rnn", "other"), None, SignatureError, r"signed by the key 2020\w+; expected the key 1010"),
    "altered": (lambda: (sign("m.rnn"), altered()), None, SignatureError, r"'m\.rnn' or its signature was altered"),
    "older": (lambda: sign("m.rnn"), "1.10", SignatureError, r"has the version 1\.2\.0; expected at least 1\.10"),
    "no version": (lambda: sign("m.rnn", version=""), "1", SignatureError, r"is signed without a version; expected up to eight"),
    "no signature": (lambda: atomic.write("m.rnn.minisig", b"x"), None, FileError, "is no signature of minisign: it has 1 lines"),
    "a signature without end": (lambda: atomic.write("m.rnn.minisig", bytes(10**6)), None, FileError, "more than 16,384 bytes"),
    "a folder": (lambda: os.mkdir("m.rnn.minisig"), None, FileError, "cannot be read: Is a directory"),
    "a link to nothing": (lambda: os.symlink("nothing", "m.rnn.minisig"), None, FileError, "cannot be read: No such file"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_a_file_that_the_demanded_key_did_not_sign_is_not_opened(case, loads):
    prepare, min_version, error, reason = REFUSED[case]
    prepare()
    with pytest.raises(error, match=reason):
        edgernn.open("m.rnn", key="ours.pub", min_version=min_version)
    assert not loads.backend
    assert edgernn.open("m.rnn").stream().step(np.zeros(10, np.float32)).shape == (4,)  # nobody demands a key
    assert len(loads.backend) == 1


@pytest.mark.parametrize("form", ["path", "text", "variable", "variable of text", "an argument before the variable"])
def test_a_key_is_demanded_as_a_path_or_text_by_argument_or_environment(form, folder, monkeypatch, loads):
    key, text = None, public_text(OURS.public_key)
    if form == "path":
        key = folder / "ours.pub"
    elif form == "text":
        key = text
    elif form == "an argument before the variable":
        key = "ours.pub"
        monkeypatch.setenv(trust.VARIABLE, "other.pub")
    else:
        monkeypatch.setenv(trust.VARIABLE, text if "text" in form else "ours.pub")
    with pytest.raises(SignatureError, match=f"{'key=' if key else trust.VARIABLE} demands the key {OURS.public_key}"):
        edgernn.open("m.rnn", key=key)
    assert not loads.backend
    sign("m.rnn")
    assert edgernn.open("m.rnn", key=key, min_version="1.2").name == "m.rnn"


WRONG = {
    "an empty key": ({"key": ""}, UsageError, "key= is empty; expected the path"),
    "no such file": ({"key": "no.pub"}, FileError, r"'no\.pub' cannot be read"),
    "the secret key": ({"key": "ours.key"}, FileError, r"'ours\.key' is no public key of minisign"),
    "a version without a key": ({"min_version": "1"}, UsageError, "min_version='1' arrived without a key"),
    "a version of words": ({"key": "ours.pub", "min_version": "new"}, UsageError, "min_version='new' arrived; expected up to"),
    "a number": ({"key": "ours.pub", "min_version": 1.2}, UsageError, r"min_version=1\.2 arrived"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_a_demand_that_says_nothing_is_no_silent_consent(case, loads):
    arguments, error, reason = WRONG[case]
    sign("m.rnn")
    with pytest.raises(error, match=reason):
        edgernn.open("m.rnn", **arguments)
    assert not loads.backend


def test_an_empty_variable_is_no_silent_consent(monkeypatch, loads):
    monkeypatch.setenv(trust.VARIABLE, "")
    with pytest.raises(UsageError, match="EDGERNN_KEY is empty"):
        edgernn.open("m.rnn")
    assert not loads.backend


@pytest.fixture(scope="module")
def signed_library(tmp_path_factory):
    """A compiled step with its signature."""
    folder = tmp_path_factory.mktemp("library")
    export(keyword_spotter(), str(folder / "m.so"))
    atomic.write(folder / "m.key", dump_secret_key(OURS, None))
    edge("sign", folder / "m.so", "--key", folder / "m.key")
    return folder / "m.so"


def mutant_of(data, place, bit):
    """A library with one bit of it altered, and a right checksum where it still has one."""
    mutant = bytearray(data)
    mutant[int(place * len(data))] ^= 1 << bit
    mark = f'"{checksum.KEY}":"'.encode()
    at = mutant.find(mark) + len(mark)
    mutant[at : at + 64] = checksum.BLANK.encode()
    return checksum.fill(bytes(mutant)) if at >= len(mark) else bytes(mutant)


def test_an_altered_library_never_reaches_the_loader(signed_library, loads):
    """Nobody but the signature refuses it: without a key, most of the same files reach the loader of the system."""
    data, key = signed_library.read_bytes(), public_text(OURS.public_key)
    with pytest.raises(FileError, match="the system's loader is reached"):
        edgernn.open(signed_library, key=key)
    assert len(loads.system) == 1
    mutants = []

    @settings(max_examples=60)
    @given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
    def every(place, bit):
        mutant = mutant_of(data, place, bit)
        assume(mutant != data)
        mutants.append(mutant)
        signed_library.write_bytes(mutant)
        with pytest.raises(SignatureError, match="altered"):
            edgernn.open(signed_library, key=key)

    every()
    assert len(loads.system) == 1
    for mutant in mutants:
        signed_library.write_bytes(mutant)
        with pytest.raises((FileError, UnsupportedError)):
            edgernn.open(signed_library)
    assert len(loads.system) > len(mutants) // 2


PARTS = st.lists(st.sampled_from([0, 0, 1, 2, 9, 10, 999_999_999]), min_size=1, max_size=8)
VERSIONS = PARTS.map(lambda parts: ".".join(map(str, parts)))


@example(version="1.2", least="1.2.0")
@example(version="1.9", least="1.10")
@example(version="0.0", least="0")
@given(version=VERSIONS, least=VERSIONS)
def test_versions_are_compared_as_packaging_compares_them(version, least):
    demand = trust.Demand(OURS.public_key, least)
    if Version(version) >= Version(least):
        demand.check_version(version, "m")
    else:
        with pytest.raises(SignatureError, match="expected at least"):
            demand.check_version(version, "m")


@pytest.mark.parametrize(
    "version", ["", "1.", ".1", "v1", "1.2rc1", "1" * 10, "1" + ".1" * 8, "\u0661", "1\n", "-1", "1 "]
)
def test_what_is_no_version_is_older_than_any(version):
    with pytest.raises(SignatureError, match=r"signed without a version|has the version"):
        trust.Demand(OURS.public_key, "0").check_version(version, "m")
    trust.Demand(OURS.public_key).check_version(version, "m")  # no version is demanded
    if version:
        assert "expected up to eight numbers" in edge(
            "sign", "m.rnn", "--key", "ours.key", "--version", version, code=2
        )


def test_without_its_package_a_demand_is_refused_by_the_name_of_the_extra(monkeypatch, loads):
    sign("m.rnn")
    monkeypatch.setitem(sys.modules, "cryptography", None)
    for module in [name for name in sys.modules if name.startswith("cryptography.")]:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=r"verifying a signature needs .* pip install 'edgernn\[sign\]'"):
        edgernn.open("m.rnn", key="ours.pub")
    assert not loads.backend
    assert edgernn.open("m.rnn").name == "m.rnn"


# The command


def test_a_pair_of_keys_signs_and_verifies(folder):
    before = {*folder.iterdir()}
    out = json.loads(edge("keygen", "new", "--json", "--no-password"))
    assert out["files"] == ["new.key", "new.pub"]
    assert [S_IMODE(os.stat(each).st_mode) for each in out["files"]] == [0o600, 0o666 & ~_umask()]
    assert {path.name for path in {*folder.iterdir()} - before} == {"new.key", "new.pub"}
    text = edge("sign", "m.rnn", "--key", "new.key", "--version", "2.0")
    assert text == f"m.rnn.minisig: signed by the key {out['id']}; name=m version=2.0 file=m.rnn\n"
    assert edgernn.open("m.rnn", key=out["public_key"], min_version="2").sha256
    assert edgernn.open("m.rnn", key="new.pub", min_version="2").sha256


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


@pytest.mark.parametrize("existing", ["ours.key", "ours.pub"])
def test_no_key_is_ever_replaced(existing, folder):
    for name in {"ours.key", "ours.pub"} - {existing}:
        os.remove(name)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert f"'{existing}' exists already" in edge("keygen", "ours", "--no-password", code=2)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_key_that_another_process_made_meanwhile_stays(folder, monkeypatch):
    os.remove("ours.key")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    monkeypatch.setattr(atomic, "absent", lambda _: None)
    assert "'ours.pub' cannot be created: File exists" in edge("keygen", "ours", "--no-password", code=2)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_wrong_password_signs_nothing():
    complaint = edge("sign", "m.rnn", "--key", "ours.key", lines="pw2\n", code=2)
    assert complaint == "Error: 'ours.key' cannot be used: the password is wrong, or the file was altered\n"
    complaint = edge("sign", "m.rnn", "--key", "ours.key", code=2)
    assert complaint.startswith("Error: no password arrived; ")
    assert not os.path.exists("m.rnn.minisig")


@pytest.mark.parametrize("case", ["damaged", "of another suffix"])
def test_what_is_no_artifact_is_not_signed(case):
    path = "m.rnn" if case == "damaged" else "m.txt"
    atomic.write(path, b"{}")
    assert (
        "edgernn did not write" in (text := edge("sign", path, "--key", "other.key", code=2))
        or "no backend opens" in text
    )
    assert not os.path.exists(f"{path}.minisig")


TERMINAL = """
import os, sys
os.open(os.ttyname(0), os.O_RDWR)  # the terminal of this session
from edgernn.cli import main
from edgernn.package.secret_key import Cost, dump_secret_key
dump_secret_key.__defaults__ = (Cost(1 << 15, 1 << 24),)  # not the seconds and the gibibyte of a key in use
main(sys.argv[1:])
"""


def test_a_terminal_asks_for_the_password_twice_and_does_not_show_it():
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", TERMINAL, "keygen", "new"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    ) as process:
        os.close(theirs)
        shown = b""
        for prompt in (b"Password: ", b"confirmation: "):
            while not shown.endswith(prompt):
                shown += os.read(ours, 1000)
            os.write(ours, b"hunter\n")
        while b"the public key" not in shown:
            shown += os.read(ours, 1000)
        assert process.wait() == 0
    os.close(ours)
    assert b"hunter" not in shown
    assert edge("sign", "m.rnn", "--key", "new.key", lines="hunter\n")


def test_nothing_of_a_secret_is_printed():
    printed = [edge("keygen", "a", "--no-password"), edge("keygen", "b", "--no-password", "--json")]
    printed += [edge("sign", "m.rnn", "--key", "a.key"), edge("sign", "m.rnn", "--key", "b.key", "--json")]
    printed += [Path("m.rnn.minisig").read_text()]
    for name in ("a", "b"):
        secret = Path(f"{name}.key").read_text().splitlines()[1]
        assert not [text for text in printed for at in range(86, 110) if secret[at : at + 12] in text]
