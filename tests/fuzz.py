"""Damaged and hostile files, made with their structure in mind: every one is read, or refused with an EdgernnError.

A seed damages a valid file: JSON is changed as JSON, a table as a table, and the checksum is computed again, so that
the code behind it is reached. Any other error than an EdgernnError is a fault; so is a warning, and
in the command so are more time and memory than taken.py allows.

    python tests/fuzz.py rnn --count 100000        # from --seed on; prints the seed of every fault
    python tests/fuzz.py rnn --seed 4711 --count 1  # one of them again

A damaged .onnx, .tflite or .so has another manifest here, and an unchanged graph: fuzz_runtimes.py damages that.
"""

import argparse
import fnmatch
import importlib
import io
import json
import resource
import struct
import sys
import tempfile
import traceback
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random

import numpy as np

import adoptable
import edgernn
import edgernn_export
import keras_files
import mutants
import onnx_files
import packages
from damage import BYTES, NUMBERS, changed, flipped, several, summed, text_of
from edgernn.artifact import checksum
from edgernn.artifact.rnn import dumps
from edgernn.device import board
from edgernn.device.runtimes import opening
from edgernn.errors import EdgernnError, SignatureError
from edgernn.files import arrays, frames, temporary
from edgernn.latency import arrivals, baseline
from edgernn.model.graph import Graph
from edgernn.model.layer import Layer
from edgernn.package import contents, minisign
from edgernn.package.minisign import public_text
from edgernn.package.secret_key import SecretKey, dump_secret_key, parse_secret_key
from edgernn.package.signature import public_half, sign
from edgernn.passes.calibrate import calibrate
from edgernn.passes.quantize import quantize
from edgernn.runtime import packaged, program as programs
from edgernn.runtime.goldens import replay
from edgernn.train import catalog, recipe
from edgernn.train.data import npz
from edgernn.train.evaluate import known
from edgernn_export.sources.foreign.options import ImportOptions
from edgernn_export.sources.keras.read import read as read_keras
from edgernn_export.translate import render
from taken import EXTRA, SECONDS, TIMES, begin
from trusted import OURS
from zoo import GRAPHS, frames as random_frames, keyword_spotter


@cache
def graphs() -> dict[str, Graph]:
    """Graphs of every kind of file: plain, quantized, sparse, with symbols, with features."""
    kws = keyword_spotter()
    sparse = Graph(
        (Layer("d", replace(GRAPHS["Dense"].layers[0].cell, w=edgernn.Tensor(np.eye(64, dtype=np.float32)), b=None)),),
        64,
    )
    static = quantize(calibrate(kws, [random_frames(kws, 50)]), "static_wi8_ai8")
    schemes = {scheme: quantize(kws, scheme) for scheme in ("fp16", "dynamic_wi8_afp32", "weight_only_wi4_afp32")}
    return {
        "kws": kws,
        "sparse": sparse,
        "static": static,
        **schemes,
        **{name: GRAPHS[name] for name in ("Embedding", "LogMel", "Gru rest", "stack")},
    }


@cache
def artifact_of(suffix: str, name: str = "kws") -> bytes:
    return dumps(graphs()[name]) if suffix == ".rnn" else render(graphs()[name], f"m{suffix}")[f"m{suffix}"]


def rnn(random: Random) -> bytes:
    data = artifact_of(".rnn", random.choice([*graphs()]))
    length = int.from_bytes(data[:8], "little")
    header, body = json.loads(data[8 : 8 + length]), data[8 + length :]
    if random.random() < 0.6:
        description = json.loads(header["__metadata__"]["edgernn.graph"])
        header["__metadata__"]["edgernn.graph"] = text_of(several(changed, description, random), random)
    else:
        header = several(changed, header, random)
    if random.random() < 0.2:
        body = flipped(body, random)
    text = text_of(header, random).encode("utf-8", "surrogatepass")
    length = len(text) if random.random() < 0.97 else random.choice(NUMBERS) % (1 << 64)
    return summed(struct.pack("<Q", length) + text + body)


def opened(suffix: str) -> Callable[[bytes], object]:
    def read(data: bytes) -> object:
        program = programs.load(data, f"m{suffix}", opening(f"m{suffix}").backend)
        stream, manifest = program.stream(), program.manifest
        return stream.step(np.zeros(manifest.inputs, "int32" if manifest.vocabulary_size else "float32"))

    return read


@cache
def adopted_of(suffix: str) -> bytes:
    """A file of another tool, adopted."""
    data = adoptable.tflite_mixer() if suffix == ".tflite" else adoptable.echo()
    with temporary.directory() as folder:
        path, out = folder / f"m{suffix}", folder / f"a{suffix}"
        path.write_bytes(data)
        edgernn_export.adopt(path, out, constants={"gain": 0.5} if suffix == ".tflite" else {})
        return out.read_bytes()


@cache
def foreign_of(suffix: str) -> tuple[bytes, ...]:
    """Files of another tool."""
    del suffix
    with temporary.directory() as folder:
        files = [onnx_files.stepwise(folder / "a.onnx"), onnx_files.tanh_step(folder / "b.onnx", loop=True)]
        return tuple(path.read_bytes() for path in files)


def foreign(suffix: str) -> Callable[[Random], bytes]:
    """A file of another tool with damaged bytes."""
    return lambda random: flipped(random.choice(foreign_of(suffix)), random)


def imported(path: Path) -> object:
    source = importlib.import_module("edgernn_export.sources.onnx.read")
    return source.read(str(path), ImportOptions())


def artifact(suffix: str, read: Callable[[str], bytes] = artifact_of) -> Callable[[Random], bytes]:
    """An artifact with a damaged manifest of the same length."""

    def make(random: Random) -> bytes:
        data = read(suffix)
        start = data.index(f'{{"{checksum.KEY}":"'.encode())
        manifest, end = json.JSONDecoder().raw_decode(data[start:].decode("latin-1"))
        if random.random() < 0.5:
            manifest["edgernn.labels"] = []  # leaves room
        text = text_of(several(changed, manifest, random), random).encode("utf-8", "surrogatepass")
        return summed(data[:start] + text.ljust(end)[:end] + data[start + end :])

    return make


def edge(random: Random) -> bytes:
    """A package with a damaged manifest, graph or goldens, or with other members, whose hashes match all the same.

    Every other one has several precisions.
    """
    data = random.choice((packages.package, packages.several))()
    held, how = packages.members(data), random.randrange(8)
    if how < 4:
        return packages.sealed(held, lambda stated: several(changed, stated, random))
    graph, goldens = (random.choice([*fnmatch.filter(held, name)]) for name in ("*.rnn", "goldens.*"))
    if how == 4:
        held[graph] = rnn(random)
    elif how == 5:
        data = held[goldens]
        length = int.from_bytes(data[:8], "little")
        header = several(changed, json.loads(data[8 : 8 + length]), random)
        text = text_of(header, random).encode("utf-8", "surrogatepass")
        held[goldens] = struct.pack("<Q", len(text)) + text + flipped(data[8 + length :], random)
    elif how == 6:
        held[random.choice(("a.onnx", "zzz", graph, goldens))] = flipped(held["model.rnn"], random)
    else:
        return flipped(packages.sealed(held), random)
    return packages.sealed(held)


def verified(data: bytes) -> object:
    """Open each precision of a package and run its goldens."""
    package = contents.read(data, "kws.edge")
    artifacts = [packaged.best(package, each) for each in package.manifest.precisions]
    goldens = package.goldens()
    return [replay(programs.of_package(package, each), goldens[each.precision], each.tolerance) for each in artifacts]


HEADERS = ("descr", "fortran_order", "shape")
DESCR = (
    "'<f4'",
    "'|O'",
    "'<U4'",
    "'|V8'",
    "'<f8'",
    "'|b1'",
    "'<c16'",
    "'<M8[s]'",
    "[('a', '<f4')]",
    "'|S0'",
    "'<U0'",
    "3",
    "'x'",
)
SHAPES = (
    "(2, 3)",
    "()",
    "(0,)",
    "(-1,)",
    "(2,)",
    "(1000000000000, 3)",
    "(0, 99999999999999999999)",
    "2",
    "(2.0,)",
    "(True,)",
    "(" * 200,
)


def npy(random: Random) -> bytes:
    shape = tuple(random.choice((0, 1, 2, 3, 5)) for _ in range(random.randrange(4)))
    kind = random.choice(("f4", "f8", ">f4", "i4", "i8", "u1", "b1", "U3", "f2", "c8"))
    made_ = io.BytesIO()
    np.save(
        made_,
        np.array(random.choice((0, 1, 2)), kind) * np.ones(shape, kind) if kind != "U3" else np.full(shape, "abc"),
    )
    data = made_.getvalue()
    if random.random() < 0.5:
        header = {"descr": f"'<{kind.lstrip('>')}'", "fortran_order": "False", "shape": str(shape)}
        header[random.choice(HEADERS)] = random.choice((*DESCR, *SHAPES))
        text = ("{" + "".join(f"'{key}': {value}, " for key, value in header.items()) + "}").ljust(117) + "\n"
        start = int.from_bytes(data[8:10], "little") + 10
        data = (
            b"\x93NUMPY"
            + random.choice((b"\1\0", b"\1\0", b"\2\0", b"\3\0"))
            + struct.pack("<H", len(text))
            + text.encode()
            + data[start:]
        )
    return flipped(data, random) if random.random() < 0.3 else data


GOOD_ARRAYS = {
    "x_train": np.ones((3, 4, 2), np.float32), "y_train": np.array([0, 1, 1]), "length_train": np.array([4, 3, 1]),
    "x_test": np.zeros((2, 4, 2), np.float32), "y_test": np.array([0, 1]), "labels": np.array(["a", "b"]),
}  # fmt: skip


def archive(random: Random) -> bytes:
    held, whole = dict(GOOD_ARRAYS), io.BytesIO()
    with (
        warnings.catch_warnings(),
        zipfile.ZipFile(whole, "w", random.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as file,
    ):
        warnings.simplefilter("ignore")  # of two names
        for name, array in held.items():
            one = io.BytesIO()
            np.save(one, array)
            data = npy(random) if random.random() < 0.2 else one.getvalue()
            if random.random() < 0.95:
                file.writestr(f"{random.choice(list(held)) if random.random() < 0.05 else name}.npy", data)
    data = whole.getvalue()
    if random.random() < 0.4:  # a field of the directory
        at = data.find(b"PK\1\2", random.randrange(len(data)))
        k = max(at, 0) + random.randrange(4, 46)
        data = data[:k] + bytes([random.choice(BYTES)]) + data[k + 1 :]
    return flipped(data, random) if random.random() < 0.2 else data


FIELDS = (
    "1",
    "-2.5",
    "",
    " ",
    "nan",
    "inf",
    "1e999",
    "x",
    "1_0",
    "0x10",
    "1" * 400,
    "\u0661",
    "'",
    '"1,2"',
    "1e-400",
    "+3",
    "--1",
    "1 2",
)


def table(random: Random) -> bytes:
    width = random.choice((1, 3, 3, 3, 40))
    rows = [[str(random.randrange(-9, 9)) for _ in range(width)] for _ in range(random.randrange(6))]
    for _ in range(random.randrange(4)):
        if rows:
            row = random.choice(rows)
            row[random.randrange(len(row)) if row else 0 :][:1] = [random.choice(FIELDS)]
            if random.random() < 0.5 and row:
                row[random.randrange(len(row))] = random.choice(FIELDS)
    end = random.choice(("\n", "\r\n", "\r", "\n\n", "\u2028"))
    text = random.choice(("", "\ufeff", "a,b,c\n")) + end.join(
        random.choice((",", ",", ",", ";", ", ")).join(row) for row in rows
    )
    data = text.encode(random.choice(("utf-8", "utf-8", "utf-16", "utf-8-sig")))
    return flipped(data, random) if random.random() < 0.3 else data


TOML_VALUES = (
    "inf", "-inf", "nan", "0", "-1", "1e308", "99999999999", "1" * 5000, "0x" + "f" * 100, '""', '"x"', "true", "[]", "{}", "[[]]",
    "[1, inf]", '{ value = 1, source = "a" }', "1979-05-27T07:32:00Z", "[" * 5000, "'''a", '"\\ud800"', "{ a." + ".a" * 50 + " = 1 }",
    "[1, 2]", '["a"]', "{ low = 1, high = 8 }", "{ low = 1, high = inf }", "0.5", "2147483648",
)  # fmt: skip


def toml(random: Random, texts: list[str]) -> bytes:
    lines = random.choice(texts).splitlines()
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        k, how = random.randrange(len(lines)), random.randrange(8)
        key, equals, _ = lines[k].partition("=")
        if how < 4 and equals:
            lines[k] = f"{key}= {random.choice(TOML_VALUES)}"
        elif how == 4:
            lines.insert(k, random.choice(lines))
        elif how == 5:
            lines[k] = random.choice(
                ("[data]", "[[data]]", "[model]", "[processor]", "[a.b]", "[" + "a." * 99 + "a]", "x = 1", "[search]")
            )
        elif how == 6 and len(lines) > 1:
            del lines[k]
        else:
            lines[k] = flipped(lines[k].encode(), random).decode("utf-8", "replace")
    data = "\n".join(lines).encode("utf-8", "surrogatepass")
    return flipped(data, random) if random.random() < 0.1 else data


SEARCH = '\n[search]\n"model.hidden" = [16, 32]\n"training.read" = { low = 0.001, high = 0.01, log = true }\n'


@cache
def recipes() -> list[str]:
    texts = [path.read_text() for path in sorted(catalog.FOLDER.glob("*.toml"))]
    return [*texts, *(text + SEARCH for text in texts if "[search]" not in text)]


@cache
def boards() -> list[str]:
    return [path.read_text() for path in board._profiles().values()]


@cache
def tone() -> bytes:
    import soundfile

    made_ = io.BytesIO()
    soundfile.write(made_, np.sin(np.arange(400) / 5).astype(np.float32), 8000, format="WAV", subtype="PCM_16")
    return made_.getvalue()


def sound(random: Random) -> bytes:
    data = bytearray(tone())
    for _ in range(random.choice((1, 1, 2, 3))):
        at, size = random.choice(((4, 4), (16, 4), (20, 2), (22, 2), (24, 4), (28, 4), (32, 2), (34, 2), (40, 4)))
        data[at : at + size] = (
            random.choice((0, 1, 2, 3, 8, 16, 24, 32, 0xFFFE, 0xFFFF, 44, 800, 1 << 31, 0xFFFFFFFF)) % (1 << 8 * size)
        ).to_bytes(size, "little")
    return flipped(bytes(data), random) if random.random() < 0.5 else bytes(data)


def jsons(random: Random) -> bytes:
    value = random.choice(
        (
            {
                "unit": "us",
                "value": 2.5,
                "low": 2.0,
                "high": 3.0,
                "size": 900,
                "fingerprint": {"machine": "x", "cores": [1, 2]},
            },
            {"data/f.csv": [["2014-11-01 00:00:00", "2014-11-02 00:00:00.000000"]], "g.csv": []},
        )
    )
    text = text_of(several(changed, json.loads(json.dumps(value)), random), random)
    return text.encode("utf-8", "surrogatepass")


def keras(random: Random) -> bytes:
    """A `.keras` with another configuration, or with other bytes."""
    config, arrays = keras_files.varied(random)
    if random.random() < 0.7:
        config = text_of(several(changed, config, random), random).encode("utf-8", "surrogatepass")
        return keras_files.archive(config, keras_files.hdf5(arrays))
    data = keras_files.archive(config, flipped(keras_files.hdf5(arrays), random))
    return data if random.random() < 0.5 else flipped(data, random)


@cache
def minisign_files() -> tuple[bytes, ...]:
    """A public key, a plain secret key, and a signature."""
    key = SecretKey(bytes(8), seed := bytes(range(32)), public_half(seed))
    signature = sign(b"data", key, "name=kws version=1.2.0", "k")
    return minisign.dump_public_key(key.public_key), dump_secret_key(key, None), signature


def _secret_key(path: Path) -> object:
    return parse_secret_key(path.read_bytes(), "k", str)


def signed_library(random: Random) -> bytes:
    """A library that was signed, or one in twenty times the same as it was."""
    data = artifact_of(".so")
    return mutants.damaged("so", data, random) if random.random() < 0.95 else data


@cache
def library_signature() -> bytes:
    """The signature of the library."""
    return sign(artifact_of(".so"), OURS, "name=m version=1.2.0", "k")


def with_a_key(path: Path) -> object:
    """Open a file of which a key is demanded.

    Raises:
        SignatureError: it is not what was signed.
        AssertionError: it was opened all the same, or refused for a later reason.
    """
    path.with_name(f"{path.name}.minisig").write_bytes(library_signature())
    try:
        program = edgernn.open(path, key=public_text(OURS.public_key))
        assert path.read_bytes() == artifact_of(".so"), "another library was opened"
    except SignatureError:
        raise
    except EdgernnError as error:
        raise AssertionError("what is not signed was read further") from error
    return program


@cache
def folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="fuzz", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))


def at(name: str, *readers: Callable[[Path], object]) -> Callable[[bytes], object]:
    """A reader of bytes that passes them to several readers of a file with this name."""

    def read(data: bytes) -> None:
        path = folder() / name
        path.write_bytes(data)
        refused = []
        for each in readers:
            try:
                each(path)
            except EdgernnError as error:
                refused.append(error)
        if len(refused) == len(readers):
            raise refused[0]

    return read


def _samples(path: Path) -> object:
    from edgernn.train.data import wav

    return wav.samples(path)


TARGETS: dict[str, tuple[Callable[[Random], bytes], Callable[[bytes], object]]] = {
    "rnn": (rnn, opened(".rnn")),
    "edge": (edge, verified),
    "onnx": (artifact(".onnx"), opened(".onnx")),
    "tflite": (artifact(".tflite"), opened(".tflite")),
    "so": (artifact(".so"), opened(".so")),
    "signed so": (signed_library, at("m.so", with_a_key)),
    "adopted onnx": (artifact(".onnx", adopted_of), opened(".onnx")),
    "adopted tflite": (artifact(".tflite", adopted_of), opened(".tflite")),
    "foreign onnx": (foreign(".onnx"), at("f.onnx", imported)),
    "npz": (archive, at("a.npz", npz.read, lambda path: frames.sequences(str(path), "float32"))),
    "npy": (
        npy,
        at(
            "a.npy",
            arrivals.recorded,
            lambda path: list(frames.frames(str(path), "float32")),
            lambda path: arrays.load_npy(path.read_bytes(), "a"),
        ),
    ),
    "csv": (
        table,
        at(
            "a.csv",
            *(lambda path, kind=kind: list(frames.frames(str(path), kind)) for kind in ("float32", "int32")),
            arrivals.recorded,
        ),
    ),
    "recipe": (lambda random: toml(random, recipes()), at("r.toml", recipe.load)),
    "device": (lambda random: toml(random, boards()), at("d.toml", board.load)),
    "wav": (sound, at("a.wav", _samples)),
    "keras": (keras, at("m.keras", lambda path: read_keras(str(path), ImportOptions()))),
    "minisign": (
        lambda random: flipped(random.choice(minisign_files()), random),
        at(
            "k",
            _secret_key,
            lambda path: minisign.parse_public_key(path.read_bytes(), "k"),
            lambda path: minisign.parse_signature(path.read_bytes(), "k"),
        ),
    ),
    "json": (jsons, at("b.json", baseline.load, lambda path: known.known_windows(path, "f.csv"))),
}
"""A kind of file -> (what damages one by a seed, what reads it)."""


def refused(kind: str, data: bytes) -> bool:
    """Read a file; return whether it was refused with an EdgernnError.

    Raises:
        Exception: any other error.
    """
    try:
        TARGETS[kind][1](data)
    except EdgernnError:
        return True
    return False


def once(kind: str, seed: int) -> bool:
    """Read the file of a seed; return whether it was refused with an EdgernnError.

    Raises:
        Exception: any other error.
    """
    return refused(kind, TARGETS[kind][0](Random(seed)))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("kind", choices=[*TARGETS])
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    warnings.simplefilter("error")
    once(options.kind, options.seed)  # loads whatever it needs
    resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
    seen, longest, largest = Counter(), (0.0, 0), (0, 0)
    for seed in range(options.seed, options.seed + options.count):
        data = TARGETS[options.kind][0](Random(seed))
        taken = begin()
        try:
            seen["refused"] += refused(options.kind, data)
        except Exception:
            seen["fault"] += 1
            if seen["fault"] <= 20:
                print(f"{options.kind}, seed {seed}:\n{traceback.format_exc()}", flush=True)
        cost = taken()
        seen["beyond"] += cost.beyond(len(data))
        longest, largest = max(longest, (cost.seconds, seed)), max(largest, (cost.memory, seed))
    print(
        f"{options.kind}: {options.count:,} files, {seen['refused']:,} refused, {seen['fault']:,} faults, "
        f"{seen['beyond']:,} beyond {SECONDS:g} s or {EXTRA >> 20} MiB and {TIMES} x its size; the longest took "
        f"{longest[0]:.2f} s (seed {longest[1]}), the largest {largest[0] / (1 << 20):.1f} MiB (seed {largest[1]})"
    )
    return min(seen["fault"] + seen["beyond"], 1)


if __name__ == "__main__":
    sys.exit(main())
