"""Files of minisign: the public tool reads ours and we read its, and no altered bit of one passes."""

import base64
import shutil
import subprocess
from dataclasses import replace

import pytest
from hypothesis import given, settings, strategies as st

from edgernn.errors import FileError, SignatureError
from edgernn.package import minisign
from edgernn.package.minisign import PublicKey, SignatureFile
from edgernn.package.secret_key import SENSITIVE, Cost, SecretKey, dump_secret_key, parse_secret_key
from edgernn.package.signature import comment_of, fields_of, generate, public_half, sign, verify

WIDE, NARROW = Cost(1 << 20, 1 << 20), Cost(1 << 15, 1 << 24)
"""Cheap limits of scrypt, one for each way in which libsodium chooses its parameters."""

SEED = bytes(range(100, 132))
KEY = SecretKey(b"edge key", SEED, public_half(SEED))
DATA = b'{"name": "kws", "members": {}}\n'
COMMENT = "name=kws version=1.2.0"
SIGNED = sign(DATA, KEY, COMMENT, "k.key")
TYPES = (FileError, SignatureError)


def never() -> str:
    raise AssertionError("a password is asked for")


@pytest.fixture
def tool(tmp_path):
    """The public tool in an empty folder: a call with arguments and lines of standard input."""
    program = shutil.which("minisign")
    if program is None:
        pytest.skip("the public minisign is not installed")

    def call(*arguments, lines="", code=0):
        run = subprocess.run(
            [program, *arguments], cwd=tmp_path, input=lines, capture_output=True, text=True, check=False
        )
        assert run.returncode == code, run.stderr
        return run.stdout

    return call


@pytest.mark.parametrize("cost", [None, WIDE, NARROW])
def test_the_public_tool_takes_our_keys_and_signatures(cost, tool, tmp_path):
    password = None if cost is None else "päss word"
    (tmp_path / "k.key").write_bytes(dump_secret_key(KEY, password, cost or SENSITIVE))
    (tmp_path / "k.pub").write_bytes(minisign.dump_public_key(KEY.public_key))
    (tmp_path / "f").write_bytes(DATA)
    (tmp_path / "f.minisig").write_bytes(SIGNED)
    assert f"Trusted comment: {COMMENT}\n" in tool("-V", "-m", "f", "-p", "k.pub")
    assert tool("-V", "-Q", "-m", "f", "-P", minisign.public_text(KEY.public_key)).strip() == COMMENT
    lines = f"{password}\n" if password else ""
    tool("-R", "-s", "k.key", "-p", "again.pub", lines=lines)
    assert (tmp_path / "again.pub").read_bytes() == (tmp_path / "k.pub").read_bytes()
    for options, prehashed in (([], True), (["-l"], False)):
        tool("-S", *options, "-s", "k.key", "-m", "f", lines=lines)
        checked = verify(DATA, (tmp_path / "f.minisig").read_bytes(), KEY.public_key, "f")
        assert checked.prehashed is prehashed
    (tmp_path / "f").write_bytes(DATA + b" ")
    (tmp_path / "f.minisig").write_bytes(SIGNED)
    tool("-V", "-m", "f", "-p", "k.pub", code=1)


def test_we_take_the_keys_and_signatures_of_the_public_tool(tool, tmp_path):
    tool("-G", "-W", "-s", "k.key", "-p", "k.pub")
    public = minisign.parse_public_key((tmp_path / "k.pub").read_bytes(), "k.pub")
    assert minisign.dump_public_key(public) == (tmp_path / "k.pub").read_bytes()
    secret = parse_secret_key((tmp_path / "k.key").read_bytes(), "k.key", never)
    assert secret.public_key == public
    (tmp_path / "f").write_bytes(DATA)
    for options in ([], ["-l"]):
        tool("-S", *options, "-s", "k.key", "-m", "f", "-t", COMMENT, "-c", "mine")
        data = (tmp_path / "f.minisig").read_bytes()
        assert verify(DATA, data, public, "f").trusted_comment == COMMENT
        assert minisign.dump_signature(minisign.parse_signature(data, "f")) == data
    assert minisign.parse_signature(sign(DATA, secret, COMMENT, "k"), "f").signature  # signs with what was read


@pytest.mark.slow
def test_a_key_that_the_public_tool_encrypted_needs_its_password(tool, tmp_path):
    tool("-G", "-s", "k.key", "-p", "k.pub", lines="secret\nsecret\n")
    data = (tmp_path / "k.key").read_bytes()
    public = minisign.parse_public_key((tmp_path / "k.pub").read_bytes(), "k.pub")
    secret = parse_secret_key(data, "k.key", lambda: "secret")
    assert verify(DATA, sign(DATA, secret, COMMENT, "k.key"), public, "f").trusted_comment == COMMENT
    limits = base64.b64decode(data.splitlines()[1])[38:54]
    assert Cost(int.from_bytes(limits[:8], "little"), int.from_bytes(limits[8:], "little")) == SENSITIVE


@pytest.mark.parametrize("data", [SIGNED, SIGNED.rstrip(b"\n")], ids=["whole", "without the last line's end"])
def test_no_altered_bit_of_a_signature_passes(data):
    """Whoever alters the untrusted comment alters nothing else: nobody signs it, and nothing depends on it."""
    untrusted = range(len(minisign.UNTRUSTED), data.index(b"\n"))
    expected = verify(DATA, data, KEY.public_key, "f")
    for at in range(len(data)):
        for bit in range(8):
            altered = bytearray(data)
            altered[at] ^= 1 << bit
            if at in untrusted:
                try:
                    assert verify(DATA, bytes(altered), KEY.public_key, "f") == expected
                except FileError:
                    continue
            else:
                with pytest.raises(TYPES):
                    verify(DATA, bytes(altered), KEY.public_key, "f")


def test_no_altered_bit_of_the_data_passes():
    for at in range(len(DATA)):
        for bit in range(8):
            altered = bytearray(DATA)
            altered[at] ^= 1 << bit
            with pytest.raises(SignatureError, match="'f' or its signature was altered"):
                verify(bytes(altered), SIGNED, KEY.public_key, "f")


def test_no_part_of_a_file_passes():
    for data, parse in (
        (SIGNED.rstrip(b"\n"), minisign.parse_signature),
        (minisign.dump_public_key(KEY.public_key).rstrip(b"\n"), minisign.parse_public_key),
        (dump_secret_key(KEY, None).rstrip(b"\n"), lambda data, name: parse_secret_key(data, name, never)),
    ):
        parse(data, "f")
        for length in range(len(data)):
            with pytest.raises(FileError, match="'f' is no"):
                parse(data[:length], "f")


def test_a_signature_of_another_kind_or_key_is_refused():
    parsed = minisign.parse_signature(SIGNED, "f")
    other = generate()
    for changed in (replace(parsed, prehashed=False), replace(parsed, trusted_comment=COMMENT + "1")):
        with pytest.raises(SignatureError, match="altered"):
            verify(DATA, minisign.dump_signature(changed), KEY.public_key, "f")
    with pytest.raises(SignatureError, match=rf"the key {KEY.public_key}; expected the key {other.public_key}"):
        verify(DATA, SIGNED, other.public_key, "f")
    with pytest.raises(SignatureError, match="altered"):  # a key with the id of ours
        verify(DATA, SIGNED, replace(other.public_key, id=KEY.id), "f")
    empty = minisign.parse_signature(sign(b"", KEY, COMMENT, "k"), "g")
    mixed = replace(parsed, global_signature=empty.global_signature)
    with pytest.raises(SignatureError, match="altered"):  # the signatures of two files, each of them right
        verify(DATA, minisign.dump_signature(mixed), KEY.public_key, "f")


NO_KEY = {
    "nothing": (b"", "a line of base64 has 0 bytes; expected 42"),
    "no base64": (b"RW!!\n", "a line that should be base64 is none"),
    "no text": (b"\xff\n", "byte 0 is no UTF-8"),
    "a line more": (minisign.dump_public_key(KEY.public_key) + b"\n", "it has 3 lines; expected 2"),
    "another algorithm": (base64.b64encode(b"Ec" + bytes(40)), "its algorithm is b'Ec'"),
    "without end": (b"A" * (minisign.LONGEST + 1), "it has more than 16,384 bytes"),
    "a long comment": (b"untrusted comment: " + b"a" * 1024 + b"\nRW", "its comment has more than 1,024 bytes"),
    "a comment for the terminal": (b"untrusted comment: \x1b[2J\nRW", "a character that cannot be printed"),
    "another spelling": (minisign.public_text(KEY.public_key).encode() + b"=", "a line of base64 does not end as it should"),
}  # fmt: skip


@pytest.mark.parametrize("case", NO_KEY)
def test_a_file_that_is_no_public_key_says_why(case):
    data, reason = NO_KEY[case]
    with pytest.raises(FileError, match=r"'k\.pub' is no public key of minisign") as error:
        minisign.parse_public_key(data, "k.pub")
    assert reason in str(error.value)


BYTES = st.binary
LINES = st.text(st.characters(categories=["L", "N", "P"], include_characters=" \t="), max_size=40)


@settings(max_examples=100)
@given(st.builds(SignatureFile, BYTES(min_size=8, max_size=8), BYTES(min_size=64, max_size=64), LINES, BYTES(min_size=64, max_size=64), st.booleans(), LINES))  # fmt: skip
def test_a_signature_is_read_as_it_was_written(signature):
    data = minisign.dump_signature(signature)
    parsed = minisign.parse_signature(data, "f")
    assert (parsed, parsed.untrusted_comment) == (signature, signature.untrusted_comment)
    assert minisign.dump_signature(parsed) == data


KEYS = st.builds(SecretKey, *(BYTES(min_size=size, max_size=size) for size in (8, 32, 32)))


@settings(max_examples=15)
@given(KEYS, st.none() | st.text(max_size=20), st.sampled_from([WIDE, NARROW]))
def test_a_key_is_read_as_it_was_written(key, password, cost):
    data = dump_secret_key(key, password, cost)
    assert parse_secret_key(data, "k", never if password is None else lambda: password) == key
    assert minisign.parse_public_key(minisign.dump_public_key(key.public_key), "k") == key.public_key
    assert minisign.parse_public_key(minisign.public_text(key.public_key).encode(), "k") == PublicKey(
        key.id, key.public
    )


PASSWORD = "correct horse"
ENCRYPTED = dump_secret_key(KEY, PASSWORD, NARROW)


def reencoded(data, change):
    """A file of a key whose bytes were changed."""
    comment, text = data.decode().splitlines()
    raw = bytearray(base64.b64decode(text))
    change(raw)
    return f"{comment}\n{base64.b64encode(raw).decode()}\n".encode()


@settings(max_examples=40)
@given(at=st.integers(54, 157), bit=st.integers(0, 7), data=st.sampled_from([ENCRYPTED, dump_secret_key(KEY, None)]))
def test_an_altered_secret_key_is_refused(at, bit, data):
    def flip(raw):
        raw[at] ^= 1 << bit

    with pytest.raises(FileError, match="altered"):
        parse_secret_key(reencoded(data, flip), "k", lambda: PASSWORD)


def test_a_plain_key_whose_halves_differ_does_not_sign():
    with pytest.raises(FileError, match="its secret and its public half do not belong together"):
        sign(DATA, replace(KEY, seed=bytes(32)), COMMENT, "k.key")


def test_a_password_that_would_take_too_much_is_not_tried():
    def limit(raw):
        raw[38:54] = (1 << 63).to_bytes(8, "little") * 2

    with pytest.raises(FileError, match="more time or memory than minisign asks for"):
        parse_secret_key(reencoded(ENCRYPTED, limit), "k", never)


def test_nothing_of_a_secret_is_printed():
    secrets = [
        str(KEY.seed), KEY.seed.hex(), base64.b64encode(KEY.seed).decode().rstrip("="), ENCRYPTED.decode().splitlines()[1][40:],
        dump_secret_key(KEY, None).decode().splitlines()[1][80:120], "päss", PASSWORD,
    ]  # fmt: skip
    texts = [repr(KEY), str(KEY)]
    plain = dump_secret_key(KEY, None)
    for data in (
        ENCRYPTED,
        ENCRYPTED[:-9],
        plain[:-9],
        plain + b"!\n",
        plain.replace(b"RW", b"RX"),
        plain[:-2] + b"!\n",
    ):
        with pytest.raises(FileError) as error:
            parse_secret_key(data, "k", lambda: "päss")
        texts += [str(error.value), repr(error.value), repr(error.value.__cause__)]
    assert len(texts) == 20
    assert not [text for text in texts for each in secrets if each in text]


def test_a_comment_of_several_lines_is_not_signed():
    with pytest.raises(FileError, match="the comment cannot be signed"):
        sign(DATA, KEY, "a\nb", "k")


@given(st.dictionaries(st.sampled_from(["name", "version", "file"]), st.text(min_size=1)))
def test_fields_of_a_comment_are_read_as_they_were_written(fields):
    comment = comment_of(fields)
    assert fields_of(comment) == fields
    assert comment.isascii()
    assert comment.isprintable()
