"""State dicts of torch as JSON: of amplifier trainers, with `model_data`, and of RTNeural, without.

The trainers' layout is that of A. Wright et al., "Real-time guitar amplifier emulation with deep learning" (Applied
Sciences 10, 2020): y = lin(rec(x)) + the first `skip` elements of x.
"""

import re
from collections.abc import Mapping
from typing import Any

from edgernn.array import Array
from edgernn.errors import UnsupportedError
from edgernn_export.sources.json.entries import Entries
from edgernn_export.sources.json.network import Network, Stage
from edgernn_export.sources.json.rates import rate_of

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
"""The kind of a recurrent layer -> its gates, whose weights are rows of one matrix."""

_RECURRENT = re.compile(r"(weight|bias)_(ih|hh)_l(\d+)")


def network_of(file: Entries) -> Network:
    """Return the network of a state dict.

    Recurrent layers and a linear layer behind them follow each other in the order of the file. Where `model_data` is
    beside the `state_dict`, sizes and kind must agree with it.

    Raises:
        FileError: an entry is missing, or its sizes disagree with those of other entries.
        UnsupportedError: it holds other layers, or activations stand between layers that the file does not state.
    """
    weights = file.object("state_dict") if "state_dict" in file.members else file
    stages: list[Stage] = []
    width: int | None = None
    for name, parts in _layers(weights).items():
        if stages and stages[-1].kind == "torch linear":
            raise _unknown(file, f"a layer '{name}' behind the linear layer '{stages[-1].name}'")
        stages += (_recurrent if "weight_ih_l0" in parts else _linear)(weights, name, parts, width)
        width = _outputs(stages[-1])
    if not any(stage.kind != "torch linear" for stage in stages):
        raise _unknown(file, "no recurrent layer")
    inputs = _inputs(stages[0])
    if weights is file:
        return Network(inputs, tuple(stages), rate=rate_of(file))
    data = file.object("model_data")
    _check(data, stages, inputs)
    skip = data.size("skip", least=0) if "skip" in data.members else 0
    if skip > inputs or (skip and width not in {skip, 1}):
        raise data.error("skip", f"is {skip} of {inputs} inputs, beside {width} outputs", "1, or 0 for none")
    return Network(inputs, tuple(stages), skip, rate=rate_of(file))


def _unknown(file: Entries, what: str) -> UnsupportedError:
    return UnsupportedError(
        f"'{file.file}': the state dict has {what}, and does not state how they are connected; expected recurrent "
        "layers and at most one linear layer behind them. Build the module and use from_torch, or export it as ONNX"
    )


def _layers(weights: Entries) -> dict[str, list[str]]:
    """Return the names of the parameters of each layer, by its path."""
    layers: dict[str, list[str]] = {}
    for name in weights.members:
        path, _, parameter = name.rpartition(".")
        if not (_RECURRENT.fullmatch(parameter) or parameter in {"weight", "bias"}):
            raise _unknown(weights, f"a parameter '{name}'"[:80])
        layers.setdefault(path, []).append(parameter)
    return layers


def _recurrent(weights: Entries, path: str, names: list[str], width: int | None) -> list[Stage]:
    """Return a stage for each layer of nn.LSTM, nn.GRU or nn.RNN."""
    prefix = f"{path}." if path else ""
    count = 1 + max(int(match[3]) for match in map(_RECURRENT.fullmatch, names) if match)
    stages = []
    for i in range(count):
        u = weights.array(f"{prefix}weight_hh_l{i}", (None, None))
        rows, hidden = u.shape
        kind = next((kind for kind, gates in GATES.items() if hidden and rows == gates * hidden), None)
        if kind is None:
            raise weights.error(
                f"{prefix}weight_hh_l{i}",
                f"has shape {u.shape}",
                "4, 3 or 1 times as many rows as columns: LSTM, GRU, RNN",
            )
        arrays: dict[str, Array] = {"w": weights.array(f"{prefix}weight_ih_l{i}", (rows, width)), "u": u}
        if f"bias_ih_l{i}" in names or f"bias_hh_l{i}" in names:
            arrays |= {
                key: weights.array(f"{prefix}bias_{part}_l{i}", (rows,)) for key, part in (("b", "ih"), ("c", "hh"))
            }
        name = (path.replace(".", "_") or kind.lower()) + (f"_l{i}" if count > 1 else "")
        stages.append(Stage(f"torch {kind.lower()}", name, arrays))
        width = hidden
    return stages


def _linear(weights: Entries, path: str, names: list[str], width: int | None) -> list[Stage]:
    prefix = f"{path}." if path else ""
    w = weights.array(f"{prefix}weight", (None, width))
    arrays = {"weight": w} | ({"bias": weights.array(f"{prefix}bias", (len(w),))} if "bias" in names else {})
    return [Stage("torch linear", path.replace(".", "_") or "linear", arrays)]


def _inputs(stage: Stage) -> int:
    return int(stage.weights["w"].shape[1])


def _outputs(stage: Stage) -> int:
    return int((stage.weights["weight"] if stage.kind == "torch linear" else stage.weights["u"].T).shape[0])


def _check(data: Entries, stages: list[Stage], inputs: int) -> None:
    """Refuse weights of other sizes or kind than `model_data` states."""
    model = data.members.get("model", "SimpleRNN")
    if model != "SimpleRNN":
        raise UnsupportedError(
            f"'{data.file}': '{data.place('model')}' is {model!r}, whose layers are not known; expected 'SimpleRNN'. "
            "Build the module and use from_torch, or export it as ONNX"
        )
    recurrent = [stage for stage in stages if stage.kind != "torch linear"]
    linear = stages[-1] if stages[-1].kind == "torch linear" else None
    arrived: Mapping[str, Any] = {
        "unit_type": recurrent[0].kind.removeprefix("torch ").upper(),
        "input_size": inputs,
        "hidden_size": _outputs(recurrent[0]),
        "num_layers": len(recurrent),
        "output_size": _outputs(stages[-1]),
        "bias_fl": linear is None or "bias" in linear.weights,
    }
    for name, value in arrived.items():
        stated = data.members.get(name, value)
        if (stated.upper() if isinstance(stated, str) else stated) != value:
            raise data.error(name, f"is {stated!r}"[:80], f"{value!r}, as in the weights")
