"""The running edgernn as a wheel, the same bytes every time: what another machine needs of it, without the exporter."""

import base64
import io
import re
import zipfile
from hashlib import sha256
from importlib import metadata
from pathlib import Path

from edgernn.errors import RemoteError
from edgernn.version import VERSION

NAME = f"edgernn-{VERSION}-py3-none-any.whl"

_PACKAGE = Path(__file__).parents[1]
_INFO = f"edgernn-{VERSION}.dist-info"
_WHEEL = b"Wheel-Version: 1.0\nGenerator: edgernn\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
_DATE = (1980, 1, 1, 0, 0, 0)


def wheel() -> bytes:
    """Return the bytes of a wheel (PyPA, binary distribution format) of the package that is running.

    Raises:
        RemoteError: the package has no metadata, because it was not installed.
    """
    files = {f"edgernn/{path.relative_to(_PACKAGE).as_posix()}": path.read_bytes() for path in _sources()}
    if not (_PACKAGE / "devices").is_dir():  # in a checkout the profiles of boards lie beside the package
        files |= {f"edgernn/devices/{path.name}": path.read_bytes() for path in _PACKAGE.parent.glob("devices/*.toml")}
    files |= {f"{_INFO}/METADATA": _metadata(), f"{_INFO}/WHEEL": _WHEEL}
    record = [f"{name},sha256={_hash(data)},{len(data)}\n" for name, data in sorted(files.items())]
    files[f"{_INFO}/RECORD"] = "".join((*record, f"{_INFO}/RECORD,,\n")).encode()
    return _zipped(files)


def requirements(extra: str = "") -> tuple[str, ...]:
    """Return what edgernn requires, in the form numpy>=1.24: always, or in addition for an extra.

    Raises:
        RemoteError: as `wheel`.
    """
    lines = _distribution().requires or ()
    pairs = (line.partition(";")[::2] for line in lines)
    return tuple(
        re.sub(r"[\s()]", "", requirement)
        for requirement, marker in pairs
        if re.sub(r"[\s'\"]", "", marker) == (f"extra=={extra}" if extra else "")
    )


def _sources() -> list[Path]:
    return sorted(
        path
        for path in _PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc"
    )


def _distribution() -> metadata.Distribution:
    try:
        return metadata.distribution("edgernn")
    except metadata.PackageNotFoundError:
        raise RemoteError(
            "this edgernn was not installed, so what it requires is not known; install it by pip, and call it again"
        ) from None


def _metadata() -> bytes:
    text = _distribution().read_text("METADATA") or ""
    return re.sub(r"(?m)\AMetadata-Version: .*|^Version: .*", _version, text, count=2).encode()


def _version(match: re.Match[str]) -> str:
    """The line of the running version: metadata of an editable installation may be older than its code."""
    return f"Version: {VERSION}" if match[0].startswith("Version") else match[0]


def _hash(data: bytes) -> str:
    return base64.urlsafe_b64encode(sha256(data).digest()).decode().rstrip("=")


def _zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, _DATE)
            entry.external_attr = 0o100644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
    return buffer.getvalue()
