"""Blocks of random modules within a frame: of a sequence, or of an image with bands."""

from typing import Any

from hypothesis import strategies as st

from random_kinds import SIDE, WIDEST, Block, Kind, Place, Shape, factors

WORDS = (
    "torch.relu({x})", "torch.tanh({x})", "torch.sigmoid({x})", "F.elu({x})", "F.elu({x}, 0.5)", "F.gelu({x})",
    "F.gelu({x}, approximate='tanh')", "F.softplus({x})", "F.hardtanh({x})", "{x}.abs()", "torch.exp(-{x}.abs())",
    "torch.sqrt({x} * {x} + 0.1)", "{x} / (1 + {x}.abs())", "F.silu({x})", "F.mish({x})", "torch.maximum({x}, -0.5 * {x})",
    "torch.minimum({x}, 0.3 - {x})", "F.leaky_relu({x}, 0.2)", "torch.log1p({x}.abs())", "torch.rsqrt({x} * {x} + 0.5)",
    "torch.tanh({x}) ** 2", "torch.tanh({x}) ** 3", "F.hardswish({x})", "F.hardsigmoid({x})", "{x}.clamp(-0.7, 0.4)",
    "torch.where({x} > 0, {x}, 0.1 * {x})", "F.relu6({x})", "F.selu({x})", "F.celu({x}, 0.7)", "F.softsign({x})",
    "F.logsigmoid({x})", "torch.log({x} * {x} + 0.5)", "1 / (2 + torch.tanh({x}))", "1.5 - {x} / 2", "-{x}",
    "F.tanhshrink({x})", "torch.expm1(-{x}.abs())", "torch.clamp({x}, min=-0.5)", "({x}.abs() + 0.1) ** 0.5",
    "torch.exp2(-{x}.abs())", "{x} * torch.sigmoid(1.7 * {x})", "torch.erf({x})", "F.dropout({x}, 0.5, False)",
    "{x}.softmax(-1)", "F.log_softmax({x}, dim=-1)", "torch.reciprocal({x}.abs() + 0.5)",
    "torch.square(torch.tanh({x}))", "{x}.contiguous().clone()",
    "torch.sub({x}, torch.tanh({x}), alpha=0.5)", "torch.lerp({x}, torch.tanh({x}), 0.3)",
    "torch.addcmul({x}, torch.tanh({x}), torch.sigmoid({x}), value=0.5)",
)  # fmt: skip
"""Expressions of one value, element by element or over the last axis, without jumps."""


def word(draw: Any, place: Place) -> Block:
    return Block((f"{{y}} = {draw(st.sampled_from(WORDS))}",), place.x)


OVER_FEATURES = (
    "{x} - {x}.mean({d}, keepdim=True)", "{x} / ({x}.norm(dim={d}, keepdim=True) + 1)", "{x} * {x}.amax({d}, keepdim=True)",
    "{x} / ({x}.pow(2).mean({d}, keepdim=True) + 0.5).sqrt()", "{x} + {x}.var({d}, keepdim=True, correction=0)",
    "{x} * torch.sqrt({x}.var({d}, keepdim=True, correction=0) + 0.1)", "{x}.softmax({d})", "{x} - {x}.amin({d}, keepdim=True)",
    "{x} * torch.sigmoid({x}.sum({d}, keepdim=True))", "F.normalize({x}, dim={d}, eps=1.0)", "{x}.log_softmax({d})",
    "{x} + {x}.abs().max({d}, keepdim=True).values",
)  # fmt: skip
"""Expressions over one axis of a frame."""


def over_features(draw: Any, place: Place) -> Block:
    axis = draw(st.sampled_from((1, 3, -1))) if place.x.bands else draw(st.sampled_from((-1, 2)))
    text = draw(st.sampled_from(OVER_FEATURES)).replace("{d}", str(axis))
    return Block((f"{{y}} = {text}",), place.x)


def linear(draw: Any, place: Place) -> Block:
    n = draw(SIDE)
    after = Shape(place.x.features, n) if place.x.bands else Shape(n)
    bias = draw(st.booleans())
    return Block(
        ("{y} = self.{me}({x})",), after, {"": f"nn.Linear({place.x.bands or place.x.features}, {n}, bias={bias})"}
    )


def nested(draw: Any, place: Place) -> Block:
    """A module inside; its weights may be parametrized, and its activation work in place."""
    n, x = draw(SIDE), place.x.bands or place.x.features
    first = draw(
        st.sampled_from(
            ("nn.Linear({x}, {n})", "{p}.weight_norm(nn.Linear({x}, {n}))", "{p}.spectral_norm(nn.Linear({x}, {n}))")
        )
    )
    first = first.format(x=x, n=n, p="nn.utils.parametrizations")
    last = draw(
        st.sampled_from(
            (
                "ReLU(inplace=True)",
                "ELU(inplace=True)",
                "Tanh()",
                "Hardswish(inplace=True)",
                "Dropout(0.5)",
                "Identity()",
            )
        )
    )
    after = Shape(place.x.features, n) if place.x.bands else Shape(n)
    return Block(("{y} = self.{me}({x})",), after, {"": f"nn.Sequential({first}, nn.{last})"})


def layer_norm(draw: Any, place: Place) -> Block:
    """Over the last axis, or over the channels of an image; a part of the input keeps it well-conditioned."""
    if place.x.bands and draw(st.booleans()):
        lines = ("{y} = self.{me}({x}.movedim(1, -1)).movedim(-1, 1)",)
        return Block(lines, place.x, {"": f"nn.LayerNorm({place.x.features}, eps=0.1)"})
    return Block(
        ("{y} = self.{me}({x})",), place.x, {"": f"nn.LayerNorm({place.x.bands or place.x.features}, eps=0.1)"}
    )


def batch_norm(draw: Any, place: Place) -> Block:
    if place.x.bands:
        return Block(("{y} = self.{me}({x})",), place.x, {"": f"nn.BatchNorm2d({place.x.features})"})
    lines = ("{y} = self.{me}({x}.transpose(1, 2)).transpose(1, 2)",)
    return Block(lines, place.x, {"": f"nn.BatchNorm1d({place.x.features})"})


def sliced(draw: Any, place: Place) -> Block:
    c, f = place.x.features, place.x.bands
    if f > 1 and (c == 1 or draw(st.booleans())):
        a = draw(st.integers(0, f - 2))
        b = draw(st.integers(a + 2, f))
        return Block((f"{{y}} = {{x}}[..., {a}:{b}]",), Shape(c, b - a))
    a = draw(st.integers(0, c - 1))
    b = draw(st.integers(a + 1, c))
    return Block((f"{{y}} = {{x}}[:, {a}:{b}]" if f else f"{{y}} = {{x}}[..., {a}:{b}]",), Shape(b - a, f))


def chunked(draw: Any, place: Place) -> Block:
    axis, half = (1 if place.x.bands else -1), place.x.features // 2
    how = draw(
        st.sampled_from(
            (
                "a * torch.sigmoid(b)",
                "torch.cat([b, a], {d})",
                "a - b",
                "torch.maximum(a, b)",
                "F.glu(torch.cat([a, b], {d}), {d})",
            )
        )
    )
    width = 2 * half if "{d}" in how and "glu" not in how else half
    lines = (f"a, b = {{x}}.chunk(2, {axis})", "{y} = " + how.replace("{d}", str(axis)))
    return Block(lines, Shape(width, place.x.bands))


def glu(draw: Any, place: Place) -> Block:
    axis = 1 if place.x.bands else -1
    return Block((f"{{y}} = F.glu({{x}}, {axis})",), Shape(place.x.features // 2, place.x.bands))


def shuffled(draw: Any, place: Place) -> Block:
    g = draw(st.sampled_from(factors(place.x.features)))
    axis = 1 if place.x.bands else 2
    return Block(
        (f"{{y}} = {{x}}.unflatten({axis}, ({g}, -1)).transpose({axis}, {axis + 1}).flatten({axis}, {axis + 1})",),
        place.x,
    )


def reordered(draw: Any, place: Place) -> Block:
    axis, length = (
        (3, place.x.bands) if place.x.bands and draw(st.booleans()) else (1 if place.x.bands else 2, place.x.features)
    )
    how = draw(st.sampled_from(("flip", "roll", "index")))
    text = {"flip": f"{{x}}.flip({axis})", "roll": f"torch.roll({{x}}, 1, {axis})"}.get(how)
    order = draw(st.permutations(range(length)))
    return Block((f"{{y}} = {text or f'{{x}}.index_select({axis}, torch.tensor({list(order)}))'}",), place.x)


def matmul(draw: Any, place: Place) -> Block:
    n, out = place.x.features, draw(SIDE)
    if place.x.bands:
        lines = (
            draw(
                st.sampled_from(
                    (
                        "{y} = torch.einsum('bctf,oc->botf', {x}, self.{me})",
                        "{y} = torch.einsum('bctf,oc->botf', {x}, self.{me}.detach())",
                    )
                )
            ),
        )
        return Block(lines, Shape(out, place.x.bands), {"": f"nn.Parameter(torch.randn({out}, {n}) / 2)"})
    line = draw(
        st.sampled_from(
            ("{x} @ self.{me}.T", "torch.matmul({x}, self.{me}.mT)", "torch.einsum('bti,oi->bto', {x}, self.{me})")
        )
    )
    return Block((f"{{y}} = {line}",), Shape(out), {"": f"nn.Parameter(torch.randn({out}, {n}) / 2)"})


def affine(draw: Any, place: Place) -> Block:
    """A parameter for each element, channel or band."""
    c, f = place.x.features, place.x.bands
    shape = draw(st.sampled_from(((c, 1, 1), (f,), (c, 1, f), (1,)))) if f else draw(st.sampled_from(((c,), (1,))))
    line = draw(
        st.sampled_from(
            (
                "{x} * self.{me} + self.{me}p",
                "({x} - self.{me}p) / (self.{me}.abs() + 0.5)",
                "torch.maximum({x}, self.{me})",
            )
        )
    )
    return Block(
        (f"{{y}} = {line}",),
        place.x,
        {"": f"nn.Parameter(torch.randn{shape})", "p": f"nn.Parameter(torch.randn{shape})"},
    )


def prelu(draw: Any, place: Place) -> Block:
    n = draw(st.sampled_from((1, place.x.features)))
    line = "{y} = self.{me}({x})" if place.x.bands or n == 1 else "{y} = self.{me}({x}.transpose(1, 2)).transpose(1, 2)"
    return Block((line,), place.x, {"": f"nn.PReLU({n})"})


def with_another(place: Place) -> bool:
    return place.x in place.seen.values()


def joined(draw: Any, place: Place) -> Block:
    """A residual, a gate or a maximum with an earlier value of this shape."""
    other = draw(st.sampled_from([name for name, shape in place.seen.items() if shape == place.x]))
    how = draw(
        st.sampled_from(
            (
                "{x} + {o}",
                "{x} * torch.sigmoid({o})",
                "torch.maximum({x}, {o})",
                "{x} - 0.5 * {o}",
                "torch.minimum({x}, {o})",
                "torch.where({x} > {o}, {x}, {o})",
                "{x} / (1 + {o}.abs())",
                "torch.stack([{x}, {o}]).sum(0)",
            )
        )
    )
    return Block(("{y} = " + how.replace("{o}", other),), place.x, other=other)


def besides(place: Place) -> list[str]:
    return [
        name
        for name, shape in place.seen.items()
        if shape.bands == place.x.bands and shape.features + place.x.features <= WIDEST
    ]


def concatenated(draw: Any, place: Place) -> Block:
    other = draw(st.sampled_from(besides(place)))
    axis = 1 if place.x.bands else -1
    return Block(
        (f"{{y}} = torch.cat([{{x}}, {other}], {axis})",),
        Shape(place.x.features + place.seen[other].features, place.x.bands),
        other=other,
    )


def padded(draw: Any, place: Place) -> Block:
    a, b = draw(st.integers(0, 2)), draw(st.integers(0, 2))
    after = Shape(place.x.features, place.x.bands + a + b) if place.x.bands else Shape(place.x.features + a + b)
    return Block((f"{{y}} = F.pad({{x}}, ({a}, {b}))",), after)


FRAMES: dict[str, Kind] = {
    "word": Kind(lambda place: True, word),
    "linear": Kind(lambda place: True, linear),
    "nested": Kind(lambda place: True, nested),
    "layer norm": Kind(lambda place: (place.x.bands or place.x.features) > 1, layer_norm),
    "batch norm": Kind(lambda place: True, batch_norm),
    "over features": Kind(lambda place: True, over_features),
    "sliced": Kind(lambda place: place.x.features > 1 or place.x.bands > 1, sliced),
    "chunked": Kind(lambda place: place.x.features % 2 == 0, chunked),
    "glu": Kind(lambda place: place.x.features % 2 == 0, glu),
    "shuffled": Kind(lambda place: bool(factors(place.x.features)), shuffled),
    "reordered": Kind(lambda place: place.x.features > 1, reordered),
    "matmul": Kind(lambda place: True, matmul),
    "affine": Kind(lambda place: True, affine),
    "prelu": Kind(lambda place: True, prelu),
    "joined": Kind(with_another, joined),
    "concatenated": Kind(lambda place: bool(besides(place)), concatenated),
    "padded": Kind(lambda place: place.x.width <= WIDEST, padded),
}
"""Each kind by its name."""
