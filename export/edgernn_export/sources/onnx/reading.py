"""The nodes of an ONNX graph, in order: those that depend on data become modules, the others are computed."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from edgernn.array import Array
from edgernn.errors import EdgernnError, FileError
from edgernn.process import interrupt
from edgernn_export.sources.foreign.integers import IntegerRows
from edgernn_export.sources.foreign.nodes import ADOPT, FLOWS, NodeModule, Operation, Step
from edgernn_export.sources.onnx.call import Call
from edgernn_export.sources.onnx.constants import attributes_of, computed, tensor_of
from edgernn_export.sources.onnx.growth import check_growth
from edgernn_export.sources.onnx.integers import integer_rows
from edgernn_export.sources.onnx.limits import ROOM
from edgernn_export.sources.onnx.loading import array_of, check_texts
from edgernn_export.sources.onnx.operations.recurrent import Recurrent, Stepwise, recurrent
from edgernn_export.sources.onnx.operations.shapes import TAKEN
from edgernn_export.sources.onnx.operations.table import HINTS, OPERATIONS
from edgernn_export.sources.onnx.operations.ways import KINDS
from edgernn_export.sources.torch.trace.copying import first_line


@dataclass(frozen=True)
class Flow:
    """A value that depends on data: its slot in the module, and its value for the example."""

    slot: int
    example: Tensor


Value = Flow | Array | tuple[Any, ...] | None
"""A value that depends on data, a constant, a list of values, or none where an operand is absent."""

Scope = dict[str, Value]
"""The values that nodes of a graph can read, by name."""


@dataclass(frozen=True)
class Carried:
    """A state that a recurrent node, or a loop over time, carries from frame to frame: initial, and after the frame."""

    name: str
    before: Flow
    after: Flow


@dataclass
class Reader:
    """What is read of a graph so far.

    Attributes:
        name: of the file.
        opset: of its nodes.
        room: how many bytes of constants may still be computed.
        carrying: the nodes whose states are carried from frame to frame, by path; the example is one frame.
        steps: the calls of modules.
        modules: by name.
        carried: the states of those nodes.
        lengths: a recurrent node, or a loop, by path -> how many steps it runs.
        chunks: whether one that is passed its states runs several steps.
        looped: which of those are loops, or run step by step.
        integers: weights that the file stores as integers.
        tables: the slot of an argument with whole numbers -> the length of the table that they are looked up in.
    """

    name: str
    opset: int
    room: int = ROOM
    carrying: frozenset[str] = frozenset()
    steps: list[Step] = field(default_factory=list)
    modules: dict[str, nn.Module] = field(default_factory=dict)
    carried: list[Carried] = field(default_factory=list)
    lengths: dict[str, int] = field(default_factory=dict)
    chunks: bool = False
    looped: set[str] = field(default_factory=set)
    integers: list[IntegerRows] = field(default_factory=list)
    tables: dict[int, int] = field(default_factory=dict)
    slots: int = 0
    nodes: int = 0

    def flow(self, example: Tensor) -> Flow:
        """Return a new value that depends on data."""
        self.slots += 1
        return Flow(self.slots - 1, example)

    def unique(self, name: str) -> str:
        """Return a name for a module: without dots, unlike the others."""
        plain = name.replace(".", "_").strip("/") or "node"
        unique, number = plain, 2
        while unique in self.modules:
            unique, number = f"{plain}_{number}", number + 1
        return unique


Control = Callable[["Reader", onnx.NodeProto, Call, list[Value], Scope], list[Value]]
"""Reads a node with graphs inside: reader, node, call, operands and scope -> results."""


def read_graph(reader: Reader, graph: onnx.GraphProto, scope: Scope, controls: Mapping[str, Control]) -> Scope:
    """Read the nodes of a graph; the scope gets the values of its constants and nodes.

    Raises:
        FileError: a node reads what nothing computes before it.
        UnsupportedError: an operator, or one of its attributes, is not supported; the message names the node.
    """
    for tensor in graph.initializer:
        scope.setdefault(tensor.name, array_of(reader.name, tensor))
    if graph.sparse_initializer:
        raise FileError(f"'{reader.name}' has sparse constants; store them dense, {ADOPT}")
    for number, node in enumerate(graph.node):
        interrupt.check()
        call = _call(reader, node, number)
        operands = [_operand(reader, call, scope, name) for name in node.input]
        if node.domain not in {"", "ai.onnx"}:
            raise call.refuse(
                f"it is an operator of '{node.domain}'; export the model with those of ONNX alone, {ADOPT}"
            )
        results = _read(reader, node, call, operands, scope, controls.get(node.op_type))
        scope.update((name, result) for name, result in zip(node.output, results, strict=False) if name)
    return scope


def _read(
    reader: Reader, node: onnx.NodeProto, call: Call, operands: list[Value], scope: Scope, control: Control | None
) -> list[Value]:
    """Return the results of a node."""
    try:
        if control:
            return control(reader, node, call, operands, scope)
        return _results(reader, node, call, operands)
    except EdgernnError:
        raise
    except Exception as error:  # attributes and operands of a damaged file may be anything
        raise call.refuse(f"its attributes or operands are not as ONNX defines them: {first_line(error)}") from error


def _call(reader: Reader, node: onnx.NodeProto, number: int) -> Call:
    texts = [node.name, node.op_type, node.domain, *node.input, *node.output, *(each.name for each in node.attribute)]
    check_texts(reader.name, texts)
    first = next((name for name in node.output if name), "")
    name = node.name or f"{node.op_type}_{first or number}"
    results = max((i + 1 for i, each in enumerate(node.output) if each), default=0)
    return Call(name, node.op_type, reader.opset, attributes_of(reader.name, node), results)


def _operand(reader: Reader, call: Call, scope: Scope, name: str) -> Value:
    if name and name not in scope:
        raise FileError(
            f"'{reader.name}': node '{call.name}' ({call.operator}) reads '{name}', which nothing computes before it; "
            "export the model again"
        )
    return scope[name] if name else None


def _results(reader: Reader, node: onnx.NodeProto, call: Call, operands: list[Value]) -> list[Value]:
    """Return the results of a node without graphs inside."""
    flowing = [each for each in operands if isinstance(each, Flow)]
    shapes = [tuple(each.example.shape if isinstance(each, Flow) else np.shape(each)) for each in operands]  # type: ignore[arg-type]
    check_growth(call, shapes, [None if isinstance(each, Flow) else each for each in operands])
    if not flowing:
        if call.operator == "DequantizeLinear":
            reader.integers += integer_rows(call, operands)  # type: ignore[arg-type]
        constants = list(computed(node, reader.opset, call, operands))  # type: ignore[arg-type]
        reader.room -= sum(each.nbytes for each in constants if call.operator != "Constant")
        if reader.room < 0:
            raise call.refuse(f"constants that are computed take more than {ROOM} bytes and twice the file; store them")
        return list(constants)
    if call.operator in {"Shape", "Size"}:
        return [_of_shape(call, flowing[0].example)]
    if call.operator in KINDS:
        return _recurrence(reader, call, operands)
    operation = OPERATIONS.get(call.operator)
    if operation is None:
        raise call.refuse(f"{HINTS.get(call.operator, 'the operator is not supported; write it with others')}, {ADOPT}")
    if call.operator == "Gather":
        operation = _look_up(reader, call, operands, operation)
    arguments = [_argument(call, operation, place, each) for place, each in enumerate(operands)]
    module = NodeModule(call, operation, arguments)
    return list(apply(reader, call, module, flowing))


def _of_shape(call: Call, x: Tensor) -> Array:
    if call.operator == "Size":
        return np.asarray(x.numel(), np.int64)
    return np.asarray(x.shape[call.get("start", 0) : call.get("end", None)], np.int64)


def _argument(call: Call, operation: Operation, place: int, operand: Value) -> Any:
    if operand is None:
        return None
    if place not in operation.static:
        return FLOWS if isinstance(operand, Flow) else tensor_of(call, operand)
    if isinstance(operand, Flow):
        raise call.refuse(
            f"its operand {place} depends on data, and a step does the same for every frame; expected a constant: "
            f"set an input that is the same in every step with constants= (--constant), {ADOPT}"
        )
    return tensor_of(call, operand).tolist()


def _look_up(reader: Reader, call: Call, operands: Sequence[Value], operation: Operation) -> Operation:
    """Return what Gather is: constant places of a value, or a look-up in a table."""
    data, places = operands
    if not isinstance(places, Flow):
        return TAKEN
    if isinstance(data, np.ndarray) and call.get("axis", 0) == 0:
        reader.tables[places.slot] = min(len(data), reader.tables.get(places.slot, len(data)))
    return operation


def apply(reader: Reader, call: Call, module: nn.Module, flowing: Iterable[Flow]) -> tuple[Flow, ...]:
    """Add a module that is called with these values, and return its results.

    Raises:
        UnsupportedError: its operands do not fit.
    """
    flows = tuple(flowing)
    try:
        with torch.no_grad():
            answer = module(*(flow.example for flow in flows))
    except EdgernnError:
        raise
    except Exception as error:  # operands that do not fit fail in many ways, in torch and in Python
        shapes = ", ".join(str(tuple(flow.example.shape)) for flow in flows)
        raise call.refuse(
            f"its operands do not fit, {shapes}: {first_line(error)}; check the sizes with shapes= (--shape)"
        ) from error
    answers: list[Tensor] = list(answer) if isinstance(answer, tuple | list) else [answer]
    if len(answers) < call.results:
        raise call.refuse(f"it has {call.results} results; expected the first {len(answers)} of them alone, {ADOPT}")
    results = tuple(reader.flow(each.new_zeros(()).expand(each.shape)) for each in answers)  # only sizes are needed
    name = reader.unique(call.name)
    reader.modules[name] = module
    reader.steps.append(Step(name, tuple(flow.slot for flow in flows), tuple(result.slot for result in results)))
    return results


def _recurrence(reader: Reader, call: Call, operands: list[Value]) -> list[Value]:
    """Read RNN, GRU or LSTM: X, W, R, B, sequence_lens, initial states and P."""
    padded = operands + [None] * (8 - len(operands))
    (x, w, r, b, lengths), rest = padded[:5], padded[5:]
    states = KINDS[call.operator].states
    for place, each in enumerate((w, r, b, lengths, *rest[states:]), 1):
        if isinstance(each, Flow):
            raise call.refuse(f"its operand {place} depends on data; expected a constant, {ADOPT}")
    weights = [None if each is None else tensor_of(call, each) for each in (w, r, b, rest[states])]
    if not isinstance(x, Flow):
        x = constant(reader, call, x)
    reader.lengths[call.name] = x.example.shape[1 if call.get("layout", 0) else 0]
    several = reader.lengths[call.name] > 1
    reader.chunks |= several and any(isinstance(each, Flow) for each in rest[:states])
    module = recurrent(call, weights)
    if isinstance(module, Stepwise):
        reader.looped.add(call.name)
    initial = _initial(reader, call, x, rest[:states], module)
    bound = [FLOWS if isinstance(each, Flow) else None if each is None else tensor_of(call, each) for each in initial]
    known = None if lengths is None else np.asarray(lengths).tolist()
    module.bind([FLOWS, known, *bound])
    results = apply(reader, call, module, [x, *(each for each in initial if isinstance(each, Flow))])
    if call.name in reader.carrying:
        for name, before, after in zip(("h", "c"), initial, results[1:], strict=False):
            assert isinstance(before, Flow)
            reader.carried.append(Carried(f"{call.name}_{name}", before, after))
    return list(results)


def _initial(reader: Reader, call: Call, x: Flow, passed: Sequence[Value], module: Recurrent) -> list[Value]:
    """Return the initial states: those that are carried become arguments."""
    if call.name not in reader.carrying:
        return list(passed)
    first = bool(call.get("layout", 0))
    batch = x.example.shape[0 if first else 1]
    shape = (batch, module.count, module.hidden) if first else (module.count, batch, module.hidden)
    initial: list[Value] = []
    for each in passed:
        if isinstance(each, Flow):
            raise call.refuse(f"its initial state is computed, and a loop beside it runs over time, {ADOPT}")
        value = np.zeros(shape, np.float32) if each is None else np.broadcast_to(each, shape)
        initial.append(reader.flow(tensor_of(call, value)))
    return initial


def constant(reader: Reader, call: Call, value: Value) -> Flow:
    """Return a constant as a value that a module gives."""
    if isinstance(value, Flow):
        return value
    assert value is not None
    module = NodeModule(replace(call, results=1), Operation(lambda _, x: x), [tensor_of(call, value)])
    return apply(reader, module.call, module, [])[0]
