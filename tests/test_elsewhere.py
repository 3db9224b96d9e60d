"""Libraries for Windows and macOS: what they hold, and that they are called untested unless they ran."""

import json
import os
import shutil
import struct
import subprocess

import pytest

import edgernn
from edge import edge
from edgernn.artifact.checksum import verify
from edgernn.artifact.manifest import parse_manifest
from edgernn.commands.export import FOREIGN
from edgernn.errors import CompilerError, ParityError, UsageError
from edgernn_export import export
from edgernn_export.targets.c import compiler, elsewhere
from zoo import GRAPHS, keyword_spotter

KWS = keyword_spotter(40, 10, 4)
X86_64, ARM64 = 0x8664, 0x100000C  # of winnt.h and mach/machine.h
SYSTEMS = (elsewhere.WINDOWS, elsewhere.MACOS)


@pytest.fixture(autouse=True)
def no_wine(monkeypatch, tmp_path):
    """As where wine was never started, whatever this machine has."""
    monkeypatch.setenv("WINEPREFIX", str(tmp_path / "none"))


@pytest.fixture(scope="module")
def wine(tmp_path_factory):
    """A folder of wine, and its program; its first start fills the folder."""
    program = next(filter(None, map(shutil.which, elsewhere.WINE)), None)
    if program is None:
        pytest.skip("wine is not installed: apt-get install wine64")
    folder = tmp_path_factory.mktemp("wine") / "prefix"
    environment = os.environ | {"WINEPREFIX": str(folder), "WINEDEBUG": "-all"}
    subprocess.run([program, "wineboot"], env=environment, capture_output=True, check=True)
    yield folder
    subprocess.run([program, "wineboot", "--kill"], env=environment, capture_output=True, check=False)


def machine(data):
    """The processor in the header of a library: Portable Executable, or Mach-O."""
    if data[:2] == b"MZ":
        at = struct.unpack_from("<I", data, 0x3C)[0]
        assert data[at : at + 4] == b"PE\0\0"
        return struct.unpack_from("<H", data, at + 4)[0]
    assert struct.unpack_from("<I", data)[0] == 0xFEEDFACF
    return struct.unpack_from("<I", data, 4)[0]


@pytest.mark.parametrize(("system", "processor"), [*zip(SYSTEMS, (X86_64, ARM64), strict=True)])
def test_a_library_for_another_system_is_labelled_untested(system, processor, tmp_path):
    path = tmp_path / f"kws{system.suffix}"
    export(KWS, path)
    assert {each.name for each in tmp_path.iterdir()} == {path.name, "kws.h"}
    data = path.read_bytes()
    verify(data, path.name)
    assert machine(data) == processor
    assert parse_manifest(data, path.name).cpu == f"{system.name}, untested"
    assert b"kws_step" in data
    assert b"kws_step(" in (tmp_path / "kws.h").read_bytes()
    first = data
    export(KWS, path)
    assert path.read_bytes() == first


def test_the_command_says_that_it_is_untested(tmp_path):
    edgernn.save(KWS, tmp_path / "kws.rnn")
    call = ("export", tmp_path / "kws.rnn", tmp_path / "kws.dylib")
    assert "bytes  for aarch64-macos, untested" in edge(*call)
    printed = json.loads(edge(*call, "--json"))
    assert printed["systems"] == {str(tmp_path / "kws.dylib"): "aarch64-macos, untested"}


def test_the_command_knows_every_system():
    assert {system.suffix for system in SYSTEMS} == {*FOREIGN}


def test_wine_runs_the_self_test(wine, tmp_path, monkeypatch):
    monkeypatch.setenv("WINEPREFIX", str(wine))
    export(GRAPHS["stack"], tmp_path / "m.dll")
    assert parse_manifest((tmp_path / "m.dll").read_bytes(), "m").cpu == "x86_64-windows, self-test passed in wine"


def test_a_library_that_computes_something_else_in_wine_is_not_written(wine, tmp_path, monkeypatch):
    monkeypatch.setenv("WINEPREFIX", str(wine))
    original = elsewhere.linked

    def altered(sources, how):
        wrong = {name: text.replace("return f##_line(0.5f, 0.5f,", "return f##_line(0.5f, 0.25f,") for name, text in sources.items()}  # fmt: skip
        assert wrong != sources
        return original(wrong, how)

    monkeypatch.setattr(elsewhere, "linked", altered)
    with pytest.raises(ParityError, match=r"'m.dll' fails its own test in wine \(code 2\)"):
        export(KWS, tmp_path / "m.dll")
    assert not (tmp_path / "m.dll").exists()


@pytest.mark.parametrize("suffix", FOREIGN)
def test_what_is_missing_or_does_not_fit_is_one_line(suffix, tmp_path, monkeypatch):
    with pytest.raises(UsageError, match=rf"board 'raspberrypi5' arrived for '.*m{suffix}'; a {suffix} file has none"):
        export(KWS, tmp_path / f"m{suffix}", device="raspberrypi5")
    monkeypatch.setattr(compiler, "find_spec", lambda name: None)
    with pytest.raises(
        CompilerError, match=rf"'m{suffix}' needs the package 'ziglang': pip install 'edgernn\[native\]'"
    ):
        export(KWS, tmp_path / f"m{suffix}")
    assert [*tmp_path.iterdir()] == []
