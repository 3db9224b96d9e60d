"""A layer of a graph: a cell with a name, what it reads, and how often it steps within one step of the graph."""

from dataclasses import dataclass
from typing import Any

from edgernn.errors import GraphError
from edgernn.model.cell import dimensions, is_join, tensors
from edgernn.model.operation import WIDEST
from edgernn.model.range import LARGEST as FINITE
from edgernn.model.tensor import DYNAMIC, STATIC

SWEEPS = ("", "forward", "backward")
"""The values of `Layer.sweep`."""


@dataclass(frozen=True)
class Layer:
    """A cell with a name.

    Attributes:
        name: letters, digits and _; not "x" or "y".
        cell: a Cell or a Join.
        inputs: the names of the layers that it reads, or "x", the input of the graph; empty for the layer before it.
        scheme: one of edgernn.model.tensor.STATIC when its values are integers; "" for float.
        positions: the equal parts of a frame that the cell steps with shared weights, each with its own states; the
            output and the states are those of all parts, one after another.
        sweep: "forward" or "backward" when the cell steps from part to part of the same frame, in this order, from
            states of zeros, as a bidirectional RNN over frequency; it then carries nothing from frame to frame. "" when
            every part has its own states.
        frames: the frames in its input, oldest first, where a step takes several. The cell steps once for each.
        begins: how many frames pass before the first that counts; until then its states keep their initial values.
        delta_x: the threshold of the inputs of its affines: an element that differs from its value when it was last
            used by no more than this counts as unchanged (D. Neil et al., "Delta networks", arXiv:1612.05571). None
            where every change is used.
        delta_h: the same of inputs that depend on its states.
    """

    name: str
    cell: Any
    inputs: tuple[str, ...] = ()
    scheme: str = ""
    positions: int = 1
    sweep: str = ""
    frames: int = 1
    begins: int = 0
    delta_x: float | None = None
    delta_h: float | None = None


def check_layer(layer: Any) -> None:
    """Refuse a layer whose fields are not of the declared types, for users without a type checker.

    Raises:
        GraphError: the message names the layer and the field.
    """
    if not isinstance(layer, Layer) or isinstance(layer.cell, type) or not _is_cell(layer.cell):
        raise GraphError(f"{layer!r} arrived among the layers; expected Layer(name, cell), the cell an instance")
    missing = [name for name in ("exact", "delays", "GATES") if not hasattr(layer.cell, name)]
    if missing:
        raise GraphError(
            f"layer '{layer.name}': the cell {type(layer.cell).__name__} declares no {' and no '.join(missing)}; "
            "decorate its class with edgernn.model.cell.cell, which sets the defaults"
        )
    if any(not isinstance(name, str) for name in (layer.name, *layer.inputs)) or type(layer.inputs) is not tuple:
        raise GraphError(
            f"{layer!r} has a name that is not a string, or inputs that are not a tuple; expected inputs=('name',)"
        )
    if layer.cell.delays and "inputs" not in dimensions(layer.cell):
        raise GraphError(
            f"layer '{layer.name}': the cell {type(layer.cell).__name__} declares that it delays, and no dimension "
            "'inputs', which is the width of a later layer"
        )
    _check_repetition(layer)
    _check_thresholds(layer)
    if layer.scheme not in {"", *STATIC}:
        raise GraphError(
            f"layer '{layer.name}' computes in '{layer.scheme}'; there are {', '.join(STATIC)}, or '' for float"
        )


def _check_thresholds(layer: Layer) -> None:
    thresholds = {name: getattr(layer, name) for name in ("delta_x", "delta_h")}
    for name, value in thresholds.items():
        if value is not None and not (type(value) in {int, float} and 0 <= value <= FINITE):
            raise GraphError(
                f"layer '{layer.name}' has {name}={value!r}; expected a threshold from 0 on that is finite in float32, "
                "or None"
            )
    if set(thresholds.values()) == {None}:
        return
    if layer.cell.exact or layer.sweep:
        why = "carries nothing from frame to frame" if layer.sweep else "computes features, which no pass changes"
        raise GraphError(f"layer '{layer.name}' has a threshold for changes of its input, but {why}; expected None")
    if any(tensor.scheme == DYNAMIC for tensor in tensors(layer.cell).values()):
        raise GraphError(
            f"layer '{layer.name}' has a threshold for changes of its input and weights in {DYNAMIC}, in which every "
            f"step has a new scale, so that no sum can be kept; quantize it as {' or '.join(STATIC)}"
        )


def _check_repetition(layer: Layer) -> None:
    joins = is_join(layer.cell)
    least = {"positions": 1, "frames": 1, "begins": 0}
    for name, smallest in least.items():
        value = getattr(layer, name)
        if type(value) is not int or not smallest <= value <= WIDEST:
            raise GraphError(
                f"layer '{layer.name}' has {name}={value!r}; expected a whole number of at least {smallest}"
            )
    if layer.sweep not in SWEEPS:
        raise GraphError(f"layer '{layer.name}' has sweep={layer.sweep!r}; there are {', '.join(map(repr, SWEEPS))}")
    if joins and (layer.sweep, layer.begins) != ("", 0):
        raise GraphError(
            f"layer '{layer.name}' has sweep='{layer.sweep}' and begins={layer.begins}; expected sweep='' and begins=0 "
            "for a join, which carries no state"
        )
    if layer.sweep and (joins or not layer.cell.states or layer.begins or layer.cell.delays):
        raise GraphError(
            f"layer '{layer.name}' sweeps over a frame; expected a cell with states that does not delay, and begins=0, "
            "since it carries nothing from frame to frame"
        )
    if layer.frames > 1 and layer.cell.delays:
        raise GraphError(
            f"layer '{layer.name}' has frames={layer.frames}; expected frames=1 for a cell that delays, since the "
            "layers between its output and its input would have to run between two frames of a step"
        )
    if layer.begins and not layer.cell.states:
        raise GraphError(f"layer '{layer.name}' has begins={layer.begins} and no state; expected begins=0")


def _is_cell(cell: Any) -> bool:
    return hasattr(cell, "step") or is_join(cell)
