"""Opening an artifact: an immutable Program, which makes a Stream for each carried state."""

import os
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Self

import numpy as np

from edgernn.artifact.checksum import verify
from edgernn.artifact.manifest import Manifest
from edgernn.budget.monitor import Monitor
from edgernn.budget.verdict import Budget
from edgernn.device.runtimes import opening
from edgernn.errors import UnsupportedError, UsageError
from edgernn.files import atomic
from edgernn.package import archive, contents
from edgernn.package.contents import Package
from edgernn.package.manifest import Artifact, PackageManifest
from edgernn.package.trust import demanded
from edgernn.runtime import packaged, saved
from edgernn.runtime.backend import Engine, WindowEngine
from edgernn.runtime.guard import OnBadInput, check_window
from edgernn.runtime.parts import Answer
from edgernn.runtime.slots import Slots
from edgernn.runtime.state_guard import StateGuard, StateWatch, state_guard as guard_of
from edgernn.runtime.stream import Stream
from edgernn.runtime.streams import Streams


@dataclass(frozen=True)
class Program:
    """A verified artifact, ready to run: immutable, and shared by any number of streams.

    It is pickled as the bytes of its file, for `multiprocessing`. Unpickling opens them again, and so loads a `.so`.

    Attributes:
        name: of the file.
        sha256: the checksum in the artifact.
        data: the bytes of the artifact: of the file, or of the member of a package.
        engine: the artifact in its runtime.
        module: the backend that opened it, as edgernn.device.runtimes.Runtime.backend.
        threads: how many threads the runtime may use for a step.
        package: the manifest of the package that it comes from; None of a file that is one artifact.
    """

    name: str
    sha256: str
    data: bytes = field(repr=False, compare=False)
    engine: Engine | WindowEngine = field(compare=False)
    module: str = ""
    threads: int = 1
    package: PackageManifest | None = field(default=None, repr=False, compare=False)

    @property
    def size(self) -> int:
        """The bytes of the artifact."""
        return len(self.data)

    @property
    def manifest(self) -> Manifest:
        """The inputs, states, outputs and metadata of the artifact."""
        return self.engine.manifest

    @property
    def backend(self) -> str:
        """The name of the runtime that steps it, with its version."""
        return self.engine.backend

    def stream(
        self,
        *,
        on_bad_input: OnBadInput = "raise",
        raw: bool = False,
        monitor: Monitor | Budget | None = None,
        state_guard: StateGuard | int | None = None,
    ) -> Stream:
        """A new stream in its initial state.

        Args:
            on_bad_input: how a frame is treated that is not finite or beyond the manifest's limit, or an index outside
                the table. "raise" refuses it with a FrameError and leaves the state unchanged; "hold" takes the last
                good frame in its place (zeros before the first), "zero" takes zeros.
            raw: whether frames, results and states are those of the artifact itself, int8 or int16 with the
                quantization parameters of its manifest, without conversion.
            monitor: measures every step and counts those that take longer than the deadline of a budget:
                `stream.monitor.snapshot()`. A block of frames is then run step by step.
            state_guard: looks at the states every so many steps, and resets them when a value is not finite or beyond
                what may be set as a state: `stream.health`. None never looks.

        Raises:
            UsageError: on_bad_input, monitor or state_guard is none of these.
            UnsupportedError: the model reads whole windows, or raw=True and no input, state or output is quantized.
        """
        engine, watch = self._streaming(), self._watch(state_guard)
        self._check_raw(raw)
        return Stream(self, engine.bind(), on_bad_input, monitor, watch, raw=raw)

    def restore(
        self,
        path: str | os.PathLike[str],
        *,
        on_bad_input: OnBadInput = "raise",
        raw: bool = False,
        monitor: Monitor | Budget | None = None,
        state_guard: StateGuard | int | None = None,
    ) -> Stream:
        """A new stream in the state that `Stream.save` wrote; the other arguments are those of `stream`.

        Raises:
            FileError: the file is missing, truncated or altered, or does not hold the state of one stream.
            StateError: the state is that of another model.
            UnsupportedError: as `stream`.
        """
        stream = self.stream(on_bad_input=on_bad_input, raw=raw, monitor=monitor, state_guard=state_guard)
        stream.state = saved.load_one(path, self.manifest, raw=raw)
        return stream

    def streams(
        self,
        capacity: int,
        *,
        on_bad_input: OnBadInput = "raise",
        raw: bool = False,
        state_guard: StateGuard | int | None = None,
    ) -> Streams:
        """Slots for up to `capacity` streams, which are stepped together: the weights are read once for several.

        Args:
            capacity: the number of slots.
            on_bad_input: as for `stream`; "raise" refuses all frames of a step where one of them is bad.
            raw: as for `stream`.
            state_guard: as for `stream`; it looks at the states of all joined slots after every so many calls of
                `step`, and resets those of a slot.

        Raises:
            UsageError: the capacity is not a whole number of at least 1; or as `stream`.
            UnsupportedError: as `stream`; or the runtime steps this artifact for one stream at a time.
        """
        engine, slots, watch = self._streaming(), Slots(capacity, self.name), self._watch(state_guard)
        self._check_raw(raw)
        return Streams(self, engine.bind_many(slots.capacity), slots, on_bad_input, watch, raw=raw)

    def _watch(self, state_guard: StateGuard | int | None) -> StateWatch | None:
        return None if state_guard is None else StateWatch(guard_of(state_guard), self.manifest)

    def _streaming(self) -> Engine:
        """The engine of a model that streams."""
        if isinstance(self.engine, WindowEngine):
            raise UnsupportedError(
                f"'{self.name}' reads every window in both directions and cannot stream; give it a whole window with "
                "program.run(frames), or train a model in one direction"
            )
        return self.engine

    def _check_raw(self, raw: bool) -> None:
        if raw and not self.manifest.quantization:
            raise UnsupportedError(
                f"raw=True, but '{self.name}' is {self.manifest.precision}: none of its inputs, states and outputs is "
                "quantized; omit raw, or export the model in a static precision"
            )

    def run(self, frames: Any) -> Answer:
        """Run a whole sequence from the initial state.

        Args:
            frames: (time, inputs); several inputs by name, as Stream.run takes them.

        Returns:
            (time, outputs), or (1, outputs) of a pooled window; several outputs by name.

        Raises:
            FrameError: a frame that must not enter, or a window without frames.
        """
        if not isinstance(self.engine, WindowEngine):
            return self.stream().run(frames)
        check_window(frames, self.manifest)
        return self.engine.run(np.ascontiguousarray(frames))

    def __reduce__(self) -> tuple[Any, ...]:
        return load, (self.data, self.name, self.module, self.threads, self.package)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: Any) -> Self:
        return self


def open(  # noqa: A001  edgernn.open is the verb
    path: str | os.PathLike[str],
    *,
    threads: int = 1,
    precision: str | None = None,
    key: str | os.PathLike[str] | None = None,
    min_version: str | None = None,
) -> Program:
    """Open an artifact: read it once, verify its checksum, and pass the same bytes to the runtime of its suffix.

    Of a package, the first artifact in its order that this machine can run is opened, once all of the package was
    verified. One whose runtime is missing is passed over; one that is damaged is an error.

    Where a key is demanded, the signature is verified first: without it, no artifact is parsed or loaded.

    Args:
        path: a `.rnn`, `.onnx`, `.tflite` or `.so` file, or a `.edge` package, written by edgernn.
        threads: how many threads the runtime may use for a step. One is fastest for small models. Compiled code and
            numpy ignore it.
        precision: which one of a package to open, of `Program.package.precisions`; by default the model's own. Any
            other file must have it.
        key: the path of a public key of minisign or its base64, which must have signed the file: a package has its
            signature inside, any other file beside it as `PATH.minisig`. The variable EDGERNN_KEY of the environment
            demands one where this is None.
        min_version: the least version that may be signed, as dotted integers; 1.10 is later than 1.9.

    Raises:
        UsageError: no backend opens this suffix, `threads` is not a positive integer, the file does not have the
            precision, or `min_version` has no key.
        SignatureError: a key is demanded, and the file is unsigned, signed by another, altered or older.
        FileError: the file is missing, truncated, altered or not written by edgernn.
        MissingExtraError: the runtime is not installed, or `cryptography` where a key is demanded.
        UnsupportedError: the file was compiled for another processor, or no artifact of a package runs here.
        ParityError: compiled code does not compute here what it computed where it was written.
    """
    name = os.fspath(path)
    if Path(name).suffix == archive.SUFFIX:
        _check_threads(threads)
        package = _package(name, key, min_version)
        return of_package(package, packaged.best(package, precision), threads)
    backend = opening(name).backend
    _check_threads(threads)
    demand = demanded(key, min_version)
    data = atomic.read(path)
    if demand is not None:
        demand.check_file(data, name)
    program = load(data, name, backend, threads)
    if precision is not None:
        packaged.check_precision(precision, (program.manifest.precision,), name)
    return program


def open_precisions(
    path: str | os.PathLike[str],
    *,
    threads: int = 1,
    key: str | os.PathLike[str] | None = None,
    min_version: str | None = None,
) -> tuple[Program, ...]:
    """Open the best artifact of each precision of a package, which is read once: the model's own first.

    Args:
        path: of a `.edge` package.
        threads, key, min_version: as of `open`.

    Raises:
        UsageError: the file is no package; or as `open`.
        EdgernnError: as `open`.
    """
    name = os.fspath(path)
    if Path(name).suffix != archive.SUFFIX:
        raise UsageError(f"'{name}' arrived; expected a {archive.SUFFIX} package, which may hold several precisions")
    _check_threads(threads)
    package = _package(name, key, min_version)
    artifacts = [packaged.best(package, each) for each in package.manifest.precisions]
    return tuple(of_package(package, artifact, threads) for artifact in artifacts)


def _package(name: str, key: str | os.PathLike[str] | None, min_version: str | None) -> Package:
    demand = demanded(key, min_version)
    return contents.read(atomic.read(name), name, demand)


def _check_threads(threads: int) -> None:
    if not isinstance(threads, int) or threads < 1:
        raise UsageError(f"threads={threads!r} arrived; expected a number of at least 1")


def of_package(package: Package, artifact: Artifact, threads: int = 1) -> Program:
    """A program of one artifact of a package that this machine can run."""
    runtime = packaged.runtime_of(artifact)
    assert runtime is not None
    program = load(package.bytes_of(artifact.file), package.name, runtime.backend, threads, package.manifest)
    packaged.check_contract(program.manifest, package, artifact)
    return program


def load(data: bytes, name: str, backend: str, threads: int = 1, package: PackageManifest | None = None) -> Program:
    """A program from the bytes of an artifact; `backend` is a module, as edgernn.device.runtimes.Runtime.backend."""
    sha256 = verify(data, name)
    engine: Engine | WindowEngine = import_module(backend).load(data, name, threads)
    return Program(name, sha256, data, engine, backend, threads, package)
