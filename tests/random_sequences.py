"""Blocks of random modules over a sequence: recurrent layers and convolutions."""

from typing import Any

from hypothesis import strategies as st

from random_kinds import SIDE, Block, Kind, Place, Shape, factors, over_time, sequence


def recurrent(draw: Any, place: Place) -> Block:
    kind, n, layers = draw(st.sampled_from(("GRU", "LSTM", "RNN"))), draw(SIDE), draw(st.integers(1, 2))
    more = ", nonlinearity='relu'" if kind == "RNN" and draw(st.booleans()) else ""
    made = f"nn.{kind}({place.x.features}, {n}, {layers}, bias={draw(st.booleans())}, batch_first=True{more})"
    if kind == "LSTM" and n > 1 and draw(st.booleans()):
        made, n = made.replace("batch_first", f"proj_size={n - 1}, batch_first"), n - 1
    learned = kind != "LSTM" and draw(st.booleans())
    parts = {"": made} | ({"s": f"nn.Parameter(torch.randn({layers}, 1, {n}) / 3)"} if learned else {})
    return Block((f"{{y}} = self.{{me}}({{x}}{', self.{me}s' if learned else ''})[0]",), Shape(n), parts)


def parallel(draw: Any, place: Place) -> Block:
    """Two recurrent layers, each on half of the features."""
    n = draw(SIDE)
    lines = ("a, b = {x}.chunk(2, -1)", "{y} = torch.cat([self.{me}(a)[0], self.{me}u(b)[0]], -1)")
    half = place.x.features // 2
    parts = {"": f"nn.GRU({half}, {n}, batch_first=True)", "u": f"nn.GRU({half}, {n}, batch_first=True)"}
    return Block(lines, Shape(2 * n), parts)


def conv1d(draw: Any, place: Place) -> Block:
    c, taps, dilation = place.x.features, draw(st.integers(1, 3)), draw(st.integers(1, 3))
    groups = draw(st.sampled_from([g for g in range(1, c + 1) if c % g == 0]))
    out, reach = groups * draw(st.integers(1, 2)), (taps - 1) * dilation
    made = f"nn.Conv1d({c}, {out}, {taps}, dilation={dilation}, groups={groups}, bias={draw(st.booleans())}"
    if reach and draw(st.booleans()):
        lines = (f"{{y}} = self.{{me}}({{x}}.transpose(1, 2))[:, :, :-{reach}].transpose(1, 2)",)
        return Block(lines, Shape(out), {"": f"{made}, padding={reach})"})
    lines = (f"{{y}} = self.{{me}}(F.pad({{x}}.transpose(1, 2), ({reach}, 0))).transpose(1, 2)",)
    return Block(lines, Shape(out), {"": f"{made})"})


def grouped(draw: Any, place: Place) -> Block:
    g, out = draw(st.sampled_from(factors(place.x.features))), draw(st.integers(1, 3))
    n = place.x.features // g
    line = f"{{y}} = torch.einsum('btgi,gio->btgo', {{x}}.unflatten(2, ({g}, {n})), self.{{me}}).flatten(2)"
    return Block((line,), Shape(g * out), {"": f"nn.Parameter(torch.randn({g}, {n}, {out}) / 2)"})


SEQUENCES: dict[str, Kind] = {
    "recurrent": Kind(over_time(sequence), recurrent),
    "parallel recurrent": Kind(
        lambda place: not place.steps and not place.x.bands and place.x.features % 2 == 0, parallel
    ),
    "conv1d": Kind(over_time(sequence), conv1d),
    "grouped": Kind(lambda place: sequence(place) and bool(factors(place.x.features)), grouped),
}
"""Each kind by its name."""
