"""The operators of a TFLite graph, in order: those that depend on data become modules, the others are computed."""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from edgernn.errors import EdgernnError
from edgernn_export.sources.foreign.nodes import ADOPT, FLOWS, NodeModule, Operation, Step
from edgernn_export.sources.tflite.call import Call
from edgernn_export.sources.tflite.loading import ELEMENTS, OperatorInfo, Subgraph
from edgernn_export.sources.tflite.operations.recurrent import RECURRENT
from edgernn_export.sources.tflite.operations.shapes import TAKEN
from edgernn_export.sources.tflite.operations.table import OPERATIONS
from edgernn_export.sources.tflite.reader import Carried, Flow, Reader, Resource, Value, operand_of
from edgernn_export.sources.tflite.resources import RESOURCES
from edgernn_export.sources.torch.trace.copying import first_line

_STEP = "export one step, with its states as inputs and outputs"

INSTEAD = {
    "WHILE": f"{_STEP}, or Keras' LSTM with its default options, which is one operator",
    "IF": _STEP,
    "BIDIRECTIONAL_SEQUENCE_LSTM": "a backward direction needs frames that have not arrived: train one direction",
    "BIDIRECTIONAL_SEQUENCE_RNN": "a backward direction needs frames that have not arrived: train one direction",
}
"""Operator that is not supported -> what to do."""


def read_graph(reader: Reader, graph: Subgraph, values: dict[int, Value]) -> None:
    """Read every operator; `values` has those of the inputs, and gets those of all tensors.

    Raises:
        UnsupportedError: an operator is not known, or needs a constant where a value depends on data.
    """
    for index, tensor in enumerate(graph.tensors):
        if tensor.data is not None:
            values.setdefault(index, torch.from_numpy(np.array(tensor.data)))
    for operator in graph.operators:
        call = _call(reader, graph, operator)
        try:
            results = _read(reader, graph, operator, call, values)
        except EdgernnError:
            raise
        except Exception as error:  # the operands and options of a damaged file may be anything
            raise call.refuse(f"it cannot be read: {first_line(error)}; export it again, {ADOPT}") from error
        values.update(zip(operator.outputs, results, strict=False))


def _read(
    reader: Reader, graph: Subgraph, operator: OperatorInfo, call: Call, values: dict[int, Value]
) -> Sequence[Value]:
    """Return the results of an operator; none of one that only writes variables."""
    if operator.name == "CALL_ONCE":
        _call_once(reader, call)
        return ()
    if operator.name in RESOURCES:
        RESOURCES[operator.name](reader, graph, operator, call, values)
        return ()
    if operator.name in RECURRENT:
        return _recurrence(reader, graph, operator, call, values)
    operands = [operand_of(call, values, each) for each in operator.inputs]
    if operator.name == "SHAPE":
        return [torch.tensor(list(_example(operands[0]).shape), dtype=torch.int32)]
    return _computed(reader, operator, call, operands)


def _call(reader: Reader, graph: Subgraph, operator: OperatorInfo) -> Call:
    result = graph.tensors[operator.outputs[0]] if operator.outputs and operator.outputs[0] >= 0 else None
    call = Call(reader.file.name, operator.name, result.name if result else "", operator.options, len(operator.outputs))
    if result is not None and result.quantized and result.data is None:
        raise call.refuse(f"the model computes in integers ({result.dtype}); export it in float, {ADOPT}")
    if operator.name not in {*OPERATIONS, *RECURRENT, *RESOURCES, "SHAPE", "CALL_ONCE"}:
        instead = INSTEAD.get(operator.name, "export the model as ONNX")
        raise call.refuse(f"it is not supported; {instead}, {ADOPT}")
    return call


def _example(value: Value) -> Tensor:
    assert value is not None
    return value.example if isinstance(value, Flow) else value


def _computed(reader: Reader, operator: OperatorInfo, call: Call, operands: Sequence[Value]) -> list[Value]:
    """Compute an operator whose operands are constants, or add a module for one whose operands flow."""
    operation = OPERATIONS[operator.name]
    if operator.name == "GATHER" and not isinstance(operands[1], Flow):
        operation = TAKEN
    arguments = [_argument(call, operation, place, each) for place, each in enumerate(operands)]
    flows = [each for each in operands if isinstance(each, Flow)]
    _check_growth(call, operation, operands, arguments)
    if operator.name in {"GATHER", "EMBEDDING_LOOKUP"}:
        table, index = operands if operator.name == "GATHER" else operands[::-1]
        if isinstance(index, Flow) and isinstance(table, Tensor):
            reader.tables[index.slot] = min(len(table), reader.tables.get(index.slot, len(table)))
    if not flows:
        return list(_results(call, NodeModule(call, operation, arguments), ()))
    return list(added(reader, call, NodeModule(call, operation, arguments), flows))


def _argument(call: Call, operation: Operation, place: int, operand: Value) -> Any:
    if place in operation.static and isinstance(operand, Flow):
        raise call.refuse(f"its operand {place} depends on data; expected a constant, {ADOPT}")
    if isinstance(operand, Flow):
        return FLOWS
    return operand.tolist() if operand is not None and place in operation.static else operand


def _check_growth(call: Call, operation: Operation, operands: Sequence[Value], arguments: Sequence[Any]) -> None:
    """Refuse a result with more than ELEMENTS; its size is computed without values."""
    sized = [
        torch.empty(_example(value).shape, dtype=_example(value).dtype, device="meta")
        if isinstance(value, Flow) or isinstance(argument, Tensor)
        else argument
        for value, argument in zip(operands, arguments, strict=True)
    ]
    try:
        answer = operation.function(call, *sized)
    except Exception:  # operands that do not fit are refused where the operator is computed
        return
    largest = max((prod(each.shape) for each in (answer if isinstance(answer, tuple | list) else (answer,))), default=0)
    if largest > ELEMENTS:
        raise call.refuse(f"its result would have {largest:,} elements; expected at most {ELEMENTS:,}")


def _results(call: Call, module: nn.Module, examples: Sequence[Tensor]) -> tuple[Tensor, ...]:
    try:
        with torch.no_grad():
            answer = module(*examples)
    except EdgernnError:
        raise
    except Exception as error:  # operands that do not fit fail in many ways, in torch and in Python
        shapes = ", ".join(str(tuple(each.shape)) for each in examples)
        text = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise call.refuse(f"its operands do not fit, {shapes}: {text[:200]}; export it again, {ADOPT}") from error
    return tuple(answer) if isinstance(answer, tuple | list) else (answer,)


def added(reader: Reader, call: Call, module: nn.Module, flows: Sequence[Flow]) -> tuple[Flow, ...]:
    """Add a module that is called with these values, and return its results.

    Raises:
        UnsupportedError: its operands do not fit.
    """
    results = tuple(reader.flow(each) for each in _results(call, module, [flow.example for flow in flows]))
    name = reader.unique(call.operator)
    reader.modules[name] = module
    reader.steps.append(Step(name, tuple(flow.slot for flow in flows), tuple(result.slot for result in results)))
    return results


def _recurrence(
    reader: Reader, graph: Subgraph, operator: OperatorInfo, call: Call, values: Mapping[int, Value]
) -> list[Value]:
    """Read an operator whose states are variable tensors: over a sequence they are zeros before it."""
    kind = RECURRENT[operator.name]
    inputs = [*operator.inputs, *[-1] * (max(kind.states) + 1 - len(operator.inputs))]
    x = operand_of(call, values, inputs[0])
    if not isinstance(x, Flow):
        raise call.refuse(f"its input does not depend on data; expected frames, {ADOPT}")
    constants = [
        None if place in kind.states or place == 0 else _constant(call, values, each)
        for place, each in enumerate(inputs)
    ]
    module = kind.build(call, constants)
    axis = 0 if call.get("timeMajor", False) else 1
    length = x.example.shape[axis] if kind.sequence and x.example.dim() == 3 else 1
    reader.length = max(reader.length, length)
    if length > 1:
        return list(added(reader, call, module, [x])[:1])
    before = [_state(reader, graph, call, inputs[place]) for place in kind.states]
    y, *after = added(reader, call, module, [x, *before])
    for place, one, other in zip(kind.states, before, after, strict=True):
        reader.carried.append(Carried(graph.tensors[inputs[place]].name, one, other, inputs[place]))
    return [y]


def _constant(call: Call, values: Mapping[int, Value], index: int) -> Tensor | None:
    value = operand_of(call, values, index)
    if isinstance(value, Flow):
        raise call.refuse(f"its operand {index} depends on data; expected a constant, {ADOPT}")
    return value


def _state(reader: Reader, graph: Subgraph, call: Call, index: int) -> Flow:
    tensor = graph.tensors[index] if index >= 0 else None
    if tensor is None or not tensor.variable or tensor.dtype != "float32":
        raise call.refuse(f"its state {index} is no variable tensor of float32, {ADOPT}")
    return reader.flow(torch.zeros(tensor.shape))


def _call_once(reader: Reader, call: Call) -> None:
    """CALL_ONCE: a subgraph that sets the initial values of resource variables."""
    index = call.get("initSubgraphIndex", 0)
    if reader.inner or not 0 < index < len(reader.file.subgraphs):
        raise call.refuse(f"it calls subgraph {index} of {len(reader.file.subgraphs)}; export it again")
    inner = Reader(reader.file, inner=True)
    read_graph(inner, reader.file.subgraphs[index], {})
    for name, resource in inner.resources.items():
        if not isinstance(resource.value, Tensor):
            raise call.refuse(f"the initial value of variable '{name}' is no constant, {ADOPT}")
        reader.resources[name] = Resource(resource.value.float())
