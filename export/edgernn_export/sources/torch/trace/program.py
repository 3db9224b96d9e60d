"""torch.export.ExportedProgram as a module, whose operations run in any float format and on any length."""

import inspect
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.export import ExportedProgram
from torch.fx import Graph, Interpreter, traceback as fx_traceback

from edgernn_export.sources.torch.trace.exported import as_whole

_FLOATS = (torch.float32, torch.float16, torch.bfloat16)


def module_of(program: ExportedProgram) -> nn.Module:
    """Return a module in eval mode that computes a program; parameters, buffers and arguments keep their names."""
    read: Any = program.module()
    for node in list(read.graph.nodes):
        if node.op == "call_module" and node.target == "_guards_fn":  # it refuses any other length than the example's
            read.graph.erase_node(node)
        elif node.op == "call_function":
            node.target = as_whole(node.target)
            node.args, node.kwargs = torch.fx.node.map_aggregate((node.args, node.kwargs), _wide)

    read.graph.eliminate_dead_code()

    def forward(self: Any, *args: Any) -> Any:
        with fx_traceback.preserve_node_meta():
            return Interpreter(self, graph=self.operations.graph).run(*args)

    this = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    arguments = inspect.signature(read.forward).parameters.values()
    forward.__signature__ = inspect.Signature([this, *arguments])  # type: ignore[attr-defined]
    kind: Any = type("ExportedProgram", (_Program,), {"forward": forward})
    module: nn.Module = kind(read)
    return module.eval()


@dataclass(frozen=True)
class _Operations:
    """The graph of a program, which never changes, so that copies share it."""

    graph: Graph

    def __deepcopy__(self, memo: Any) -> "_Operations":
        return self


class _Program(nn.Module):
    """The parameters, buffers and operations of a program."""

    def __init__(self, read: Any) -> None:
        super().__init__()
        self.operations = _Operations(read.graph)
        for name in ("_parameters", "_buffers", "_modules"):
            vars(self)[name] = vars(read)[name]
        for node in read.graph.find_nodes(op="get_attr"):
            value = vars(read).get(node.target)  # a constant that is an attribute alone
            if isinstance(value, torch.Tensor):
                self.register_buffer(node.target, value)


def _wide(value: Any) -> Any:
    return torch.float64 if isinstance(value, torch.dtype) and value in _FLOATS else value
