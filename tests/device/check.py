"""What a device does with the installed wheel: run by its bare Python, with nothing of the host's.

    python check.py FOLDER RUNTIME

FOLDER has artifacts and, for each, the frames and the goldens that the host computed.
"""

import importlib.util
import sys
from pathlib import Path

import numpy as np

import edgernn
from edgernn.errors import FileError, MissingExtraError

HOST_ONLY = ("torch", "onnx", "onnxruntime", "pytest", "safetensors", "scipy", "hypothesis")
ATOL = 1e-5


def main(folder: Path, runtime: str) -> None:
    for package in HOST_ONLY:
        assert importlib.util.find_spec(package) is None, f"{package} is installed here"
    home = Path(edgernn.__file__).parent
    assert "site-packages" in home.parts, home
    assert (home / "devices").is_dir(), "the board profiles did not travel"
    assert (home / "py.typed").exists()
    worst = 0.0
    for golden in sorted(folder.glob("*.npz")):
        arrays = np.load(golden)
        for suffix in (".rnn", ".so", ".tflite"):
            program = edgernn.open(golden.with_suffix(suffix))
            assert program.backend.startswith({".rnn": "numpy", ".so": "native"}.get(suffix, runtime)), program.backend
            stream = program.stream()
            for frame, wanted in zip(arrays["frames"], arrays["wanted"], strict=True):
                worst = max(worst, float(np.abs(stream.step(frame) - wanted).max()))
            for name, state in stream.state.items():
                np.testing.assert_allclose(state, arrays[f"state.{name}"], atol=ATOL)
        assert worst <= ATOL, (golden, worst)
    check_refusals(folder)
    print(
        f"{runtime}: {len(list(folder.glob('*.npz')))} models match, largest error {worst:.1e}, numpy {np.__version__}"
    )


def check_refusals(folder: Path) -> None:
    """A missing runtime and an altered file, as a device meets them."""
    assert "pip install 'edgernn[ort]'" in refusal(folder / "stack.onnx", MissingExtraError)
    data = bytearray((folder / "stack.tflite").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "altered.tflite").write_bytes(data)
    assert "altered" in refusal(folder / "altered.tflite", FileError)


def refusal(path: Path, kind: type[Exception]) -> str:
    """What is said when a file is not opened."""
    try:
        edgernn.open(path)
    except kind as error:
        return str(error)
    raise AssertionError(f"{path} was opened")


main(Path(sys.argv[1]), sys.argv[2])
