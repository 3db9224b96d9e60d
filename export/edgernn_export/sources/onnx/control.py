"""Nodes with graphs inside: If on a constant, and Loop and Scan, whose bodies are read once for each step."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor

from edgernn.array import Array
from edgernn.errors import FileError
from edgernn_export.sources.foreign.nodes import ADOPT, FLOWS, NodeModule, Operation, dependences
from edgernn_export.sources.onnx.call import Call
from edgernn_export.sources.onnx.constants import tensor_of
from edgernn_export.sources.onnx.limits import NODES
from edgernn_export.sources.onnx.lists import LISTS
from edgernn_export.sources.onnx.reading import Carried, Control, Flow, Reader, Scope, Value, apply, read_graph


def _if(reader: Reader, node: onnx.NodeProto, call: Call, operands: list[Value], scope: Scope) -> list[Value]:
    """Read the branch that a constant condition takes."""
    condition = operands[0]
    if isinstance(condition, Flow) or condition is None:
        decides = " or ".join(f"'{name}'" for name in _inputs_of(reader, scope, condition)) or "the input that decides"
        raise call.refuse(
            f"its condition depends on data, and a step does the same for every frame; set {decides} with constants= "
            f"(--constant), {ADOPT}"
        )
    branch = _graph(reader, node, "then_branch" if bool(np.all(condition)) else "else_branch")
    return _body(reader, branch, scope, {})


def _inputs_of(reader: Reader, scope: Scope, value: Flow | None) -> list[str]:
    """Return the names of the inputs that a value depends on, in order."""
    if value is None:
        return []
    written = {slot for step in reader.steps for slot in step.writes}
    flows = {name: each.slot for name, each in scope.items() if isinstance(each, Flow) and each.slot not in written}
    return sorted(dependences(reader.steps, flows, {"": value.slot})[""])


def _loop(reader: Reader, node: onnx.NodeProto, call: Call, operands: list[Value], scope: Scope) -> list[Value]:
    """Read the body of a loop as often as it runs."""
    most, going, *carried = operands
    if isinstance(most, Flow) or isinstance(going, Flow):
        raise call.refuse(f"how often it runs depends on data; expected a constant, {ADOPT}")
    body = _graph(reader, node, "body")
    limit = NODES if most is None else int(np.ravel(most)[0])
    before = carried = _states(reader, call, carried)
    gathered: list[list[Value]] = [[] for _ in body.output[1 + len(carried) :]]
    names, step = [each.name for each in body.input], 0
    while step < limit and (going is None or bool(np.all(going))):
        _count(reader, call, body)
        known = dict(zip(names, [np.asarray(step, np.int64), np.asarray(True), *carried], strict=True))
        condition, *results = _body(reader, body, scope, known)
        if isinstance(condition, Flow):
            raise call.refuse(f"whether it goes on depends on data; expected a constant, {ADOPT}")
        going, step = condition, step + 1
        carried = results[: len(carried)]
        for values, result in zip(gathered, results[len(carried) :], strict=True):
            values.append(result)
    _ran(reader, call, step, before, carried)
    return [*carried, *(_stacked(reader, call, values, 0) for values in gathered)]


def _scan(reader: Reader, node: onnx.NodeProto, call: Call, operands: list[Value], scope: Scope) -> list[Value]:
    """Read the body of a scan for each step of its inputs."""
    if call.opset < 9:
        raise call.refuse("Scan of operator set 8 has a batch; convert the file with onnx.version_converter")
    count, body = call.get("num_scan_inputs"), _graph(reader, node, "body")
    carried, scanned = operands[: len(operands) - count], operands[len(operands) - count :]
    axes = call.get("scan_input_axes", [0] * count)
    backward = call.get("scan_input_directions", [0] * count)
    lengths = {_shape(each)[axis] for each, axis in zip(scanned, axes, strict=True)}
    if len(lengths) != 1:
        raise call.refuse(f"its inputs have {sorted(lengths)} steps; expected as many in each: check shapes= (--shape)")
    (length,) = lengths
    before = carried = _states(reader, call, carried)
    gathered: list[list[Value]] = [[] for _ in body.output[len(carried) :]]
    for step in range(length):
        _count(reader, call, body)
        places = [length - 1 - step if each else step for each in backward]
        frames = [
            _selected(reader, call, each, axis, place) for each, axis, place in zip(scanned, axes, places, strict=True)
        ]
        known = dict(zip([each.name for each in body.input], [*carried, *frames], strict=True))
        results = _body(reader, body, scope, known)
        carried = results[: len(carried)]
        for values, result in zip(gathered, results[len(carried) :], strict=True):
            values.append(result)
    _ran(reader, call, length, before, carried)
    outs = call.get("scan_output_axes", [0] * len(gathered))
    ways = call.get("scan_output_directions", [0] * len(gathered))
    return [
        *carried,
        *(
            _stacked(reader, call, values[::-1] if way else values, axis)
            for values, axis, way in zip(gathered, outs, ways, strict=True)
        ),
    ]


def _states(reader: Reader, call: Call, initial: Sequence[Value]) -> list[Value]:
    """Return the values that a loop begins with; those of a loop over time become arguments."""
    if call.name not in reader.carrying:
        return list(initial)
    return [
        each if isinstance(each, Flow | tuple) or each is None else reader.flow(tensor_of(call, each))
        for each in initial
    ]


def _ran(reader: Reader, call: Call, steps: int, before: Sequence[Value], after: Sequence[Value]) -> None:
    """Record how many steps a loop ran, and the states of one that runs over time."""
    reader.lengths[call.name] = steps
    reader.looped.add(call.name)
    if call.name in reader.carrying:
        for number, (one, other) in enumerate(zip(before, after, strict=True)):
            if isinstance(one, Flow) and isinstance(other, Flow):
                reader.carried.append(Carried(f"{call.name}_{number}", one, other))


def _graph(reader: Reader, node: onnx.NodeProto, name: str) -> onnx.GraphProto:
    for each in node.attribute:
        if each.name == name and each.HasField("g"):
            return each.g
    raise FileError(f"'{reader.name}': node '{node.name}' ({node.op_type}) lacks its graph '{name}'; export it again")


def _body(reader: Reader, graph: onnx.GraphProto, scope: Scope, known: Scope) -> list[Value]:
    inner = read_graph(reader, graph, {**scope, **known}, CONTROLS)
    missing = next((each.name for each in graph.output if each.name not in inner), None)
    if missing is not None:
        raise FileError(f"'{reader.name}': nothing computes '{missing}' of graph '{graph.name}'; export it again")
    return [inner[each.name] for each in graph.output]


def _count(reader: Reader, call: Call, body: onnx.GraphProto) -> None:
    reader.nodes += len(body.node) + 1
    if reader.nodes > NODES:
        raise call.refuse(f"its steps have more than {NODES} nodes together; {ADOPT}")


def _shape(value: Value) -> tuple[int, ...]:
    return tuple(value.example.shape) if isinstance(value, Flow) else np.shape(value)  # type: ignore[arg-type]


def _selected(reader: Reader, call: Call, value: Value, axis: int, place: int) -> Value:
    if not isinstance(value, Flow):
        frame: Array = np.asarray(value).take(place, axis)
        return frame
    module = NodeModule(replace(call, results=1), Operation(_select), [FLOWS, axis, place])
    return apply(reader, module.call, module, [value])[0]


def _select(_: Call, x: Tensor, axis: int, place: int) -> Tensor:
    return x.select(axis, place)


def _stacked(reader: Reader, call: Call, values: Sequence[Value], axis: int) -> Value:
    """Return the results of all steps along a new axis."""
    if not any(isinstance(each, Flow) for each in values):
        return np.stack([np.asarray(each) for each in values], axis) if values else np.zeros((0,), np.float32)
    operands: list[Any] = [FLOWS if isinstance(each, Flow) else tensor_of(call, np.asarray(each)) for each in values]
    module = NodeModule(replace(call, results=1), Operation(_stack), [axis, *operands])
    return apply(reader, module.call, module, [each for each in values if isinstance(each, Flow)])[0]


def _stack(_: Call, axis: int, *values: Tensor) -> Tensor:
    return torch.stack(values, axis)


CONTROLS: Mapping[str, Control] = {"If": _if, "Loop": _loop, "Scan": _scan, **LISTS}
"""Operator with graphs inside, or on lists -> how it is read."""
