"""Blocks of random modules that are one step: their states are arguments or buffers."""

from typing import Any

from hypothesis import strategies as st

from random_kinds import SIDE, WIDEST, Block, Kind, Place, Shape, image, one_step, sequence


def through(draw: Any, place: Place) -> Block:
    """nn.GRU, nn.LSTM or nn.RNN with its state."""
    kind, n, layers = draw(st.sampled_from(("GRU", "LSTM", "RNN"))), draw(SIDE), draw(st.integers(1, 2))
    made = {"": f"nn.{kind}({place.x.features}, {n}, {layers}, batch_first=True)"}
    if kind == "LSTM":
        return Block(
            ("{y}, ({h0}, {h1}) = self.{me}({x}, ({h0}, {h1}))",), Shape(n), made, ((layers, 1, n), (layers, 1, n))
        )
    return Block(("{y}, {h0} = self.{me}({x}, {h0})",), Shape(n), made, ((layers, 1, n),))


def cell(draw: Any, place: Place) -> Block:
    kind, n = draw(st.sampled_from(("GRU", "LSTM", "RNN"))), draw(SIDE)
    made = {"": f"nn.{kind}Cell({place.x.features}, {n})"}
    if kind == "LSTM":
        return Block(
            ("{h0}, {h1} = self.{me}({x}[:, 0], ({h0}, {h1}))", "{y} = {h0}.unsqueeze(1)"),
            Shape(n),
            made,
            ((1, n), (1, n)),
        )
    return Block(("{h0} = self.{me}({x}[:, 0], {h0})", "{y} = {h0}.unsqueeze(1)"), Shape(n), made, ((1, n),))


def by_hand(draw: Any, place: Place) -> Block:
    n, c = draw(SIDE), place.x.features
    lines = (
        "a = torch.cat([{x}[:, 0], {h0}], -1)",
        "{h0} = {h0} + torch.sigmoid(self.{me}(a)) * (torch.tanh(self.{me}n(a)) - {h0})",
        "{y} = {h0}[:, None]",
    )
    return Block(lines, Shape(n), {"": f"nn.Linear({c + n}, {n})", "n": f"nn.Linear({c + n}, {n})"}, ((1, n),))


def before(draw: Any, place: Place) -> Block:
    """What the frame before had: a difference, or both side by side."""
    c = place.x.features
    both = draw(st.booleans()) and 2 * c <= WIDEST
    line = "{y} = torch.cat([{x}, {h0}], -1)" if both else "{y} = {x} - 0.5 * {h0}"
    return Block((line, "{h0} = {x}"), Shape(2 * c if both else c), {}, ((1, 1, c),))


def smoothed(draw: Any, place: Place) -> Block:
    """A running mean, of a sequence or an image."""
    shape = place.x.of_length(1)
    return Block(("{h0} = 0.9 * {h0} + 0.1 * {x}", "{y} = {x} - {h0}"), place.x, {}, (shape,))


def cached_conv1d(draw: Any, place: Place) -> Block:
    c, out, taps = place.x.features, draw(SIDE), draw(st.integers(2, 3))
    lines = (
        "a = torch.cat([{h0}, {x}.transpose(1, 2)], 2)",
        "{h0} = a[:, :, 1:]",
        "{y} = self.{me}(a).transpose(1, 2)",
    )
    return Block(lines, Shape(out), {"": f"nn.Conv1d({c}, {out}, {taps})"}, ((1, c, taps - 1),))


def cached_conv2d(draw: Any, place: Place) -> Block:
    c, f, frames, taps = place.x.features, place.x.bands, draw(st.integers(2, 3)), draw(st.integers(1, 2))
    out, taps = draw(SIDE), min(taps, f)
    lines = ("a = torch.cat([{h0}, {x}], 2)", "{h0} = a[:, :, 1:]", "{y} = self.{me}(a)")
    return Block(
        lines, Shape(out, f - taps + 1), {"": f"nn.Conv2d({c}, {out}, ({frames}, {taps}))"}, ((1, c, frames - 1, f),)
    )


def shared_step(draw: Any, place: Place) -> Block:
    n = draw(SIDE)
    lines = ("a, {h0} = self.{me}({x}[0].permute(2, 1, 0), {h0})", "{y} = a.permute(2, 1, 0).unsqueeze(0)")
    return Block(
        lines,
        Shape(n, place.x.bands),
        {"": f"nn.GRU({place.x.features}, {n}, batch_first=True)"},
        ((1, place.x.bands, n),),
    )


STEPS: dict[str, Kind] = {
    "through": Kind(sequence, through),
    "cell": Kind(one_step(sequence), cell),
    "by hand": Kind(one_step(sequence), by_hand),
    "frame before": Kind(one_step(sequence), before),
    "smoothed": Kind(one_step(lambda place: True), smoothed),
    "cached conv1d": Kind(one_step(sequence), cached_conv1d),
    "cached conv2d": Kind(one_step(image), cached_conv2d),
    "shared step": Kind(one_step(image), shared_step),
}
"""Each kind by its name."""
