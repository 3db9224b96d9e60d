"""The archive of a package: every bit of it counts, and a hostile one is refused before a runtime sees a byte."""

import io
import json
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import edgernn
from edgernn.errors import FileError, UnsupportedError
from edgernn.package import archive, contents
from edgernn.package.archive import MANIFEST, SIGNATURE
from edgernn.runtime import packaged, program as programs
from packages import members, package, sealed, summed

DATA = package()
PARTS = members(DATA)
EXTRA, TIMES = 64 << 20, 4
"""The memory that a refusal may take: so many bytes, and so many times the size of the file."""

NAMES = st.from_regex(r"[a-z0-9][a-z0-9._+-]{0,20}", fullmatch=True).filter(
    lambda name: name not in {MANIFEST, SIGNATURE}
)


@pytest.fixture
def opened(monkeypatch):
    """Open a package from bytes; a runtime that is chosen or gets a byte ends the test."""

    def seen(*_, **__):
        raise AssertionError("a runtime was reached")

    monkeypatch.setattr(programs, "load", seen)
    monkeypatch.setattr(packaged, "best", seen)

    def call(data):
        monkeypatch.setattr(programs.atomic, "read", lambda _: data)
        programs.open("kws.edge")

    return call


def written(entries, comment=b"", **fields):
    """An archive by the standard library, in the form of a package but for some fields of each entry."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as file:
        for name, data in entries:
            info = zipfile.ZipInfo("x")
            info.create_system, info.external_attr = 3, 0o100644 << 16
            info.filename = info.orig_filename = name
            for field, value in fields.items():
                setattr(info, field, value)
            file.writestr(info, data)
        file.comment = comment
    return whole.getvalue()


@settings(max_examples=25)
@given(held=st.dictionaries(NAMES, st.binary(max_size=200), max_size=6), signed=st.booleans())
def test_an_archive_is_what_the_standard_library_writes_and_reads(held, signed):
    held = {**held, MANIFEST: b"{}"} | ({SIGNATURE: b"signed"} if signed else {})
    data = archive.packed(held)
    order = [MANIFEST, *sorted(held.keys() - {MANIFEST, SIGNATURE}), *([SIGNATURE] if signed else [])]
    assert data == written([(name, held[name]) for name in order])
    assert {name: bytes(view) for name, view in archive.unpacked(data, "a").items()} == held
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        assert file.testzip() is None
        assert file.namelist() == order


def test_a_package_opens_where_nothing_was_changed(opened):
    with pytest.raises(AssertionError, match="a runtime was reached"):
        opened(DATA)


def flipped(at):
    changed = bytearray(DATA)
    changed[at // 8] ^= 1 << at % 8
    return bytes(changed)


@pytest.mark.slow
@pytest.mark.parametrize("bit", range(8))
def test_every_single_bit_flip_is_refused(opened, bit):
    for at in range(len(DATA)):
        with pytest.raises(FileError):
            opened(flipped(8 * at + bit))


def test_a_flip_of_each_kind_of_byte_is_refused(opened):
    """Every bit of the last member's header, of the directory and its end; of the rest, one bit of each 23rd byte."""
    central = DATA.index(b"PK\1\2")
    last = DATA.rindex(b"PK\3\4", 0, central)
    heads = [*range(80), *range(last, last + 60), *range(central, len(DATA))]
    for at in (*(8 * byte + bit for byte in heads for bit in range(8)), *range(5, 8 * len(DATA), 8 * 23 + 1)):
        for read in (opened, lambda data: archive.unpacked(data, "kws.edge")):
            with pytest.raises(FileError):
                read(flipped(at))


def test_a_truncation_at_every_length_is_refused(opened):
    for length in range(len(DATA)):
        with pytest.raises(FileError):
            opened(DATA[:length])


def named(name, beside="model.rnn"):
    """The package with one more member of this name."""
    return written([*PARTS.items(), (name, PARTS[beside])])


def patched(at, value, sign=b"PK\1\2", data=DATA):
    """The package with other bytes in the first record of a kind."""
    start = data.index(sign) + at
    return data[:start] + value + data[start + len(value) :]


def overlapping():
    """Two entries of the directory at one local record."""
    central, end = DATA.index(b"PK\1\2"), len(DATA) - 22
    first = DATA[central : DATA.index(b"PK\1\2", central + 4)]
    entries = DATA[central:end] + first.replace(b"manifest.json", b"manifest.jsox")
    return DATA[:central] + entries + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 4, 4, len(entries), central, 0)


def many(count=10**6):
    """A directory of so many entries, with the records of zip64 for their number."""
    entries = (b"PK\1\2" + bytes(24) + struct.pack("<H", 1) + bytes(16) + b"a") * count
    more = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, len(entries), 0)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, len(entries), 1)
    return (
        entries + more + locator + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    )


def streamed():
    """The members with data descriptors, as in an archive that was written to a pipe."""

    class Pipe(io.BytesIO):
        def seekable(self):
            return False

        def tell(self):
            raise OSError

        def seek(self, *_):
            raise OSError

    whole = Pipe()
    with zipfile.ZipFile(whole, "w") as file:
        for name, data in PARTS.items():
            file.writestr(name, data)
    return whole.getvalue()


def deflated():
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in {**PARTS, "zeros.rnn": bytes(10**7)}.items():
            file.writestr(name, data)
    return whole.getvalue()


def commented():
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as file:
        for name, data in PARTS.items():
            info = zipfile.ZipInfo(name)
            info.comment = b"hello"
            file.writestr(info, data)
    return whole.getvalue()


HOSTILE = {
    "a folder above": lambda: named("../kws.rnn"),
    "folders above": lambda: named("a/../../kws.rnn"),
    "an absolute path": lambda: named("/etc/passwd"),
    "a drive": lambda: named("c:kws.rnn"),
    "a backslash": lambda: named("..\\kws.rnn"),
    "a NUL": lambda: named("a\0.rnn"),
    "no name": lambda: named(""),
    "a dot": lambda: named("."),
    "two dots": lambda: named(".."),
    "a folder": lambda: named("a/"),
    "a space": lambda: named("a b.rnn"),
    "an escape of a terminal": lambda: named("a\x1b[2J"),
    "a long name": lambda: named("a" * 1000),
    "a name in another alphabet": lambda: named("мodel.rnn"),
    "a name that differs in case": lambda: named("Model.rnn"),
    "a member twice": lambda: named("model.rnn"),
    "the manifest twice": lambda: named(MANIFEST, beside=MANIFEST),
    "a member after the signature": lambda: written([*PARTS.items(), (SIGNATURE, b"a"), ("zzz", b"a")]),
    "another order": lambda: written([*PARTS.items()][::-1]),
    "no manifest": lambda: written([("model.rnn", b"a")]),
    "a link": lambda: written(PARTS.items(), external_attr=0o120777 << 16),
    "a program": lambda: written(PARTS.items(), external_attr=0o100755 << 16),
    "a comment": lambda: written(PARTS.items(), comment=b"hello"),
    "a comment of a member": commented,
    "an extra field": lambda: written(PARTS.items(), extra=b"\1\0\2\0ab"),
    "another date": lambda: written(PARTS.items(), date_time=(2026, 1, 1, 0, 0, 0)),
    "another system": lambda: written(PARTS.items(), create_system=0),
    "compressed members": deflated,
    "data descriptors": streamed,
    "bytes in front": lambda: b"MZ" + DATA,
    "bytes behind": lambda: DATA + b"\0",
    "two packages": lambda: DATA + DATA,
    "overlapping records": overlapping,
    "10 GB declared": lambda: patched(20, struct.pack("<2L", 0xFFFFFFFF, 0xFFFFFFFF)),
    "10 GB declared in both places": lambda: patched(
        18,
        struct.pack("<2L", 0xFFFFFFFF, 0xFFFFFFFF),
        b"PK\3\4",
        patched(20, struct.pack("<2L", 0xFFFFFFFF, 0xFFFFFFFF)),
    ),
    "10 GB in zip64": lambda: written(PARTS.items(), extra=struct.pack("<2H2Q", 1, 16, 10**10, 10**10)),
    "a size that is smaller": lambda: patched(20, struct.pack("<2L", 1, 1)),
    "an offset beyond the end": lambda: patched(42, struct.pack("<L", 1 << 31)),
    "a million members": many,
    "300 members": lambda: written([*PARTS.items(), *((f"x{i:03}", b"") for i in range(300))]),
    "nothing": lambda: b"",
    "an end alone": lambda: struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0, 0, 0, 0, 0),
    "no zip": lambda: PARTS["model.rnn"],
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_archive_is_refused_with_little(case, opened):
    data = HOSTILE[case]()
    tracemalloc.start()
    try:
        with pytest.raises(FileError, match=r"'kws\.edge'"):
            opened(data)
        assert tracemalloc.get_traced_memory()[1] < EXTRA + TIMES * len(data)
    finally:
        tracemalloc.stop()


REASONS = {
    "a folder above": r"a member is called b'\.\./kws\.rnn'; expected lower-case letters",
    "a member twice": "member 'model.rnn' comes after 'model.rnn'; expected each once, by name",
    "a million members": "it has 65,535 members; expected 1 to 256",
    "no manifest": r"it begins with 'model\.rnn'; expected manifest\.json",
    "10 GB declared in both places": r"member 'manifest\.json' would end at byte 4,294,967,338",
    "a link": r"byte [\d,]+ is not what a package has there",
    "nothing": "it may be truncated",
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("case", REASONS)
def test_a_refusal_has_the_true_reason(case):
    with pytest.raises(FileError, match=REASONS[case]):
        archive.unpacked(HOSTILE[case](), "kws.edge")


@pytest.mark.parametrize("name", ["../a", "A", "", "a/b", "a" * 101, "ä", "-a"])
def test_a_name_that_no_reader_takes_is_not_written(name):
    with pytest.raises(UnsupportedError, match="cannot be the name of a member"):
        archive.packed({MANIFEST: b"{}", name: b""})


def manifest(**fields):
    return lambda: sealed(PARTS, lambda stated: stated.update(fields))


def artifact(**fields):
    return lambda: sealed(PARTS, lambda stated: stated["artifacts"][0].update(fields))


def contract(**fields):
    return lambda: sealed(PARTS, lambda stated: stated["contract"].update(fields))


def swapped():
    """Two members in each other's place, with hashes of the archive that match."""
    return archive.packed(
        {**PARTS, "model.rnn": PARTS["goldens.safetensors"], "goldens.safetensors": PARTS["model.rnn"]}
    )


def unsummed(change):
    stated = PARTS[MANIFEST]
    return lambda: archive.packed({**PARTS, MANIFEST: change(stated)})


LIES = {
    "a later format": (manifest(**{"edgernn.package": "2"}), "has format '2'; this edgernn reads format 1"),
    "a field that is new": (manifest(colour="red"), "colour"),
    "a name of two lines": (manifest(name="a\nb"), "cannot be printed"),
    "a name that is a number": (manifest(name=7), "'name' is 7; expected a text"),
    "no artifact": (manifest(artifacts=[]), r"expected model\.rnn among them"),
    "an artifact that is missing": (
        lambda: sealed(
            PARTS, lambda stated: stated["artifacts"].append({**stated["artifacts"][0], "file": "model.so"})
        ),
        "expected its artifacts",
    ),
    "a member that is not listed": (
        lambda: archive.packed({**PARTS, "more.rnn": b"a"}),
        r"member 'more\.rnn' of 'kws\.edge' is not in its manifest",
    ),
    "a member that is missing": (
        lambda: archive.packed({name: data for name, data in PARTS.items() if name != "goldens.safetensors"}),
        r"member 'goldens\.safetensors' of 'kws\.edge' is missing",
    ),
    "a member that was altered": (
        lambda: archive.packed({**PARTS, "model.rnn": PARTS["model.rnn"][:-1] + b"\0"}),
        r"member 'model\.rnn' of 'kws\.edge' was altered",
    ),
    "members that were swapped": (swapped, "was altered"),
    "an artifact that is preferred and is none": (manifest(preferred=["a.onnx"]), "it prefers a.onnx"),
    "no tolerance": (artifact(tolerance={}), "no tolerance"),
    "a negative tolerance": (artifact(tolerance={"y": -1.0, "gru.h": 1.0}), "no tolerance"),
    "a tolerance of a text": (artifact(tolerance={"y": "1"}), "tolerance"),
    "a budget without a period": (manifest(budgets={"this": {}}), "period_us"),
    "a deadline after the period": (manifest(budgets={"this": {"period_us": 1.0, "deadline_us": 2.0}}), "exceeds"),
    "a width of 2^50": (contract(inputs=1 << 50), "'inputs' has"),
    "a contract of a window": (contract(window="steps"), "not that of a graph that streams"),
    "a checksum that does not match": (
        unsummed(lambda data: data.replace(b'"kws"', b'"kwt"')),
        "checksum does not match",
    ),
    "no checksum": (unsummed(lambda _: b"{}"), "has no checksum of edgernn"),
    "no manifest in it": (unsummed(lambda _: summed({})), "not one of a package"),
    "a manifest nested deep": (
        unsummed(lambda _: summed({"a": json.loads("[" * 40 + "]" * 40)})),
        "nested more than 32 deep",
    ),
    "a manifest without end": (unsummed(lambda _: summed({"a": "x" * (1 << 22)})), "expected 2,097,152 at most"),
}


@pytest.mark.parametrize("case", LIES)
def test_a_manifest_that_lies_is_refused_before_a_runtime_sees_a_byte(case, opened):
    make, reason = LIES[case]
    data = make()
    tracemalloc.start()
    try:
        with pytest.raises(FileError, match=reason):
            opened(data)
        assert tracemalloc.get_traced_memory()[1] < EXTRA + TIMES * len(data)
    finally:
        tracemalloc.stop()


def test_members_are_views_of_the_file():
    """No copy of a member is made until one is asked for: an artifact of 100 MB takes its own size alone."""
    views = archive.unpacked(DATA, "kws.edge").values()
    whole = np.frombuffer(DATA, np.uint8)
    assert all(np.shares_memory(np.frombuffer(view, np.uint8), whole) for view in views)
    assert contents.read(DATA, "kws.edge").bytes_of("model.rnn") == PARTS["model.rnn"]


def test_what_is_no_package_is_refused_with_its_name(tmp_path):
    (tmp_path / "kws.edge").write_bytes(PARTS["model.rnn"])
    with pytest.raises(FileError, match=r"kws\.edge' is not a whole package of edgernn: .* copy it again"):
        edgernn.open(tmp_path / "kws.edge")
