"""Blocks of random modules over time and frequency."""

from typing import Any

from hypothesis import strategies as st

from random_kinds import SIDE, WIDEST, Block, Kind, Place, Shape, factors, image, over_time, span


def summary(draw: Any, place: Place) -> Block:
    """A number for each channel: over the bands."""
    how = draw(
        st.sampled_from(("mean(3)", "sum(3)", "amax(3)", "var(3, correction=0)", "max(3).values", "select(3, 0)"))
    )
    return Block((f"{{y}} = {{x}}.{how}.transpose(1, 2)",), Shape(place.x.features))


def banded(draw: Any, place: Place) -> Block:
    """Other weights in each band, or a matrix between bands."""
    c, f, out = place.x.features, place.x.bands, draw(st.integers(1, 3))
    if draw(st.booleans()):
        return Block(
            ("{y} = torch.einsum('bctf,fco->botf', {x}, self.{me})",),
            Shape(out, f),
            {"": f"nn.Parameter(torch.randn({f}, {c}, {out}) / 2)"},
        )
    return Block(("{y} = {x} @ self.{me}",), Shape(c, out + 1), {"": f"nn.Parameter(torch.randn({f}, {out + 1}) / 2)"})


def beside_bands(place: Place) -> list[str]:
    x = place.x
    return [
        name
        for name, shape in place.seen.items()
        if x.bands and shape.bands and shape.features == x.features and x.bands + shape.bands <= WIDEST
    ]


def bands_joined(draw: Any, place: Place) -> Block:
    other = draw(st.sampled_from(beside_bands(place)))
    return Block(
        (f"{{y}} = torch.cat([{{x}}, {other}], 3)",),
        Shape(place.x.features, place.x.bands + place.seen[other].bands),
        other=other,
    )


def gated(draw: Any, place: Place) -> Block:
    """Each channel by a gate from all channels, or each band by one from all bands: squeeze and excitation in a frame."""
    c, f = place.x.features, place.x.bands
    if draw(st.booleans()):
        line = "{y} = {x} * torch.sigmoid(self.{me}({x}.mean(3).transpose(1, 2))).transpose(1, 2).unsqueeze(3)"
        return Block((line,), place.x, {"": f"nn.Linear({c}, {c})"})
    return Block(
        ("{y} = {x} * torch.sigmoid(self.{me}({x}.mean(1, keepdim=True)))",), place.x, {"": f"nn.Linear({f}, {f})"}
    )


def to_image(draw: Any, place: Place) -> Block:
    n = place.x.features
    choices = [("{x}.unsqueeze(1)", Shape(1, n))] if n > 1 else []
    for c in factors(n):
        choices.append((f"{{x}}.unflatten(2, ({c}, {n // c})).transpose(1, 2)", Shape(c, n // c)))
        choices.append((f"{{x}}.view(1, -1, {n // c}, {c}).permute(0, 3, 1, 2)", Shape(c, n // c)))
    line, after = draw(st.sampled_from(choices))
    return Block((f"{{y}} = {line}",), after)


def to_sequence(draw: Any, place: Place) -> Block:
    line = draw(
        st.sampled_from(
            (
                "{x}.transpose(1, 2).flatten(2)",
                "{x}.permute(0, 2, 3, 1).flatten(2)",
                "{x}.permute(0, 2, 3, 1).reshape(1, {x}.shape[2], -1)",
            )
        )
    )
    return Block((f"{{y}} = {line}",), Shape(place.x.width))


def exchanged(draw: Any, place: Place) -> Block:
    return Block(("{y} = {x}.transpose(1, 3)",), Shape(place.x.bands, place.x.features))


def conv2d(draw: Any, place: Place) -> Block:
    c, f = place.x.features, place.x.bands
    groups = draw(st.sampled_from([g for g in range(1, c + 1) if c % g == 0]))
    out = groups * draw(st.integers(1, 2))
    frames, apart = (1, 1) if place.steps else (draw(st.integers(1, 3)), draw(st.integers(1, 2)))
    taps, stride, dilation = draw(st.integers(1, 3)), draw(st.integers(1, 2)), draw(st.integers(1, 2))
    padding = draw(st.integers(0, 1))
    while span(taps, stride, (padding, padding), dilation, f) < min(2, f):
        taps, stride, dilation = (taps - 1, stride, dilation) if taps > 1 else (1, 1, 1)
    reach = (frames - 1) * apart
    made = f"nn.Conv2d({c}, {out}, ({frames}, {taps}), (1, {stride}), ({{p}}, {padding}), ({apart}, {dilation}), {groups}, bias={draw(st.booleans())})"
    after = Shape(out, span(taps, stride, (padding, padding), dilation, f))
    if reach and draw(st.booleans()):
        return Block((f"{{y}} = self.{{me}}({{x}})[:, :, :-{reach}]",), after, {"": made.replace("{p}", str(reach))})
    line = f"{{y}} = self.{{me}}(F.pad({{x}}, (0, 0, {reach}, 0)))" if reach else "{y} = self.{me}({x})"
    return Block((line,), after, {"": made.replace("{p}", "0")})


def transposed(draw: Any, place: Place) -> Block:
    c, f = place.x.features, place.x.bands
    groups = draw(st.sampled_from([g for g in range(1, c + 1) if c % g == 0]))
    out, frames = groups * draw(st.integers(1, 2)), 1 if place.steps else draw(st.integers(1, 2))
    taps, stride = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    more = draw(st.integers(0, stride - 1))
    made = f"nn.ConvTranspose2d({c}, {out}, ({frames}, {taps}), (1, {stride}), output_padding=(0, {more}), groups={groups})"
    cut = f"[:, :, :-{frames - 1}]" if frames > 1 else ""
    return Block((f"{{y}} = self.{{me}}({{x}}){cut}",), Shape(out, (f - 1) * stride + taps + more), {"": made})


def pooled(draw: Any, place: Place) -> Block:
    size = draw(st.integers(2, 3))
    stride, padding = draw(st.integers(1, size)), draw(st.integers(0, 1))
    while span(size, stride, (padding, padding), 1, place.x.bands) < 2:
        size, stride, padding = 2, 1, 1
    kind = draw(st.sampled_from(("Max", "Avg")))
    after = Shape(place.x.features, span(size, stride, (padding, padding), 1, place.x.bands))
    return Block(("{y} = self.{me}({x})",), after, {"": f"nn.{kind}Pool2d((1, {size}), (1, {stride}), (0, {padding}))"})


def by_channels(draw: Any, place: Place) -> Block:
    out = draw(SIDE)
    return Block(
        ("{y} = self.{me}({x}.movedim(1, -1)).movedim(-1, 1)",),
        Shape(out, place.x.bands),
        {"": f"nn.Linear({place.x.features}, {out})"},
    )


def shared(draw: Any, place: Place) -> Block:
    """One recurrent layer for all bands."""
    kind, n = draw(st.sampled_from(("GRU", "LSTM", "RNN"))), draw(SIDE)
    lines = draw(
        st.sampled_from(
            (
                ("a = {x}[0].permute(2, 1, 0)", "{y} = self.{me}(a)[0].permute(2, 1, 0).unsqueeze(0)"),
                ("a = {x}.permute(0, 3, 2, 1).flatten(0, 1)", "{y} = self.{me}(a)[0].unsqueeze(0).permute(0, 3, 2, 1)"),
            )
        )
    )
    return Block(lines, Shape(n, place.x.bands), {"": f"nn.{kind}({place.x.features}, {n}, batch_first=True)"})


IMAGES: dict[str, Kind] = {
    "summary": Kind(image, summary),
    "banded": Kind(image, banded),
    "bands joined": Kind(lambda place: bool(beside_bands(place)), bands_joined),
    "gated": Kind(image, gated),
    "to image": Kind(lambda place: not place.x.bands and place.x.features > 1, to_image),
    "to sequence": Kind(lambda place: image(place) and place.x.width <= WIDEST, to_sequence),
    "exchanged": Kind(lambda place: image(place) and place.x.features > 1, exchanged),
    "conv2d": Kind(image, conv2d),
    "transposed": Kind(lambda place: image(place) and place.x.bands < WIDEST // 2, transposed),
    "pooled": Kind(image, pooled),
    "by channels": Kind(image, by_channels),
    "shared": Kind(over_time(image), shared),
}
"""Each kind by its name."""
