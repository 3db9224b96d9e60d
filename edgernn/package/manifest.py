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
from edgernn.package.precisions import beyond_quantization, member_of
from edgernn.package.translation import ENCODER, Translation
from edgernn.version import VERSION

FORMAT = "1"
GRAPH = f"model{GRAPH_SUFFIX}"
GOLDENS = "goldens.safetensors"
"""The members that every package has, beside the manifest: those of the model's own precision."""

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Member:
    """A member as the manifest lists it: its SHA-256 in hexadecimal, and its bytes."""

    sha256: str
    size: int


@dataclass(frozen=True)
class Artifact:
    """The model in one format and one precision.

    Attributes:
        file: the name of the member; its suffix says what runs it.
        precision: one of those of the package.
        tolerance: how far a runtime may be from the goldens in `y` and in each state, by name.
        cpu: of compiled code, the levels of processors, as edgernn.artifact.manifest.Manifest.cpu.
        triple: of compiled code, machine, system and C library, such as "aarch64-linux-gnu.2.17".
    """

    file: str
    precision: str
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
        also: the contracts of further precisions, the cheapest last; they differ in quantization alone.
        features: the cells that make features of the input, with their settings, the first one first.
        artifacts: the formats of each precision, its graph among them.
        preferred: the files of artifacts in the order in which they are tried; empty for the order of edgernn.
        members: every other member by name, but for the signature.
        budgets: the latency budget on a device, by the name of the device.
        provenance: where the model comes from.
        card: the model card.
        translation: of a decoder, whose encoder is the member ENCODER; None of any other model.
    """

    name: str
    model_version: str
    contract: Manifest
    also: tuple[Manifest, ...]
    features: tuple[str, ...]
    artifacts: tuple[Artifact, ...]
    members: Mapping[str, Member]
    preferred: tuple[str, ...] = ()
    budgets: Mapping[str, Budget] = field(default_factory=dict)
    provenance: Provenance = field(default_factory=Provenance)
    card: Card = field(default_factory=Card)
    translation: Translation | None = None

    @property
    def files(self) -> tuple[str, ...]:
        """The files of the artifacts."""
        return tuple(each.file for each in self.artifacts)

    @property
    def contracts(self) -> Mapping[str, Manifest]:
        """The contract of each precision by its name, the model's own first, the cheapest last."""
        return {each.precision: each for each in (self.contract, *self.also)}

    @property
    def precisions(self) -> tuple[str, ...]:
        """The names of the precisions, the model's own first, the cheapest last."""
        return tuple(self.contracts)

    def member(self, name: str, precision: str) -> str:
        """Return the name of the member of a precision that is `name` in the model's own, such as GRAPH or GOLDENS."""
        return name if precision == self.contract.precision else member_of(name, precision)


def dump(manifest: PackageManifest) -> bytes:
    """Return the bytes of a manifest with its checksum; equal manifests give equal bytes."""
    contract, *also = map(artifact_manifest.dumped, (manifest.contract, *manifest.also))
    fields = {**asdict(manifest), "contract": contract, "also": also}
    if manifest.translation is None:
        del fields["translation"]  # which only a translator states
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


def _parsed(stated: Mapping[str, Any]) -> PackageManifest:
    fields = {"translation": None, **stated}
    typed.check(PackageManifest, {**fields, "artifacts": (), "contract": {}, "also": (), "translation": None})
    if not isinstance(fields["also"], list):
        raise TypeError(f"'also' is {str(fields['also'])[:50]}; expected a list")
    manifest = PackageManifest(
        **{
            **fields,
            "contract": artifact_manifest.parsed(fields["contract"]),
            "also": tuple(map(artifact_manifest.parsed, fields["also"])),
            "features": tuple(fields["features"]),
            "artifacts": tuple(map(_artifact, fields["artifacts"])),
            "preferred": tuple(fields["preferred"]),
            "members": {name: Member(**each) for name, each in fields["members"].items()},
            "budgets": {name: Budget(**each) for name, each in fields["budgets"].items()},
            "provenance": Provenance(**fields["provenance"]),
            "card": Card(**fields["card"]),
            "translation": None if fields["translation"] is None else _translation(fields["translation"]),
        }
    )
    _check(manifest)
    return manifest


def _artifact(fields: Mapping[str, Any]) -> Artifact:
    typed.check(Artifact, fields)
    return Artifact(**fields)


def _translation(fields: Mapping[str, Any]) -> Translation:
    typed.check(Translation, fields)
    return Translation(**{**fields, "source": tuple(fields["source"]), "target": tuple(fields["target"])})


def _check(manifest: PackageManifest) -> None:
    """Refuse what contradicts itself, and names that a terminal would obey."""
    card, provenance = manifest.card, manifest.provenance
    texts = (manifest.name, manifest.model_version, card.weights_licence, card.data_licence, provenance.data)
    for text in (*texts, *manifest.features, *manifest.budgets, *provenance.tools, *provenance.tools.values()):
        if not text.isprintable():
            raise ValueError(f"{text[:50]!r} is no name: it has a character that cannot be printed")
    _check_precisions(manifest)
    members, files = manifest.members, manifest.files
    graphs, goldens = ([manifest.member(name, each) for each in manifest.precisions] for name in (GRAPH, GOLDENS))
    if len({*files}) < len(files) or not {*graphs} <= {*files} or {*goldens} & {*files}:
        raise ValueError(
            f"its artifacts are {', '.join(files)[:200]}; expected {', '.join(graphs)} among them, each once"
        )
    encoder = () if manifest.translation is None else (ENCODER,)
    if members.keys() != {*files, *goldens, *encoder} or members.keys() & {MANIFEST, SIGNATURE}:
        raise ValueError(f"its members are {', '.join(members)[:200]}; expected its artifacts and {', '.join(goldens)}")
    for name, member in members.items():
        if not _SHA256.fullmatch(member.sha256) or member.size < 0:
            raise ValueError(f"member '{name}' has no SHA-256 or size")
    if len({*manifest.preferred}) < len(manifest.preferred) or not {*manifest.preferred} <= {*files}:
        raise ValueError(f"it prefers {', '.join(manifest.preferred)[:200]}; expected its artifacts, each once")
    for artifact in manifest.artifacts:
        _check_artifact(artifact, manifest)


def _check_precisions(manifest: PackageManifest) -> None:
    """Refuse contracts that are not those of one model in several precisions."""
    for contract in (manifest.contract, *manifest.also):
        if contract.window or contract.adopted is not None or contract.cpu:
            raise ValueError("its contract is not that of a graph that streams")
        if not contract.precision.isprintable():
            raise ValueError(f"{contract.precision[:50]!r} is no name of a precision")
        differ = beyond_quantization(manifest.contract, contract)
        if differ:
            raise ValueError(f"its precision '{contract.precision}' is another model: {differ}")
    if len(manifest.precisions) <= len(manifest.also):
        raise ValueError(f"one of its precisions comes twice: {', '.join(manifest.precisions)[:200]}")


def _check_artifact(artifact: Artifact, manifest: PackageManifest) -> None:
    """Refuse an artifact of no precision, or a graph of another one, and a tolerance that is none."""
    file, precision, numbers = artifact.file, artifact.precision, artifact.tolerance
    if precision not in manifest.precisions:
        raise ValueError(f"'{file}' has precision '{precision[:50]}'; there are {', '.join(manifest.precisions)[:200]}")
    graphs = {manifest.member(GRAPH, each): each for each in manifest.precisions}
    if graphs.get(file, precision) != precision:
        raise ValueError(f"'{file}' has precision '{precision}'; expected '{graphs[file]}'")
    states = manifest.contract.states
    if numbers.keys() != {OUTPUT, *states} or not all(isfinite(x) and x >= 0 for x in numbers.values()):
        raise ValueError(f"'{file}' has no tolerance for the output and each state")
