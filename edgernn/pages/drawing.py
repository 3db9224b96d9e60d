"""Drawings for a page: pieces of SVG that take the page's own ink, so that they are read by day and by night."""

import io
import re
import warnings
from typing import Any

from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK = "#010203"  # stands for the colour of the page's text
COLOURS = ("#2f81d6", "#e0732c", "#2f9e6b", "#b4559c", "#8a7a1f", "#6f6fd1")  # each seen on white and on black
STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "edgernn",
    "text.parse_math": False,  # a label may have dollars
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), INK),
}


def plain(text: str, longest: int = 0) -> str:
    """Text without what does not print, such as a line break or half a surrogate; cut where it is too long."""
    shown = "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
    return shown if not longest or len(shown) <= longest else shown[: longest - 1] + "…"


def axes_of(width: float, height: float) -> Axes:
    """In inches; no figure is kept by pyplot."""
    axes: Axes = Figure((width, height), layout="constrained").subplots()
    return axes


def svg(axes: Axes, says: str) -> Markup:
    """The figure as an element of a page: no names that two figures share, nothing from elsewhere."""
    text = io.StringIO()
    figure = axes.get_figure(root=True)
    assert figure is not None
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # the reader's browser has a font for it
        figure.savefig(
            text, format="svg", transparent=True, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type"))
        )
    made = text.getvalue()
    made = made[made.index("<svg") :]
    made = re.sub(rf"(fill|stroke): {INK}", r"\1: currentColor", made)
    made = re.sub(r"font-family: [^;]*; ", "", made)  # that of the page
    own = re.sub(r"\W+", "-", says)
    made = re.sub(r'( id="|xlink:href="#|url\(#)(?=[\w.-]+["\)])', rf"\g<1>{own}-", made)
    return Markup(made.replace("<svg ", f'<svg role="img" aria-label="{escape(says)}" ', 1))  # noqa: S704  matplotlib escapes text
