"""The manifest of a package: what the model is, which artifacts it comes as, and the SHA-256 of every member.

It is the member `manifest.json`, one JSON object that begins with the checksum of edgernn.artifact.checksum. Nothing
else in the archive is believed before the manifest is: see edgernn.package.contents.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from math import isfinite
from typing import Any

from edgernn.artifact import manifest as artifact_manifest
from edgernn.artifact.checksum import BLANK, KEY, fill
from edgernn.artifact.manifest import Manifest
from edgernn.artifact.rnn import SUFFIX as GRAPH_SUFFIX
from edgernn.budget.verdict import Budget
from edgernn.errors import FileError
from edgernn.files import bounded_json, typed
from edgernn.model.graph import OUTPUT
from edgernn.package.archive import MANIFEST, SIGNATURE
from edgernn.version import VERSION

FORMAT = "1"
GRAPH = f"model{GRAPH_SUFFIX}"
GOLDENS = "goldens.safetensors"
"""The members that every package has, beside the manifest."""

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Member:
    """A member as the manifest lists it: its SHA-256 in hexadecimal, and its bytes."""

    sha256: str
    size: int


@dataclass(frozen=True)
class Artifact:
    """The model in one format.

    Attributes:
        file: the name of the member; its suffix says what runs it.
        tolerance: how far a runtime may be from the goldens in `y` and in each state, by name.
        cpu: of compiled code, the levels of processors, as edgernn.artifact.manifest.Manifest.cpu.
        triple: of compiled code, machine, system and C library, such as "aarch64-linux-gnu.2.17".
    """

    file: str
    tolerance: Mapping[str, float]
    cpu: str = ""
    triple: str = ""


@dataclass(frozen=True)
class Provenance:
    """Where the model comes from; a text is empty where it is unknown.

    Attributes:
        recipe: the TOML that it was trained by.
        data: the fingerprint of the data that it was trained on.
        tools: the versions of what wrote the package, by name.
    """

    recipe: str = ""
    data: str = ""
    tools: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Card:
    """The model card, for people; a text is empty where it is not stated.

    Attributes:
        description: what the model does, for whom, and where it fails.
        weights_licence: the licence of the weights, such as "Apache-2.0".
        data_licence: the licence of the data that they were trained on.
    """

    description: str = ""
    weights_licence: str = ""
    data_licence: str = ""


@dataclass(frozen=True)
class PackageManifest:
    """The manifest of a package.

    Attributes:
        name: of the model.
        model_version: of the model, as its maker counts.
        contract: inputs, outputs, states and rest values, timing, labels and precision, as in an artifact.
        features: the cells that make features of the input, with their settings, the first one first.
        artifacts: the formats, the graph among them.
        preferred: the files of artifacts in the order in which they are tried; empty for the order of edgernn.
        members: every other member by name, but for the signature.
        budgets: the latency budget on a device, by the name of the device.
        provenance: where the model comes from.
        card: the model card.
    """

    name: str
    model_version: str
    contract: Manifest
    features: tuple[str, ...]
    artifacts: tuple[Artifact, ...]
    members: Mapping[str, Member]
    preferred: tuple[str, ...] = ()
    budgets: Mapping[str, Budget] = field(default_factory=dict)
    provenance: Provenance = field(default_factory=Provenance)
    card: Card = field(default_factory=Card)

    @property
    def files(self) -> tuple[str, ...]:
        """The files of the artifacts."""
        return tuple(each.file for each in self.artifacts)


def dump(manifest: PackageManifest) -> bytes:
    """Return the bytes of a manifest with its checksum; equal manifests give equal bytes."""
    fields = {**asdict(manifest), "contract": artifact_manifest.dumped(manifest.contract)}
    text = json.dumps({KEY: BLANK, "edgernn.package": FORMAT, **fields}, indent=1)
    return fill(text.replace(f'"{KEY}": "', f'"{KEY}":"', 1).encode())


def parse(data: bytes, name: str) -> PackageManifest:
    """Return the manifest in bytes whose checksum was verified; `name` is the name of the package in messages.

    Raises:
        FileError: it is of another format, or it contradicts itself.
    """
    try:
        fields = bounded_json.loads(data)
        version = fields.pop("edgernn.package")
        fields.pop(KEY)
        if version == FORMAT:
            return _parsed(fields)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise FileError(
            f"the manifest of '{name}' is not one of a package of edgernn ({error}); this is {VERSION}: export it again"
        ) from error
    raise FileError(f"'{name}' has format {version!r}; this edgernn reads format {FORMAT}: upgrade edgernn")


def _parsed(fields: Mapping[str, Any]) -> PackageManifest:
    typed.check(PackageManifest, {**fields, "artifacts": (), "contract": {}})
    manifest = PackageManifest(
        **{
            **fields,
            "contract": artifact_manifest.parsed(fields["contract"]),
            "features": tuple(fields["features"]),
            "artifacts": tuple(map(_artifact, fields["artifacts"])),
            "preferred": tuple(fields["preferred"]),
            "members": {name: Member(**each) for name, each in fields["members"].items()},
            "budgets": {name: Budget(**each) for name, each in fields["budgets"].items()},
            "provenance": Provenance(**fields["provenance"]),
            "card": Card(**fields["card"]),
        }
    )
    _check(manifest)
    return manifest


def _artifact(fields: Mapping[str, Any]) -> Artifact:
    typed.check(Artifact, fields)
    return Artifact(**fields)


def _check(manifest: PackageManifest) -> None:
    """Refuse what contradicts itself, and names that a terminal would obey."""
    card, provenance = manifest.card, manifest.provenance
    texts = (manifest.name, manifest.model_version, card.weights_licence, card.data_licence, provenance.data)
    for text in (*texts, *manifest.features, *manifest.budgets, *provenance.tools, *provenance.tools.values()):
        if not text.isprintable():
            raise ValueError(f"{text[:50]!r} is no name: it has a character that cannot be printed")
    contract, members, files = manifest.contract, manifest.members, manifest.files
    if contract.window or contract.adopted is not None or contract.cpu:
        raise ValueError("its contract is not that of a graph that streams")
    if len({*files}) < len(files) or GRAPH not in files or GOLDENS in files:
        raise ValueError(f"its artifacts are {', '.join(files)[:200]}; expected {GRAPH} among them, each once")
    if members.keys() != {*files, GOLDENS} or members.keys() & {MANIFEST, SIGNATURE}:
        raise ValueError(f"its members are {', '.join(members)[:200]}; expected its artifacts and {GOLDENS}")
    for name, member in members.items():
        if not _SHA256.fullmatch(member.sha256) or member.size < 0:
            raise ValueError(f"member '{name}' has no SHA-256 or size")
    if len({*manifest.preferred}) < len(manifest.preferred) or not {*manifest.preferred} <= {*files}:
        raise ValueError(f"it prefers {', '.join(manifest.preferred)[:200]}; expected its artifacts, each once")
    for artifact in manifest.artifacts:
        numbers = artifact.tolerance
        if numbers.keys() != {OUTPUT, *contract.states} or not all(isfinite(x) and x >= 0 for x in numbers.values()):
            raise ValueError(f"'{artifact.file}' has no tolerance for the output and each state")
