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
        "--order",
        metavar="FORMATS",
        show_default="so,tflite,onnx,rnn",
        help="Order in which a device tries the formats.",
    ),
    click.option("--card", type=PATH, metavar="FILE", help="Read name, version, licences and budgets from a .toml."),
    click.option(
        "--trained-in", type=PATH, metavar="FOLDER", help="Take recipe and data fingerprint from this folder of a run."
    ),
)


def parsed_package(to: str | None, order: str | None, card: str | None, trained_in: str | None) -> "PackageOptions":
    """Return the values of `package_options` as options of a package.

    Raises:
        UsageError: a format does not exist.
        FileError: the card or a file of the run cannot be read.
    """
    from edgernn_export.packaging.card import load
    from edgernn_export.packaging.options import PackageOptions

    fields: dict[str, Any] = {} if card is None else load(card)
    fields |= {} if trained_in is None else _provenance(trained_in)
    return PackageOptions(to=_names(to), preferred=_names(order), **fields)


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
