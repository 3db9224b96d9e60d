"""`.nam` files of Neural Amp Modeler: an architecture, its configuration, and all weights in one list (S. Atkinson)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from math import prod
from typing import Any

from edgernn.array import Array
from edgernn.errors import UnsupportedError
from edgernn_export.sources.json.entries import Entries
from edgernn_export.sources.json.network import Network, Stage
from edgernn_export.sources.json.rates import rate_of

RATE = 48000.0  # of a file that states none: its plugin takes them as made at 48 kHz

ACTIVATIONS = {
    "Tanh": "tanh",
    "ReLU": "relu",
    "Sigmoid": "sigmoid",
    "Hardtanh": "hardtanh",
    "LeakyReLU": "leaky_relu",
    "SiLU": "silu",
    "Hardswish": "hardswish",
}
"""The name of an activation in a file -> in torch.nn.functional."""

TAPS = 2  # of each convolution of a ConvNet


@dataclass
class Weights:
    """The list of weights, taken from its beginning."""

    file: Entries
    numbers: Array
    taken: int = 0
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def take(self, name: str, *shape: int) -> Array:
        """Return the next weights.

        Raises:
            FileError: fewer are left.
        """
        start, self.taken = self.taken, self.taken + prod(shape)
        if self.taken > len(self.numbers):
            raise self.file.error(
                "weights",
                f"has {len(self.numbers)} numbers",
                f"{self.taken} or more: '{name}' {shape} begins at {start}",
            )
        return self.numbers[start : self.taken].reshape(shape)

    def check_end(self) -> None:
        """Refuse weights that no layer took."""
        if self.taken != len(self.numbers):
            raise self.file.error("weights", f"has {len(self.numbers)} numbers", f"{self.taken} by 'config'")


def network_of(file: Entries) -> Network:
    """Return the network of a `.nam` file.

    An LSTM begins with the states that the file has. The others begin with silence in every layer.

    Raises:
        FileError: an entry is missing, or there are more or fewer weights than the configuration has.
        UnsupportedError: the architecture, or an option of it, is not known.
    """
    architecture = file.text("architecture")
    if architecture not in ARCHITECTURES:
        raise UnsupportedError(
            f"'{file.file}': '{file.place('architecture')}' is '{architecture}', which is not known; there are "
            f"{', '.join(ARCHITECTURES)}"
        )
    weights = Weights(file, file.array("weights", (None,)))
    inputs, stages = ARCHITECTURES[architecture](file.object("config"), weights)
    weights.check_end()
    return Network(inputs, stages, rate=rate_of(file) or RATE)


def _lstm(config: Entries, weights: Weights) -> tuple[int, tuple[Stage, ...]]:
    """Return the layers: of each (W and U side by side, b, h, c), gates i f g o; then the head."""
    _check_options(config, {"num_layers", "input_size", "hidden_size", "in_channels", "out_channels"}, {})
    inputs, hidden, stages = config.size("input_size"), config.size("hidden_size"), []
    outputs = config.size("out_channels") if "out_channels" in config.members else 1
    for i in range(config.size("num_layers")):
        width = hidden if i else inputs
        shapes = {"wu": (4 * hidden, width + hidden), "b": (4 * hidden,), "h": (hidden,), "c": (hidden,)}
        arrays = {name: weights.take(f"layer {i} {name}", *shape) for name, shape in shapes.items()}
        stages.append(Stage("nam lstm", f"lstm_l{i}", arrays))
    head = {"weight": weights.take("head weight", outputs, hidden), "bias": weights.take("head bias", outputs)}
    return inputs, (*stages, Stage("torch linear", "head", head))


def _linear(config: Entries, weights: Weights) -> tuple[int, tuple[Stage, ...]]:
    """Return a convolution with an impulse response, whose first number multiplies the newest sample."""
    _check_options(config, {"receptive_field", "bias"}, NEUTRAL)
    taps = config.size("receptive_field")
    arrays = {"weight": weights.take("impulse response", 1, 1, taps)[:, :, ::-1].copy()}
    if config.flag("bias"):
        arrays["bias"] = weights.take("bias", 1)
    return 1, (Stage("torch conv1d", "linear", arrays, {"dilation": 1}),)


def _convnet(config: Entries, weights: Weights) -> tuple[int, tuple[Stage, ...]]:
    """Return blocks of a convolution of two taps, batch normalization and activation, and the head."""
    _check_options(config, {"channels", "dilations", "batchnorm", "activation"}, NEUTRAL)
    channels, normalized, kind = config.size("channels"), config.flag("batchnorm"), activation(config)
    stages: list[Stage] = []
    for i, dilation in enumerate(dilations(config)):
        arrays = {"weight": weights.take(f"block {i} weight", channels, channels if i else 1, TAPS)}
        if not normalized:
            arrays["bias"] = weights.take(f"block {i} bias", channels)
        stages.append(Stage("torch conv1d", f"conv_{i}", arrays, {"dilation": dilation}))
        if normalized:
            names = ("mean", "variance", "gamma", "beta")
            norm = {name: weights.take(f"block {i} {name}", channels) for name in names}
            epsilon = float(weights.take(f"block {i} epsilon", 1)[0])
            stages.append(Stage("batchnorm", f"norm_{i}", norm, {"epsilon": epsilon}))
        stages.append(Stage("activation", f"activation_{i}", {}, {"activation": kind}))
    head = {"weight": weights.take("head weight", 1, channels), "bias": weights.take("head bias", 1)}
    return 1, (*stages, Stage("torch linear", "head", head))


def _wavenet(config: Entries, weights: Weights) -> tuple[int, tuple[Stage, ...]]:
    """Return a WaveNet as one stage; the weights of its arrays by name."""
    _check_options(config, {"layers", "head_scale"}, NEUTRAL)
    arrays: dict[str, Array] = {}
    settings: list[dict[str, Any]] = []
    for i, each in enumerate(config.objects("layers")):
        known = {"input_size", "condition_size", "head_size", "channels", "kernel_size", "dilations", "activation"}
        channels, gated = each.size("channels"), _gated(each)
        _check_options(each, {*known, "gated", "gating_mode", "head_bias"}, {**NEUTRAL, "bottleneck": (channels,)})
        last = settings[-1] if settings else None
        for name, size in (("condition_size", 1), ("input_size", last["channels"] if last else 1)):
            if each.size(name) != size:
                raise each.error(name, f"is {each.size(name)}", f"{size}, the width that arrives there")
        if last and channels != last["head"]:
            raise each.error("channels", f"is {channels}", f"{last['head']}, the head_size of the array before it")
        own = {"channels": channels, "head": each.size("head_size"), "gated": gated}
        settings.append({**own, "activation": activation(each), "dilations": dilations(each)})
        shapes = _shapes(f"{i}", each, settings[-1], last["channels"] if last else 1)
        arrays |= {name: weights.take(name, *shape) for name, shape in shapes.items()}
    if settings[-1]["head"] != 1:
        raise config.error("layers", f"ends with head_size {settings[-1]['head']}", "1: one output")
    arrays["head_scale"] = weights.take("head_scale", 1)
    return 1, (Stage("nam wavenet", "wavenet", arrays, {"arrays": settings}),)


def _shapes(i: str, each: Entries, settings: dict[str, Any], inputs: int) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the weights of one array of layers, in the order of the file."""
    channels, head = settings["channels"], settings["head"]
    wide, taps = (2 if settings["gated"] else 1) * channels, each.size("kernel_size")
    shapes: dict[str, tuple[int, ...]] = {f"{i}.rechannel.weight": (channels, inputs, 1)}
    for j in range(len(settings["dilations"])):
        shapes |= {
            f"{i}.{j}.conv.weight": (wide, channels, taps),
            f"{i}.{j}.conv.bias": (wide,),
            f"{i}.{j}.mix.weight": (wide, 1, 1),
            f"{i}.{j}.out.weight": (channels, channels, 1),
            f"{i}.{j}.out.bias": (channels,),
        }
    shapes[f"{i}.head.weight"] = (head, channels, 1)
    if each.flag("head_bias"):
        shapes[f"{i}.head.bias"] = (head,)
    return shapes


def activation(config: Entries) -> str:
    """Return the activation that a configuration names."""
    value = config.value("activation")
    if isinstance(value, dict) and set(value) == {"type"}:
        value = value["type"]
    if not isinstance(value, str) or value not in ACTIVATIONS:
        raise UnsupportedError(
            f"'{config.file}': '{config.place('activation')}' is {value!r}, which is not known; there are "
            f"{', '.join(ACTIVATIONS)}"
        )
    return ACTIVATIONS[value]


def dilations(config: Entries) -> tuple[int, ...]:
    """Return the dilations that a configuration lists."""
    value = config.value("dilations")
    if not isinstance(value, list) or not value:
        raise config.error("dilations", f"is {value!r}"[:80], "a list of whole numbers")
    return tuple(Entries(config.file, config.path, {"dilations": each}).size("dilations") for each in value)


def _gated(config: Entries) -> bool:
    """Return whether the layers of an array are gated; later files have `gating_mode` in place of `gated`."""
    if "gated" in config.members:
        return config.flag("gated")
    mode = config.text("gating_mode")
    if mode not in {"none", "gated"}:
        raise UnsupportedError(
            f"'{config.file}': '{config.place('gating_mode')}' is '{mode}', which is not known; expected none or gated"
        )
    return mode == "gated"


def _check_options(config: Entries, known: set[str], neutral: Mapping[str, Sequence[Any]]) -> None:
    """Refuse options that are not known, and those of later versions with values that change what is computed.

    Args:
        config: the options.
        known: the names of those that are read.
        neutral: the name of another -> its values that change nothing.
    """
    for name, value in config.members.items():
        values = next((each for key, each in neutral.items() if fnmatchcase(name, key)), None)
        if name not in known and (values is None or _plain(value) not in values):
            expected = f"expected {values[0]!r}" if values else f"there are {', '.join(sorted(known))}"
            raise UnsupportedError(
                f"'{config.file}': option '{config.place(name)}' is {str(value)[:40]}, which is not known; {expected}"
            )


def _plain(value: Any) -> Any:
    """Return an option without the width that it would have if it were active."""
    return {key: each for key, each in value.items() if key != "out_channels"} if isinstance(value, dict) else value


NONE = (None, False)
NEUTRAL: Mapping[str, Sequence[Any]] = {
    "groups*": (1,),
    "in_channels": (1,),
    "out_channels": (1,),
    "head": NONE,
    "condition_dsp": NONE,
    "secondary_activation": (None, "Sigmoid", {"type": "Sigmoid"}),
    "head*1x1": ({"active": False, "groups": 1}, {"active": False}, *NONE),
    "layer*1x1": ({"active": True, "groups": 1}, {"active": True}),
    "*film": ({"active": False}, *NONE),
}
"""Options of later versions of the format -> the values with which they change nothing; * stands for any characters."""


ARCHITECTURES: dict[str, Callable[[Entries, Weights], tuple[int, tuple[Stage, ...]]]] = {
    "LSTM": _lstm,
    "WaveNet": _wavenet,
    "ConvNet": _convnet,
    "Linear": _linear,
}
"""The architecture of a file -> (configuration, weights) to the width of a frame and the layers."""
