"""Drawings for a page: SVG in the text colour of the page, for the light and the dark theme."""

import io
import re
import warnings
from typing import Any

from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK = "#010203"  # placeholder for the text colour of the page
COLOURS = ("#2f81d6", "#e0732c", "#2f9e6b", "#b4559c", "#8a7a1f", "#6f6fd1")  # visible on white and on black
STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "edgernn",
    "text.parse_math": False,  # labels may contain dollar signs
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), INK),
}


def plain(text: str, longest: int = 0) -> str:
    """Text with unprintable characters escaped, such as line breaks; cut to `longest` characters if above 0."""
    shown = "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
    return shown if not longest or len(shown) <= longest else shown[: longest - 1] + "…"


def axes_of(width: float, height: float) -> Axes:
    """Axes of a new figure, in inches; pyplot does not register it."""
    axes: Axes = Figure((width, height), layout="constrained").subplots()
    return axes


def svg(axes: Axes, label: str) -> Markup:
    """The figure as a self-contained SVG element with this accessible label. Its ids are unique on a page."""
    text = io.StringIO()
    figure = axes.get_figure(root=True)
    assert figure is not None
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # the browser has a font for it
        figure.savefig(
            text, format="svg", transparent=True, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type"))
        )
    element = text.getvalue()
    element = element[element.index("<svg") :]
    element = re.sub(rf"(fill|stroke): {INK}", r"\1: currentColor", element)
    element = re.sub(r"font-family: [^;]*; ", "", element)  # use that of the page
    prefix = re.sub(r"\W+", "-", label)
    element = re.sub(r'( id="|xlink:href="#|url\(#)(?=[\w.-]+["\)])', rf"\g<1>{prefix}-", element)
    attributes = f'role="img" aria-label="{escape(label)}"'
    return Markup(element.replace("<svg ", f"<svg {attributes} ", 1))  # noqa: S704  matplotlib escapes text
