"""What only a package of `edgernn export` takes: its formats, its card, and the run that trained the model."""

from typing import TYPE_CHECKING, Any

import click

from edgernn.commands.options.shared import several
from edgernn.commands.options.types import PATH

if TYPE_CHECKING:
    from edgernn_export.packaging.options import PackageOptions

package_options = several(
    click.option("--to", metavar="FORMATS", help="Formats in a .edge package beside the graph: onnx,so,tflite."),
    click.option(
        "--also",
        metavar="NAMES",
        help="Further precisions of the model in a .edge package, the cheapest last: dynamic_wi8_afp32,static_wi8_ai8.",
    ),
    click.option(
        "--order",
        metavar="FORMATS",
        show_default="so,tflite,onnx,rnn",
        help="Order in which a device tries the formats.",
    ),
    click.option(
        "--tuned",
        type=PATH,
        metavar="FILE",
        help="Take the order of the formats from a result of `edgernn tune --json`.",
    ),
    click.option("--card", type=PATH, metavar="FILE", help="Read name, version, licences and budgets from a .toml."),
    click.option(
        "--trained-in", type=PATH, metavar="FOLDER", help="Take recipe and data fingerprint from this folder of a run."
    ),
)

PACKING = ("to", "also", "order", "tuned", "card", "trained_in")
"""The names of these options in Python."""


def parsed_package(
    to: str | None, order: str | None, tuned: str | None, card: str | None, trained_in: str | None
) -> "PackageOptions":
    """Return the values of `package_options` as options of a package.

    Raises:
        UsageError: a format does not exist, or the order arrived twice.
        FileError: the card, the result or a file of the run cannot be read.
    """
    from edgernn.errors import UsageError
    from edgernn_export.packaging.card import load
    from edgernn_export.packaging.options import PackageOptions

    if order is not None and tuned is not None:
        raise UsageError(f"--order {order} and --tuned {tuned} both arrived; give one order")
    formats = _names(to)
    preferred = _names(order) if tuned is None else _measured(tuned, formats)
    fields: dict[str, Any] = {} if card is None else load(card)
    fields |= {} if trained_in is None else _provenance(trained_in)
    return PackageOptions(to=formats, preferred=preferred, **fields)


def parsed_precisions(also: str | None) -> tuple[str, ...]:
    """Return the names of further precisions.

    Raises:
        UsageError: there is no such precision.
    """
    from edgernn.errors import UsageError
    from edgernn.files.spelling import misspelt
    from edgernn.model.tensor import SCHEMES

    names = _names(also)
    for name in names:
        if name not in SCHEMES:
            raise UsageError(f"there is no precision '{name}' for --also; {misspelt(name, SCHEMES)}")
    return names


def _measured(path: str, formats: tuple[str, ...]) -> tuple[str, ...]:
    """Return the formats in the order in which `edgernn tune` measured them, in the winner's precision."""
    from edgernn.device.runtimes import RUNTIMES
    from edgernn.errors import FileError
    from edgernn.files import atomic, bounded_json

    suffixes = {runtime.title: runtime.suffix.removeprefix(".") for runtime in RUNTIMES.values()}
    try:
        result = bounded_json.loads(atomic.read(path))
        model = [result["winner"][key] for key in ("plan", "scheme")]
        alike = [each for each in result["candidates"] if [each["plan"], each["scheme"]] == model]
        fastest = sorted(alike, key=lambda each: float(each["step_us"]))
        measured = dict.fromkeys(suffixes[each["runtime"]] for each in fastest)
    except (ValueError, KeyError, TypeError) as error:
        raise FileError(f"'{path}' is no result of `edgernn tune --json` ({error}); write one again") from error
    return tuple(each for each in measured if each in formats)


def _names(text: str | None) -> tuple[str, ...]:
    return () if text is None else tuple(each.strip().removeprefix(".") for each in text.split(","))


def _provenance(folder: str) -> dict[str, str]:
    """Return the recipe and the fingerprint of the data that a run of `edgernn train` left in its folder."""
    from pathlib import Path

    from edgernn.errors import FileError
    from edgernn.files import atomic
    from edgernn.train.data import fingerprint

    recipe, instead = Path(folder) / "recipe.toml", "give the folder of a run of `edgernn train`"
    try:
        text = atomic.read(recipe).decode()
    except UnicodeDecodeError as error:
        raise FileError(f"'{recipe}' is not UTF-8: {error}; {instead}") from error
    return {"recipe": text, "data": fingerprint.load(Path(folder) / fingerprint.FILE, instead).checksum}
