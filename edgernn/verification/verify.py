"""Verifying a package on this machine, artifact by artifact."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace

from edgernn.device import isa
from edgernn.files import atomic
from edgernn.package import contents
from edgernn.package.archive import MANIFEST, SIGNATURE
from edgernn.package.contents import Package
from edgernn.package.goldens import Goldens
from edgernn.package.manifest import Artifact, PackageManifest
from edgernn.package.minisign import key_name, parse_signature
from edgernn.package.translation import ENCODER
from edgernn.package.trust import Demand, demanded
from edgernn.process import interrupt
from edgernn.runtime.backend import LevelEngine
from edgernn.runtime.goldens import replay
from edgernn.runtime.packaged import obstacle, ordered
from edgernn.runtime.program import Program, of_package


@dataclass(frozen=True)
class Finding:
    """The result of one test of a package.

    Attributes:
        name: of the test.
        subject: what was tested: a file, with its runtime where it ran.
        passed: whether it passed; None where it was passed over, or has no verdict.
        text: figures or reasons, in words.
    """

    name: str
    subject: str
    passed: bool | None
    text: str


@dataclass(frozen=True)
class Verification:
    """What the tests of a package found.

    Attributes:
        name: of the file.
        sha256: the checksum in the manifest.
        size: the bytes of the file.
        manifest: what the package says of itself.
        findings: of the tests, in order.
    """

    name: str
    sha256: str
    size: int
    manifest: PackageManifest
    findings: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        """Whether no test failed."""
        return all(each.passed is not False for each in self.findings)


@interrupt.deferred()
def verify(
    path: str | os.PathLike[str], key: str | os.PathLike[str] | None = None, min_version: str | None = None
) -> Verification:
    """Verify a package: hashes, contract, goldens and liveness of every precision on every runtime that is present.

    Args:
        path: of the package.
        key, min_version: what is demanded of it, as edgernn.open takes them.

    Raises:
        UsageError: `min_version` is no version or has no key.
        SignatureError: a key is demanded, and the package is unsigned, signed by another, altered or older.
        FileError: the package is truncated or altered, or its goldens cannot be read; no artifact was opened.
    """
    name, data = os.fspath(path), atomic.read(path)
    demand = demanded(key, min_version)
    package = contents.read(data, name, demand)
    hashes = Finding("hashes", f"{len(package.members)} members", True, f"SHA-256 of {len(data):,} bytes")
    signature = _signature(package, demand)
    encoder = package.encoder()
    inside = {f"{ENCODER}:": encoder} if encoder else {}
    parts = [(prefix, each, each.goldens()) for prefix, each in (inside | {"": package}).items()]
    findings = (
        replace(finding, subject=f"{prefix}{finding.subject}")
        for prefix, each, goldens in parts
        for artifact in ordered(each.manifest)
        for finding in _of_artifact(each, artifact, goldens[artifact.precision])
    )
    return Verification(name, package.sha256, len(data), package.manifest, (hashes, signature, *findings))


def _signature(package: Package, demand: Demand | None) -> Finding:
    """Return what is known of the signature; one that does not match the demand was refused already."""
    if SIGNATURE not in package.members:
        return Finding("signature", MANIFEST, None, "it is not signed")
    signature = parse_signature(package.bytes_of(SIGNATURE), f"{package.name}:{SIGNATURE}")
    text = f"by the key {key_name(signature.id)}: {signature.trusted_comment}"
    if demand is None:
        return Finding("signature", MANIFEST, None, f"not verified, as no key is given; {text}")
    return Finding("signature", MANIFEST, True, text)


def _of_artifact(package: Package, artifact: Artifact, goldens: Goldens) -> Iterator[Finding]:
    """Yield what is found of an artifact, on each level of processors that it has and this machine too."""
    interrupt.check()
    reason = obstacle(artifact)
    if reason:
        yield Finding("goldens", artifact.file, None, f"cannot run here: {reason}")
        return
    try:
        program = of_package(package, artifact)
        yield Finding("contract", artifact.file, True, "as the package states")
        yield from _replayed(program, artifact, goldens)
    except Exception as error:  # of a runtime, which has types of its own
        yield Finding("contract", artifact.file, False, " ".join(str(error).split()) or type(error).__name__)


def _replayed(program: Program, artifact: Artifact, goldens: Goldens) -> Iterator[Finding]:
    engine = program.engine
    levels = engine.levels if isinstance(engine, LevelEngine) else ("",)
    for level in levels:
        if isinstance(engine, LevelEngine):
            if isa.missing(level):
                continue
            engine.choose(level)
        subject = f"{artifact.file} on {program.backend}"
        shown = replay(program, goldens, artifact.tolerance)
        share = max(far / (shown.tolerance[name] or 1) for name, far in shown.far.items())
        near = f"at most {share:.0%} of the tolerance away" if any(shown.far.values()) else "every number equal"
        yield Finding("goldens", subject, not shown.beyond, shown.beyond or f"{len(goldens.frames)} frames, {near}")
        yield _liveness(program, subject, goldens, shown.lifeless)


def _liveness(program: Program, subject: str, goldens: Goldens, lifeless: str) -> Finding:
    states, live = program.manifest.states, goldens.changed
    if not states:
        return Finding("liveness", subject, None, "it carries no states")
    if not live:
        return Finding("liveness", subject, False, "no state is recorded to change an answer")
    text = f"{len(live)} of {len(states)} states change the answers, a reset restores them"
    return Finding("liveness", subject, not lifeless, lifeless or text)
