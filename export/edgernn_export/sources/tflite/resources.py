"""Resource variables: VAR_HANDLE, READ_VARIABLE and ASSIGN_VARIABLE; each that is read is a state."""

from edgernn_export.sources.tflite.call import Call
from edgernn_export.sources.tflite.loading import OperatorInfo, Subgraph
from edgernn_export.sources.tflite.reader import Reader, Resource, Value, operand_of


def _handle(reader: Reader, graph: Subgraph, operator: OperatorInfo, call: Call, values: dict[int, Value]) -> None:
    """VAR_HANDLE: the resource variable of a name."""
    del graph, values
    name = (call.get("sharedName", b"") or b"").decode("utf-8", "replace") or f"variable{len(reader.handles)}"
    reader.handles[operator.outputs[0]] = name
    reader.resources.setdefault(name, Resource())


def _resource(reader: Reader, call: Call, index: int) -> Resource:
    if index not in reader.handles:
        raise call.refuse(f"tensor {index} is no variable that VAR_HANDLE names; export it again")
    return reader.resources[reader.handles[index]]


def _read(reader: Reader, graph: Subgraph, operator: OperatorInfo, call: Call, values: dict[int, Value]) -> None:
    """READ_VARIABLE: the state, or what was assigned before in the same call."""
    del graph
    resource, result = _resource(reader, call, operator.inputs[0]), operator.outputs[0]
    if resource.value is None:
        if resource.initial is None:
            raise call.refuse("it reads a variable that nothing sets before the first call; export it again")
        resource.before = resource.value = reader.flow(resource.initial)
    if resource.assigned < 0:
        resource.read.append(result)
    values[result] = resource.value


def _assign(reader: Reader, graph: Subgraph, operator: OperatorInfo, call: Call, values: dict[int, Value]) -> None:
    """ASSIGN_VARIABLE: the value is the state of the next call."""
    del graph
    resource = _resource(reader, call, operator.inputs[0])
    resource.value = operand_of(call, values, operator.inputs[1])
    resource.assigned = operator.inputs[1]


RESOURCES = {"VAR_HANDLE": _handle, "READ_VARIABLE": _read, "ASSIGN_VARIABLE": _assign}
"""Operator of resource variables -> what it does."""
