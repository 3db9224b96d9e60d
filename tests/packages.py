"""Packages for the tests: small ones, and what seals changed members again so that their hashes match."""

import json
from collections.abc import Callable, Mapping
from functools import cache
from hashlib import sha256

from edgernn.artifact import checksum
from edgernn.model.graph import Graph
from edgernn.package import archive
from edgernn.package.archive import MANIFEST, SIGNATURE
from edgernn.passes.calibrate import calibrate
from edgernn.passes.quantize import quantize
from edgernn_export.packaging.compose import compose
from edgernn_export.packaging.options import PackageOptions
from zoo import begin, frames, keyword_spotter


@cache
def package(*formats: str) -> bytes:
    """A package of a keyword spotter, always the same one."""
    begin(17)
    return compose(keyword_spotter(), "kws.edge", PackageOptions(formats))


@cache
def forms() -> dict[str, Graph]:
    """A keyword spotter in three precisions by name, always the same ones, the cheapest last."""
    begin(17)
    graph = keyword_spotter()
    graph = calibrate(graph, [frames(graph, 200)])
    return {"fp32": graph} | {name: quantize(graph, name) for name in ("dynamic_wi8_afp32", "static_wi8_ai8")}


@cache
def several(*formats: str) -> bytes:
    """A package of these."""
    own, *also = forms().values()
    return compose(own, "kws.edge", PackageOptions(formats, also=tuple(also)))


def members(data: bytes) -> dict[str, bytes]:
    return {name: bytes(view) for name, view in archive.unpacked(data, "kws.edge").items()}


def summed(manifest: Mapping[str, object]) -> bytes:
    """The bytes of a manifest with a valid checksum."""
    text = json.dumps({**manifest, checksum.KEY: checksum.BLANK})
    return checksum.fill(text.replace(f'"{checksum.KEY}": "', f'"{checksum.KEY}":"').encode())


def sealed(changed: Mapping[str, bytes], change: Callable[[dict], object] = lambda manifest: None) -> bytes:
    """A package of members, whose manifest is changed and then lists their true hashes."""
    manifest = json.loads(changed[MANIFEST])
    manifest["members"] = {
        name: {"sha256": sha256(data).hexdigest(), "size": len(data)}
        for name, data in changed.items()
        if name not in {MANIFEST, SIGNATURE}
    }
    change(manifest)
    return archive.packed({**changed, MANIFEST: summed(manifest)})
