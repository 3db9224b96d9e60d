"""The table of runtimes: what steps an artifact, and all that the rest of edgernn must know of it.

A new runtime is one file in edgernn/runtime/backends/ and one entry here.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from edgernn.errors import MissingExtraError, UsageError


@dataclass(frozen=True)
class Tolerance:
    """How far one step of a runtime may be from the definition; edgernn_export.proof measures it.

    Attributes:
        dynamic: where an affine rounds its input, a multiple of what the arithmetic itself loses in the same step.
        steps: where values are integers, steps of the scale of a result; 0 for the very same integers.
        static: in addition to those steps, a multiple of the most that randomly moved operations lose in the same step.
    """

    dynamic: float
    steps: int
    static: float


@dataclass(frozen=True)
class Runtime:
    """What steps the artifacts of one suffix.

    Attributes:
        name: its name in options, and the first word of Program.backend.
        title: its name in tables.
        suffix: of the artifacts that it runs. Of several runtimes with one suffix, the first in the table is preferred.
        backend: the module that opens them: `load(data, name, threads) -> Engine | WindowEngine`.
        tolerance: how far its results may be from the definition.
        package: the distribution that pip installs; "" when it needs none.
        module: how Python imports the package.
        extra: the extra of edgernn that installs the package; "" for what edgernn itself needs.
        source: the suffix of the same code in a form that is compiled on the board; "" when there is none.
        int4: whether it runs matrices of int4; otherwise a target stores their values as int8.
        row_scales: whether it runs dynamically quantized matrices with a scale per row.
        sparse: whether it passes over blocks of zeros.
        windows: whether it also runs artifacts of whole windows.
        streams: how far a number that it computes for one of many streams may be from that of the stream alone, for
            numbers around 1; 0 for the same bits, None where it steps one stream at a time.
    """

    name: str
    title: str
    suffix: str
    backend: str
    tolerance: Tolerance
    package: str = ""
    module: str = ""
    extra: str = ""
    source: str = ""
    int4: bool = True
    row_scales: bool = True
    sparse: bool = False
    windows: bool = False
    streams: float | None = None

    def missing(self) -> MissingExtraError:
        """The error of a backend whose package cannot be imported."""
        return MissingExtraError(self.package, self.extra, f"opening {self.suffix} files")


NATIVE = Runtime(
    name="native",
    title="compiled",
    suffix=".so",
    backend="edgernn.runtime.backends.native",
    tolerance=Tolerance(dynamic=1, steps=0, static=1.0),
    source=".c",
    sparse=True,
    streams=0,
)
"""The compiled step: it needs no package, but a compiler that knows the board."""

RUNTIMES: dict[str, Runtime] = {
    runtime.name: runtime
    for runtime in (
        NATIVE,
        Runtime(
            name="onnxruntime",
            title="ONNX Runtime",
            suffix=".onnx",
            backend="edgernn.runtime.backends.onnxruntime",
            tolerance=Tolerance(dynamic=3, steps=1, static=0.6),
            package="onnxruntime",
            module="onnxruntime",
            extra="ort",
            windows=True,
            streams=1e-6,
        ),
        Runtime(
            name="ai-edge-litert",
            title="LiteRT",
            suffix=".tflite",
            backend="edgernn.runtime.backends.tflite",
            tolerance=Tolerance(dynamic=3, steps=1, static=1.0),
            package="ai-edge-litert",
            module="ai_edge_litert",
            extra="litert",
        ),
        Runtime(
            name="tflite-runtime",
            title="tflite-runtime",
            suffix=".tflite",
            backend="edgernn.runtime.backends.tflite",
            tolerance=Tolerance(dynamic=3, steps=1, static=1.2),
            package="tflite-runtime",
            module="tflite_runtime",
            extra="tflite",
            int4=False,
            row_scales=False,
        ),
        Runtime(
            name="numpy",
            title="numpy",
            suffix=".rnn",
            backend="edgernn.runtime.backends.numpy",
            tolerance=Tolerance(dynamic=1, steps=0, static=0),
            package="numpy",
            module="numpy",
            streams=0,
        ),
    )
}
"""Name -> runtime, in the order in which a board prefers them.

Tolerances: numpy and compiled code round alike, except for an integer that falls the other way because another
operation differs in its last digit. The others quantize the input of a dynamic affine with another scale and zero point
(255 steps from the smallest to the largest value), so they and numpy are both off by up to half a step, independently:
1.4 times what one of them loses alone. 3 times the most that the random draws lose leaves room for chance; over 1000
steps of every cell it came to 2.4. In static precisions, beyond one step, ONNX Runtime came to 0.46 of the most, LiteRT
to 0.62 and tflite-runtime to 0.86, over 200 steps of every cell. These two compute tanh and sigmoid of 16 bits from a
table of their own.

Streams: a row of ONNX Runtime's matrix products has the same bits however many rows there are, except of matrices with
a single row, and so have its functions except the logarithm, which it computes otherwise at the end of an array. So 87
of the 92 float models of the tests that it steps together had the same bits on x86-64 with AVX-512, and the others were
1.2e-7 apart at most.
"""

ELSEWHERE: Mapping[str, str] = MappingProxyType(
    {
        ".wasm": "runs in a browser or in node, by the .mjs that was written beside it (docs/guides/browsers.md)",
        ".dll": "is a library for Windows on x86-64",
        ".dylib": "is a library for macOS on ARM",
    }
)
"""Suffix of artifacts that no runtime of edgernn opens -> where they run."""


def named(name: str) -> Runtime:
    """The runtime of a name, with or without its version: "onnxruntime", or "onnxruntime 1.32.0" as Program.backend is.

    Raises:
        UsageError: there is no such runtime.
    """
    key = name.partition(" ")[0]
    if key not in RUNTIMES:
        from edgernn.files.spelling import misspelt  # it costs 10 ms, and opening an artifact does not need it

        raise UsageError(f"there is no runtime '{name}'; {misspelt(key, RUNTIMES)}")
    return RUNTIMES[key]


def running(suffix: str) -> tuple[Runtime, ...]:
    """The runtimes of the artifacts of a suffix, the preferred one first.

    Raises:
        UsageError: there are none.
    """
    runtimes = tuple(each for each in RUNTIMES.values() if suffix in (each.suffix, each.source) and suffix)
    if not runtimes:
        known = dict.fromkeys(form for each in RUNTIMES.values() for form in (each.suffix, each.source) if form)
        raise UsageError(f"no artifact ends in '{suffix}'; there are {', '.join(known)}")
    return runtimes


def opening(path: str | os.PathLike[str]) -> Runtime:
    """The preferred runtime that opens a file of this name.

    Raises:
        UsageError: there is none for its suffix.
    """
    suffix = Path(path).suffix
    for runtime in RUNTIMES.values():
        if runtime.suffix == suffix:
            return runtime
    if suffix in ELSEWHERE:
        raise UsageError(
            f"'{os.fspath(path)}' cannot be opened here: a {suffix} file {ELSEWHERE[suffix]}; to step the model in "
            f"Python export it as {', '.join(suffixes())}"
        )
    raise UsageError(
        f"no backend opens '{os.fspath(path)}'; there are {', '.join(suffixes())} and packages, .edge; `edgernn "
        "import` reads models of other tools"
    )


def suffixes() -> tuple[str, ...]:
    """The suffixes of the artifacts that edgernn opens, sorted."""
    return tuple(sorted({runtime.suffix for runtime in RUNTIMES.values()}))


def packages() -> tuple[str, ...]:
    """The packages that runtimes need: numpy, which every device has, and then those of the table."""
    return tuple(dict.fromkeys(("numpy", *(each.package for each in RUNTIMES.values() if each.package))))
