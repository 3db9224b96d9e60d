"""Resize and Upsample to the nearest element, with the rules of ONNX for coordinates and for rounding them."""

from collections.abc import Callable, Mapping
from math import ceil, floor
from typing import Any

import torch
from torch import Tensor

from edgernn_export.sources.foreign.nodes import ADOPT, Operation, static
from edgernn_export.sources.onnx.call import Call

_COORDINATES: Mapping[str, Callable[[int, float, int, int], float]] = {
    "half_pixel": lambda i, scale, _, __: (i + 0.5) / scale - 0.5,
    "pytorch_half_pixel": lambda i, scale, _, new: (i + 0.5) / scale - 0.5 if new > 1 else 0.0,
    "asymmetric": lambda i, scale, _, __: i / scale,
    "align_corners": lambda i, _, old, new: i * (old - 1) / (new - 1) if new > 1 else 0.0,
}
"""Rule -> where in the old axis a place of the new one is: place, scale, old length, new length."""

_ROUND: Mapping[str, Callable[[float], int]] = {
    "round_prefer_floor": lambda x: ceil(x - 0.5),
    "round_prefer_ceil": lambda x: floor(x + 0.5),
    "floor": floor,
    "ceil": ceil,
}


@static(1, 2, 3)
def _resize(call: Call, x: Tensor, _: Any = None, scales: Any = None, sizes: Any = None) -> Tensor:
    mode, rule = call.get("mode", "nearest"), call.get("coordinate_transformation_mode", "half_pixel")
    rounding, policy = call.get("nearest_mode", "round_prefer_floor"), call.get("keep_aspect_ratio_policy", "stretch")
    axes = [axis % x.dim() for axis in call.get("axes", range(x.dim()))]
    known = mode == "nearest" and rule in _COORDINATES and rounding in _ROUND and policy == "stretch"
    if not known or not (scales or sizes):
        raise call.refuse(
            f"mode '{mode}', coordinates '{rule}', rounding '{rounding}', policy '{policy}'; expected 'nearest', one "
            f"of {', '.join(_COORDINATES)}, one of {', '.join(_ROUND)}, 'stretch', {ADOPT}"
        )
    for place, axis in enumerate(axes):
        old = x.shape[axis]
        scale = sizes[place] / old if sizes else scales[place]
        new = sizes[place] if sizes else floor(old * scale)
        places = [_ROUND[rounding](_COORDINATES[rule](i, scale, old, new)) for i in range(new)]
        x = _selected(x, axis, [min(max(each, 0), old - 1) for each in places])
    return x


def _selected(x: Tensor, axis: int, places: list[int]) -> Tensor:
    length, times = x.shape[axis], len(places) // x.shape[axis]
    if places == list(range(length)):
        return x
    if times and places == [i // times for i in range(length * times)]:
        return x.repeat_interleave(times, axis)
    return x.index_select(axis, torch.tensor(places))


@static(1)
def _upsample(call: Call, x: Tensor, scales: Any = None) -> Tensor:
    scales = call.get("scales") if scales is None else scales
    if call.get("mode", "nearest") != "nearest" or not scales:
        raise call.refuse(f"mode '{call.get('mode')}'; expected 'nearest', {ADOPT}")
    for axis, scale in enumerate(scales):
        x = _selected(x, axis, [floor(i / scale) for i in range(floor(x.shape[axis] * scale))])
    return x


RESIZE: Mapping[str, Operation] = {"Resize": _resize, "Upsample": _upsample}
"""Operator -> what it computes."""
