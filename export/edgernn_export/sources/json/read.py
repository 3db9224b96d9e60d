"""Reads weights as JSON: RTNeural's files, state dicts of torch, and `.nam`."""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from edgernn.array import Array
from edgernn.errors import UnsupportedError
from edgernn.files import atomic
from edgernn.model.cell import LARGEST
from edgernn_export.sources.foreign.model import ForeignModel
from edgernn_export.sources.foreign.options import ImportOptions, check_known
from edgernn_export.sources.json import nam, reference, rnnoise, rnnoise_torch, rtneural, state_dict
from edgernn_export.sources.json.check import NUMBERS, members_of
from edgernn_export.sources.json.entries import Entries
from edgernn_export.sources.json.modules import Chain
from edgernn_export.sources.json.network import Network

RUNTIME = "the formula of its format"
FRAMES = 24  # of the example, besides those that the convolutions read

LAYOUTS: tuple[tuple[tuple[str, ...], Callable[[Entries], Network]], ...] = (
    (("in_shape", "layers"), rtneural.network_of),
    (("architecture", "config", "weights"), nam.network_of),
    (("model_data", "state_dict"), state_dict.network_of),
)
"""The members that a layout has -> the function from a file to its network; the first that fits."""


def read(path: str, options: ImportOptions) -> ForeignModel:
    """Read a file of weights.

    Args:
        path: the file.
        options: what the user says of it; these files have no named inputs, outputs or states.

    Raises:
        FileError: the file cannot be read, is no such JSON, or its sizes disagree with its weights.
        UnsupportedError: it has a layer or an option that is not known.
        UsageError: an option does not apply to these files.
    """
    name = Path(path).name
    check_known(name, options, ("period_ms", "labels"))
    data = atomic.read(path)
    if data.startswith(NUMBERS):
        return _of_rnnoise(name, rnnoise.parsed(name, data), options)
    file = Entries(name, "", members_of(name, data))
    weights = file.object("state_dict") if isinstance(file.members.get("state_dict"), dict) else file
    if rnnoise_torch.is_network(weights):
        return _of_rnnoise_torch(name, rnnoise_torch.stages_of(weights), options)
    network = network_of(file)
    frames = FRAMES + _reach(network)
    if frames * network.inputs > LARGEST:
        raise UnsupportedError(
            f"'{name}' reads {frames:,} frames of {network.inputs:,} elements at a time; expected {LARGEST:,} numbers, "
            "or fewer"
        )
    return ForeignModel(
        name=name,
        module=Chain(network).eval(),
        example=(torch.randn(1, frames, network.inputs, generator=torch.Generator().manual_seed(0)),),
        inputs=("x",),
        outputs=("y",),
        time_axis=1,
        period_ms=options.period_ms or (None if network.rate is None else 1000 / network.rate),
        labels=options.labels,
        original=_original(network),
        runtime=RUNTIME,
    )


def _of_rnnoise(name: str, network: rnnoise.Rnnoise, options: ImportOptions) -> ForeignModel:
    return ForeignModel(
        name=name,
        module=rnnoise.RnnoiseNet(network).eval(),
        example=(torch.randn(1, FRAMES, network.inputs, generator=torch.Generator().manual_seed(0)),),
        inputs=("x",),
        outputs=("gains", "vad"),
        time_axis=1,
        period_ms=options.period_ms or rnnoise.PERIOD_MS,
        labels=options.labels,
        original=lambda arguments: [each[None] for each in rnnoise.run(network, arguments[0][0])],
        runtime=RUNTIME,
    )


def _of_rnnoise_torch(name: str, stages: rnnoise_torch.Stages, options: ImportOptions) -> ForeignModel:
    inputs = stages["conv1"].weights["weight"].shape[1]
    return ForeignModel(
        name=name,
        module=rnnoise_torch.RnnoiseTorch(stages).eval(),
        example=(torch.randn(1, FRAMES, inputs, generator=torch.Generator().manual_seed(0)),),
        inputs=("x",),
        outputs=tuple(output for layer, output in rnnoise_torch.HEADS.items() if layer in stages),
        time_axis=1,
        period_ms=options.period_ms or rnnoise.PERIOD_MS,
        labels=options.labels,
        original=lambda arguments: [each[None] for each in rnnoise_torch.run(stages, arguments[0][0])],
        runtime=RUNTIME,
    )


def network_of(file: Entries) -> Network:
    """Return the network of a file, by the layout that its members show."""
    for members, of_file in LAYOUTS:
        if all(name in file.members for name in members):
            return of_file(file)
    if any(name.rpartition(".")[2].startswith("weight") for name in file.members):
        return state_dict.network_of(file)
    known = "; ".join(" and ".join(f"'{name}'" for name in members) for members, _ in LAYOUTS)
    arrived = ", ".join(f"'{name}'"[:40] for name in list(file.members)[:8]) or "nothing"
    raise UnsupportedError(
        f"'{file.file}' has {arrived}; expected RTNeural's JSON, a `.nam` file, or a state dict of torch: {known}, "
        "or names such as 'lstm.weight_ih_l0'"
    )


def _reach(network: Network) -> int:
    """Return how many frames before the last one the convolutions read."""
    reach = 0
    for stage in network.stages:
        taps = {"torch conv1d": -1, "keras conv1d": 0, "keras conv2d": 0}.get(stage.kind)
        if taps is not None:
            reach += (next(iter(stage.weights.values())).shape[taps] - 1) * stage.settings["dilation"]
        for i, array in enumerate(stage.settings.get("arrays", ())):
            length = stage.weights[f"{i}.0.conv.weight"].shape[2]
            reach += (length - 1) * sum(array["dilations"])
    return reach


def _original(network: Network) -> Callable[[Sequence[Array]], Sequence[Array]]:
    return lambda arguments: [reference.run(network, arguments[0][0])[None]]
