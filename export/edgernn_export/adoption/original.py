"""A file of another tool in its own runtime: its tensors, and a plain call."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from edgernn.array import Array
from edgernn.errors import UsageError
from edgernn.files.spelling import misspelt
from edgernn.integer.plan import QuantizationParameters
from edgernn.model.parts import LONGEST

Size = int | str | None
"""Of an axis; open sizes have a name, or None."""

_PREFIX, _SUFFIX = "serving_default_", ":0"  # what TensorFlow's converter adds to names


@dataclass(frozen=True)
class Endpoint:
    """An input or output of the file.

    Attributes:
        name: in the runtime.
        alias: letters, digits and _: its name in the manifest.
        shape: as the file declares it.
        dtype: of numpy, or what the runtime calls another one.
        quantization: how its integers represent numbers; None where they do not.
        default: the shape that it has unless another is chosen; None where a size is open.
    """

    name: str
    alias: str
    shape: tuple[Size, ...]
    dtype: str
    quantization: QuantizationParameters | None = None
    default: tuple[int, ...] | None = None

    def __str__(self) -> str:
        return f"'{self.alias}' {self.dtype} ({', '.join('?' if n is None else str(n) for n in self.shape)})"


class Original(Protocol):
    """A file that is open in its own runtime."""

    runtime: str  # its name and version, as Engine.backend
    inputs: tuple[Endpoint, ...]
    outputs: tuple[Endpoint, ...]
    quantized: bool  # whether it rounds to integers inside, as far as its runtime shows

    def call(self, arguments: Mapping[str, Array]) -> dict[str, Array]:
        """Return all results of one call by name, each a new array.

        Raises:
            UnsupportedError: the runtime fails.
        """

    def reset(self) -> bool:
        """Reset what the runtime keeps from one call to the next; false where it has no such call."""

    def check_carried(self, arguments: Mapping[str, Array]) -> None:
        """Refuse a layer that runs over time and whose state is lost after each call, as far as the file shows it.

        Raises:
            UnsupportedError: the message names the layer.
        """


def aliases(names: Sequence[str]) -> list[str]:
    """Return a different name of letters, digits and _ for each name."""
    chosen: list[str] = []
    for name in names:
        plain = re.sub(r"[^A-Za-z0-9_]", "_", name.removeprefix(_PREFIX).removesuffix(_SUFFIX))
        plain = plain[: LONGEST - 4] or "value"
        alias, count = plain, 1
        while alias in chosen:
            count += 1
            alias = f"{plain}_{count}"
        chosen.append(alias)
    return chosen


def endpoint(name: str, among: Sequence[Endpoint], option: str, kind: str) -> Endpoint:
    """Return the input or output that a user names, as the runtime or as the manifest does.

    Raises:
        UsageError: there is none.
    """
    for each in among:
        if name in {each.name, each.alias}:
            return each
    names = misspelt(name, [each.alias for each in among])
    raise UsageError(f"{option} names the {kind} '{name}', which does not exist; {names}")
