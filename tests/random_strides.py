"""Blocks of random modules with strides, padding on both sides and windows without padding over time, and sweeps."""

from typing import Any

from hypothesis import strategies as st

from random_kinds import SIDE, WIDEST, Block, Kind, Place, Shape, over_time
from random_timing import Window

MOST_FRAMES = 6
"""The largest product of strides."""
STRIDE = st.integers(2, 3)


def free(place: Place, by: int = 3) -> bool:
    """Whether a stride fits: positions of windows without padding are no multiple of it."""
    return not place.steps and not place.x.timing.short and place.x.timing.every * by <= MOST_FRAMES


def over(place: Place, text: str) -> str:
    """A layer of channels and time, applied to a sequence or an image."""
    return (
        f"{{y}} = {text}" if place.x.bands else f"{{y}} = {text.replace('{x}', '{x}.transpose(1, 2)')}.transpose(1, 2)"
    )


def conv(place: Place, out: int, window: Window, padding: int | str) -> str:
    """An nn.Conv1d or nn.Conv2d with this window over time."""
    c = place.x.features
    if not place.x.bands:
        return f"nn.Conv1d({c}, {out}, {window.size}, {window.stride}, {padding!r}, {window.dilation})"
    padding = padding if isinstance(padding, str) else (padding, 0)
    return f"nn.Conv2d({c}, {out}, ({window.size}, 1), ({window.stride}, 1), {padding!r}, ({window.dilation}, 1))"


def same(draw: Any, place: Place) -> Block:
    """As many positions as before: padding on both sides."""
    out, size, dilation = draw(SIDE), draw(st.integers(2, 5)), draw(st.integers(1, 2))
    reach = (size - 1) * dilation
    padding = "same" if reach % 2 or draw(st.booleans()) else reach // 2
    window = Window(size, 1, reach // 2, reach - reach // 2, dilation)
    made = conv(place, out, window, padding)
    return Block((over(place, "self.{me}({x})"),), Shape(out, place.x.bands), {"": made}, window=window)


def valid(draw: Any, place: Place) -> Block:
    out, window = draw(SIDE), Window(draw(st.integers(2, 4)), dilation=draw(st.integers(1, 2)))
    made = conv(place, out, window, 0)
    return Block((over(place, "self.{me}({x})"),), Shape(out, place.x.bands), {"": made}, window=window)


def strided(draw: Any, place: Place) -> Block:
    """A stride with padding on both sides, or before the sequence alone."""
    out, stride = draw(SIDE), draw(STRIDE)
    both, after = draw(st.integers(0, 2)), Shape(out, place.x.bands)
    if both:
        window = Window(2 * both + draw(st.integers(1, stride)), stride, both, both)
        return Block((over(place, "self.{me}({x})"),), after, {"": conv(place, out, window, both)}, window=window)
    left = draw(st.integers(0, 3))
    window = Window(left + draw(st.integers(1, stride)), stride, left)
    pad = f"(0, 0, {left}, 0)" if place.x.bands else f"({left}, 0)"
    line = over(place, f"self.{{me}}(F.pad({{x}}, {pad}))")
    return Block((line,), after, {"": conv(place, out, window, 0)}, window=window)


def pooled(draw: Any, place: Place) -> Block:
    kind, stride = draw(st.sampled_from(("Max", "Avg"))), draw(STRIDE)
    made = f"nn.{kind}Pool2d(({stride}, 1))" if place.x.bands else f"nn.{kind}Pool1d({stride})"
    return Block((over(place, "self.{me}({x})"),), place.x, {"": made}, window=Window(stride, stride))


def thinned(draw: Any, place: Place) -> Block:
    stride = draw(STRIDE)
    line = f"{{y}} = {{x}}[:, :, ::{stride}]" if place.x.bands else f"{{y}} = {{x}}[:, ::{stride}]"
    return Block((line,), place.x, window=Window(1, stride))


def stacked(draw: Any, place: Place) -> Block:
    """Several frames in one."""
    stride = draw(STRIDE)
    n = stride * place.x.features
    return Block((f"{{y}} = {{x}}.reshape(1, -1, {n})",), Shape(n), window=Window(stride, stride))


def swept(draw: Any, place: Place) -> Block:
    """A recurrent layer that runs over the bands of each frame."""
    kind, n, both = draw(st.sampled_from(("GRU", "LSTM", "RNN"))), draw(SIDE), draw(st.booleans())
    layers = draw(st.integers(1, 2))
    made = f"nn.{kind}({place.x.features}, {n}, {layers}, batch_first=True, bidirectional={both})"
    lines = ("a = {x}[0].permute(1, 2, 0)", "{y} = self.{me}(a)[0].permute(2, 0, 1)[None]")
    return Block(lines, Shape(n * (1 + both), place.x.bands), {"": made})


STRIDES: dict[str, Kind] = {
    "same": Kind(over_time(lambda _: True), same),
    "valid": Kind(over_time(lambda place: place.x.timing.every == 1), valid),
    "strided": Kind(free, strided),
    "pooled over time": Kind(free, pooled),
    "every second frame": Kind(free, thinned),
    "frames side by side": Kind(
        lambda place: free(place) and not place.x.bands and 3 * place.x.features <= WIDEST, stacked
    ),
    "swept": Kind(over_time(lambda place: place.x.bands > 1), swept),
}
"""Each kind by its name."""
