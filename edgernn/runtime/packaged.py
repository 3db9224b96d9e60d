"""Which artifact of a package runs here: the first in its order whose runtime, processor and C library are present."""

import os
import re
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from edgernn.artifact.manifest import Manifest
from edgernn.device import isa
from edgernn.device.runtimes import RUNTIMES, Runtime
from edgernn.errors import FileError, MissingExtraError, UnsupportedError, UsageError
from edgernn.files.spelling import misspelt
from edgernn.package.contents import Package
from edgernn.package.manifest import Artifact, PackageManifest
from edgernn.package.precisions import differing

ORDER = (".so", ".tflite", ".onnx", ".rnn")
"""The suffixes in the order in which they are tried where a package states none; of several `.so`, the best level."""

_GLIBC = re.compile(r".*-gnu\w*\.(\d+)\.(\d+)")


def ordered(manifest: PackageManifest) -> tuple[Artifact, ...]:
    """Return the artifacts of each precision in the order in which they are tried, the model's own precision first."""
    preferred, precisions = ({name: i for i, name in enumerate(x)} for x in (manifest.preferred, manifest.precisions))

    def place(each: Artifact) -> tuple[int, int, tuple[int, int, str]]:
        return precisions[each.precision], preferred.get(each.file, len(preferred)), _rank(each)

    return tuple(sorted(manifest.artifacts, key=place))


def _rank(artifact: Artifact) -> tuple[int, int, str]:
    suffix, levels = Path(artifact.file).suffix, [*isa.LEVELS]
    level = isa.split(artifact.cpu)[0]
    place = levels.index(level) if level in levels else len(levels)
    return ORDER.index(suffix) if suffix in ORDER else len(ORDER), place, artifact.file


def runtime_of(artifact: Artifact) -> Runtime | None:
    """Return the preferred runtime of an artifact; None where edgernn has none for its suffix."""
    return next((each for each in RUNTIMES.values() if each.suffix == Path(artifact.file).suffix), None)


def obstacle(artifact: Artifact) -> str:
    """Return why an artifact cannot run on this machine; "" where it can. Its runtime is imported, and gets no byte."""
    runtime = runtime_of(artifact)
    if runtime is None:
        return f"edgernn has no runtime for {Path(artifact.file).suffix} files"
    try:
        import_module(runtime.backend)
    except MissingExtraError as error:
        return f"the package '{error.package}' is not installed"
    lacking = isa.missing(artifact.cpu) if artifact.cpu else ""
    return f"it needs {lacking}" if lacking else _lacking_libc(artifact.triple)


def _lacking_libc(triple: str) -> str:
    """Return why the C library of this machine does not load code for a triple; "" where it does."""
    needed = _GLIBC.fullmatch(triple)
    if needed is None:
        return ""
    version = tuple(map(int, needed.groups()))
    here = re.fullmatch(r"glibc (\d+)\.(\d+).*", _libc())
    if here is None or tuple(map(int, here.groups())) < version:
        return f"it needs glibc {version[0]}.{version[1]}; this machine has {_libc() or 'another C library'}"
    return ""


def _libc() -> str:
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or ""
    except ValueError:  # the C library knows no such name
        return ""


def best(package: Package, precision: str | None = None) -> Artifact:
    """Return the first artifact of a precision that this machine can run; None is the model's own.

    Raises:
        UsageError: the package does not have the precision.
        UnsupportedError: there is none; the message has the reason of each.
    """
    manifest, obstacles = package.manifest, dict[str, str]()
    chosen = manifest.contract.precision if precision is None else precision
    check_precision(chosen, manifest.precisions, package.name)
    for artifact in ordered(manifest):
        if artifact.precision == chosen:
            obstacles[artifact.file] = obstacle(artifact)
            if not obstacles[artifact.file]:
                return artifact
    reasons = "; ".join(f"{file}: {reason}" for file, reason in obstacles.items())
    raise UnsupportedError(f"no artifact of '{package.name}' runs on this machine: {reasons}")


def check_precision(precision: str, known: tuple[str, ...], name: str) -> None:
    """Refuse a precision that a file does not have.

    Raises:
        UsageError: it is not one of the known.
    """
    if precision not in known:
        raise UsageError(f"'{name}' has no precision {precision!r}; {misspelt(str(precision), known)}")


def check_contract(manifest: Manifest, package: Package, artifact: Artifact) -> None:
    """Compare the manifest of an artifact with the contract of its precision; a `.rnn` has the version that reads it.

    Raises:
        FileError: they differ.
    """
    contract = package.manifest.contracts[artifact.precision]
    differ = differing(replace(manifest, cpu="", version=contract.version), contract)
    if manifest.cpu != artifact.cpu:
        differ = {"cpu": (manifest.cpu, artifact.cpu), **differ}
    for field, (actual, expected) in differ.items():
        raise FileError(
            f"'{artifact.file}' in '{package.name}' has {field}={str(actual)[:80]}; its package states "
            f"{str(expected)[:80]}: export the package again"
        )
