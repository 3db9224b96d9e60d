"""What a device does with the installed wheel: run by its bare Python, with nothing of the host's.

    python check.py FOLDER RUNTIME [CRASHING ...]

FOLDER has artifacts and, for each, the frames and the goldens that the host computed. The runtime does not open those of
these names, at which it crashes on this processor.
"""

import importlib.util
import sys
from functools import cache
from pathlib import Path

import numpy as np

import edgernn
from edgernn.errors import FileError, MissingExtraError
from edgernn.runtime.parts import flat_answer

HOST_ONLY = ("torch", "onnx", "onnxruntime", "pytest", "safetensors", "scipy", "hypothesis")
FORMATS = {"onnxruntime": ".onnx", "ai-edge-litert": ".tflite", "tflite-runtime": ".tflite"}
OTHERS = {".onnx": (".tflite", "litert"), ".tflite": (".onnx", "ort")}
"""The format of the runtime -> one that needs another, and the extra that brings it."""
ATOL = 1e-5  # of the largest value of a result, or of 1


def main(folder: Path, runtime: str, crashing: list[str]) -> None:
    for package in HOST_ONLY:
        assert package == runtime or importlib.util.find_spec(package) is None, f"{package} is installed here"
    home = Path(edgernn.__file__).parent
    assert "site-packages" in home.parts, home
    assert (home / "devices").is_dir(), "the board profiles did not travel"
    assert (home / "py.typed").exists()
    goldens = sorted([*folder.glob("*.npz"), *(folder / runtime).glob("*.npz")])
    worst, exact, own = 0.0, 0, FORMATS[runtime]
    for self_test in goldens:
        arrays = dict(np.load(self_test))
        for suffix in (".rnn", ".so", *([] if self_test.stem in crashing else [own])):
            program = edgernn.open(self_test.with_suffix(suffix))
            assert program.backend.startswith({".rnn": "numpy", ".so": "native"}.get(suffix, runtime)), program.backend
            if "expected" in arrays:
                worst = max(worst, check_free_running(program.stream(), arrays))
                assert worst <= ATOL, (program.name, program.backend, worst)
            else:
                exact += check_each_step(program, arrays)
    check_integers(folder / runtime / f"stack_static_wi8_ai8{own}")
    check_refusals(folder, runtime)
    print(
        f"{runtime}: {len(goldens)} models match, largest error {worst:.1e}, numpy {np.__version__}, "
        f"{exact} results with the same bits"
    )


def check_free_running(stream: edgernn.Stream, arrays: dict[str, np.ndarray]) -> float:
    """The largest error of an output, from rest to the last frame; the states at the end are held to ATOL."""
    error = apart(flat_answer(stream.run(arrays["frames"])), arrays["expected"])
    for name, state in stream.state.items():
        of_state = apart(state, arrays[f"state.{name}"])
        assert of_state <= ATOL, (stream.program.name, stream.program.backend, name, of_state)
    return error


def apart(actual: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference, of the largest expected value or of 1."""
    return float(np.abs(actual - expected).max(initial=0) / max(1, np.abs(expected).max(initial=0)))


def check_each_step(program: edgernn.Program, arrays: dict[str, np.ndarray]) -> int:
    """Each step from the host's own states, within the bound of this very step; the number of results that are equal.

    On numpy and in compiled code those of which the manifest promises the same bits must be equal; on numpy not where
    its square root is an approximation.
    """
    stream, equal = program.stream(), 0
    ours = program.backend.startswith(("numpy", "native") if has_exact_roots() else "native")
    for t, frame in enumerate(arrays["frames"]):
        stream.state = {name: arrays[f"before.{name}"][t] for name in stream.state}
        stream.prime()
        for name, actual in {"y": flat_answer(stream.step(frame)), **stream.state}.items():
            expected = arrays[f"after.{name}"][t]
            error = np.abs(actual - expected).max()
            promised = ours and program.manifest.same_bits in (("all",) if name == "y" else ("all", "states"))
            bound = 0 if promised else arrays[f"bound.{name}"][t]
            assert error <= bound, (program.name, program.backend, t, name, error)
            equal += promised
    return equal


@cache
def has_exact_roots() -> bool:
    """Whether numpy computes the square root of float32 as IEEE 754 defines it, which it does not on ARM of 32 bits."""
    xs = np.linspace(0.1, 9, 10_000, dtype=np.float32)
    return bool((np.sqrt(xs) == np.sqrt(xs.astype(np.float64)).astype(np.float32)).all())


def check_integers(path: Path) -> None:
    """A raw stream carries the integers of which the usual one tells in float32."""
    program = edgernn.open(path)
    raw, usual = program.stream(raw=True), program.stream()
    for i in range(8):
        frame = np.full(program.manifest.inputs, i / 8, np.float32)
        np.testing.assert_array_equal(raw.step(frame), usual.step(frame))  # a feature comes first: x and y are float
    for name, qparams in program.manifest.quantization.items():
        assert raw.state[name].dtype == f"int{qparams.bits}"
        np.testing.assert_array_equal(qparams.numbers(raw.state[name].astype(np.int64)), usual.state[name])


def check_refusals(folder: Path, runtime: str) -> None:
    """A missing runtime, an altered file, and one made for a later runtime, as a device meets them."""
    own = FORMATS[runtime]
    other, extra = OTHERS[own]
    assert f"pip install 'edgernn[{extra}]'" in refusal(folder / f"stack{other}", MissingExtraError)
    data = bytearray((folder / f"stack{own}").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / f"altered{own}").write_bytes(data)
    assert "altered" in refusal(folder / f"altered{own}", FileError)
    if runtime == "tflite-runtime":
        later = folder / "ai-edge-litert/stack_dynamic_wi8_afp32.tflite"
        assert "'FULLY_CONNECTED' version '12'" in refusal(later, FileError)


def refusal(path: Path, kind: type[Exception]) -> str:
    """What is said when a file is not opened."""
    try:
        edgernn.open(path)
    except kind as error:
        return str(error)
    raise AssertionError(f"{path} was opened")


main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:])
