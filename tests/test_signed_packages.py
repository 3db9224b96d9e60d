"""A signed package: the public tool verifies its manifest, and whatever was altered is refused before it is read."""

import json
import shutil
import subprocess
import zipfile
from hashlib import sha256

import pytest
from hypothesis import given, settings, strategies as st

import edgernn
from edge import edge
from edgernn.artifact import checksum
from edgernn.errors import EdgernnError, FileError, SignatureError, UnsupportedError
from edgernn.files import atomic
from edgernn.package import archive, manifest as manifests, trust
from edgernn.package.archive import MANIFEST, SIGNATURE
from edgernn.package.minisign import dump_public_key, public_text
from edgernn.package.secret_key import dump_secret_key
from edgernn_export import PackageOptions, export
from trusted import OTHER, OURS, counted
from zoo import keyword_spotter

KEY = public_text(OURS.public_key)


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """The bytes of a package with a library: unsigned, signed, signed by another key, and an earlier version, signed."""
    folder = tmp_path_factory.mktemp("packages")
    for name, key in (("ours", OURS), ("other", OTHER)):
        atomic.write(folder / f"{name}.key", dump_secret_key(key, None))
    unsigned = {}
    for name, version in (("new", "1.10.0"), ("old", "1.9")):
        path = folder / f"{name}.edge"
        export(keyword_spotter(), path, package=PackageOptions(to=("so",), name="kws", model_version=version))
        unsigned[name] = path.read_bytes()

    def signed(name, key):
        path = folder / f"{name}.{key}.edge"
        path.write_bytes(unsigned[name])
        edge("sign", path, "--key", folder / f"{key}.key")
        return path.read_bytes()

    return {
        "unsigned": unsigned["new"],
        "ours": signed("new", "ours"),
        "other": signed("new", "other"),
        "old": signed("old", "ours"),
    }


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(trust.VARIABLE, raising=False)


@pytest.fixture
def loads(monkeypatch):
    return counted(monkeypatch)


def written(data):
    atomic.write("kws.edge", data)
    return "kws.edge"


def test_the_public_tool_verifies_the_manifest_of_a_package(packages, tmp_path):
    with zipfile.ZipFile(written(packages["ours"])) as file:
        assert file.namelist()[0] == MANIFEST
        assert file.namelist()[-1] == SIGNATURE
        file.extractall(tmp_path)
    atomic.write("k.pub", dump_public_key(OURS.public_key))
    if shutil.which("minisign") is None:
        pytest.skip("the public minisign is not installed")
    call = ["minisign", "-V", "-Q", "-m", MANIFEST, "-p", "k.pub"]
    comment = subprocess.run(call, check=True, capture_output=True, text=True).stdout
    assert comment.strip() == f"name=kws version=1.10.0 file={MANIFEST}"


def test_a_manifest_that_the_public_tool_signed_is_trusted(packages, tmp_path):
    if shutil.which("minisign") is None:
        pytest.skip("the public minisign is not installed")
    members = {name: bytes(each) for name, each in archive.unpacked(packages["unsigned"], "p").items()}
    atomic.write(MANIFEST, members[MANIFEST])
    atomic.write("k.key", dump_secret_key(OURS, None))
    subprocess.run(["minisign", "-S", "-m", MANIFEST, "-s", "k.key"], check=True, capture_output=True)
    path = written(archive.packed(members | {SIGNATURE: (tmp_path / SIGNATURE).read_bytes()}))
    assert edgernn.open(path, key=KEY, min_version="1.10").manifest.outputs == 4


def test_signing_changes_the_signature_alone_and_again_gives_the_same_bytes(packages):
    members = archive.unpacked(packages["ours"], "p")
    unsigned = archive.unpacked(packages["unsigned"], "p")
    assert {name: each for name, each in members.items() if name != SIGNATURE} == unsigned
    atomic.write("k.key", dump_secret_key(OURS, None))
    out = json.loads(edge("sign", written(packages["other"]), "--key", "k.key", "--json"))
    assert out["file"] == "kws.edge"
    with open("kws.edge", "rb") as file:
        assert file.read() == packages["ours"]


def forged(packages):
    """Another library, with its hash in the manifest and a right checksum there; the old signature."""
    members = {name: bytes(each) for name, each in archive.unpacked(packages["ours"], "p").items()}
    (library,) = (name for name in members if name.endswith(".so"))
    hostile = bytearray(members[library])
    hostile[-1] ^= 1
    hostile[(at := hostile.index(checksum.KEY.encode()) + len(checksum.KEY) + 3) : at + 64] = checksum.BLANK.encode()
    members[library] = checksum.fill(bytes(hostile))
    stated = members[MANIFEST].replace(
        sha256(archive.unpacked(packages["ours"], "p")[library]).hexdigest().encode(),
        sha256(members[library]).hexdigest().encode(),
    )
    at = stated.index(checksum.KEY.encode()) + len(checksum.KEY) + 3
    members[MANIFEST] = checksum.fill(stated[:at] + checksum.BLANK.encode() + stated[at + 64 :])
    return archive.packed(members)


def transplanted(packages):
    """The signature of the earlier version, by the right key."""
    old = archive.unpacked(packages["old"], "p")
    return archive.packed({**archive.unpacked(packages["ours"], "p"), SIGNATURE: old[SIGNATURE]})


REFUSED = {
    "unsigned": (
        lambda packages: packages["unsigned"],
        "it has no manifest.json.minisig, and key= demands the key 1010",
    ),
    "signed by another key": (lambda packages: packages["other"], "signed by the key 2020"),
    "forged": (forged, "or its signature was altered"),
    "with another signature": (transplanted, "or its signature was altered"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_package_that_the_key_did_not_sign_is_refused_before_its_manifest_is_parsed(
    case, packages, loads, monkeypatch
):
    prepare, reason = REFUSED[case]
    path, parsed, parse = written(prepare(packages)), [], manifests.parse
    monkeypatch.setattr(manifests, "parse", lambda *arguments: parsed.append(arguments) or parse(*arguments))
    with pytest.raises(SignatureError, match=reason):
        edgernn.open(path, key=KEY)
    assert reason in edge("verify", path, "--key", _public(), code=2).replace("EDGERNN_KEY", "key=")
    assert (parsed, loads.backend, loads.system) == ([], [], [])
    with pytest.raises(FileError, match="the system's loader is reached"):  # nobody demands a key
        edgernn.open(path)
    assert len(parsed) == len(loads.system) == 1


def _public():
    atomic.write("k.pub", dump_public_key(OURS.public_key))
    return "k.pub"


def test_an_older_package_is_refused_before_it_is_loaded(packages, loads):
    path = written(packages["old"])
    reason = r"'kws\.edge' has the version 1\.9; expected at least 1\.10"
    with pytest.raises(SignatureError, match=reason):
        edgernn.open(path, key=KEY, min_version="1.10")
    assert "1.9; expected at least 1.10" in edge("verify", path, "--key", _public(), "--min-version", "1.10", code=2)
    assert loads.backend == []
    with pytest.raises(FileError, match="the system's loader is reached"):
        edgernn.open(path, key=KEY, min_version="1.9")


def test_no_altered_bit_of_a_signed_package_reaches_a_runtime(packages, loads):
    data = packages["ours"]

    @settings(max_examples=100)
    @given(at=st.integers(0, len(data) - 1), bit=st.integers(0, 7))
    def every(at, bit):
        altered = bytearray(data)
        altered[at] ^= 1 << bit
        with pytest.raises(EdgernnError):
            edgernn.open(written(altered), key=KEY)

    every()
    assert (loads.backend, loads.system) == ([], [])


def test_the_members_of_a_signed_package_are_those_of_its_manifest(packages, loads):
    """One that the signed manifest does not list, or lists with another hash."""
    members = {name: bytes(each) for name, each in archive.unpacked(packages["ours"], "p").items()}
    for change in ({"more.so": b"code"}, {manifests.GRAPH: members[manifests.GRAPH] + b"\0"}):
        with pytest.raises(FileError, match=r"is not in its manifest|does not have the SHA-256"):
            edgernn.open(written(archive.packed(members | change)), key=KEY)
    assert loads.backend == []


def test_verify_says_who_signed_and_whether_that_was_verified(packages, monkeypatch):
    def signature(*options):
        findings = json.loads(edge("verify", "kws.edge", "--json", *options))["findings"]
        return next((each["passed"], each["text"]) for each in findings if each["name"] == "signature")

    written(packages["unsigned"])
    assert signature() == (None, "it is not signed")
    written(packages["ours"])
    by = f"by the key {OURS.public_key}: name=kws version=1.10.0 file=manifest.json"
    assert signature() == (None, f"not verified, as no key is given; {by}")
    assert signature("--key", _public()) == (True, by)
    monkeypatch.setenv(trust.VARIABLE, KEY)
    assert signature() == (True, by)


def test_a_package_has_its_own_version(packages):
    atomic.write("k.key", dump_secret_key(OURS, None))
    path = written(packages["unsigned"])
    assert "a package has its version" in edge("sign", path, "--key", "k.key", "--version", "2", code=2)
    with open(path, "rb") as file:
        assert file.read() == packages["unsigned"]


def test_a_damaged_package_is_not_signed(packages):
    atomic.write("k.key", dump_secret_key(OURS, None))
    path = written(packages["unsigned"][:-1])
    assert "is not a whole package" in edge("sign", path, "--key", "k.key", code=2)
    with pytest.raises((FileError, UnsupportedError)):
        edgernn.open(path)
