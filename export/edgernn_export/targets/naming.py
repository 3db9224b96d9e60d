"""The graph that a target writes, with the name of each value in the artifact."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from edgernn.artifact.manifest import Manifest, dump_manifest, graph_manifest
from edgernn.errors import UnsupportedError
from edgernn.model.graph import INPUT, OUTPUT, Graph
from edgernn.model.operation import Op, Ref
from edgernn.model.parts import names
from edgernn.model.tensor import SCHEMES, STATIC, Tensor
from edgernn.model.trace import Trace

WEIGHTS = tuple(scheme for scheme in SCHEMES if scheme not in STATIC)
"""The schemes that every target can express: those whose values are float."""


@dataclass(frozen=True)
class NamedTrace:
    """A graph in float32 and its trace, with the names of its values in the artifact.

    Attributes:
        graph: in float32.
        trace: its operations.
        heads: the values that are the several outputs, by their names in the artifact; empty where `y` is computed.
    """

    graph: Graph
    trace: Trace
    heads: Mapping[str, Ref] = field(default_factory=dict)

    @cached_property
    def manifest(self) -> Manifest:
        """The manifest of the artifact."""
        return graph_manifest(self.graph)

    @property
    def manifest_json(self) -> str:
        """The manifest as the JSON that the artifact contains."""
        return dump_manifest(self.manifest)

    @property
    def ins(self) -> tuple[Ref, ...]:
        """`x`, then each state before the step."""
        return (self.trace.x, *(state.before for state in self.trace.states))

    @cached_property
    def outs(self) -> Mapping[str, Ref]:
        """The outputs by name -> the value of the trace: `y` or each of several, then each state after the step."""
        ys = self.heads or {OUTPUT: self.trace.y}
        return {**ys, **{f"{state.name}.out": state.after for state in self.trace.states}}

    @property
    def parts(self) -> tuple[Mapping[str, int], Mapping[str, int]]:
        """The several inputs, and the several outputs, by their names in the artifact; empty where there is one."""
        return names(INPUT, self.graph.named_inputs), names(OUTPUT, self.graph.named_outputs)

    @property
    def result_names(self) -> list[str]:
        """The names of the artifact's outputs, in order."""
        return [*(self.parts[1] or [OUTPUT]), *(f"{state.name}.out" for state in self.trace.states)]

    @cached_property
    def names(self) -> Mapping[str, str]:
        """Value of the trace -> its name in the artifact; a value that is an output has the name of the output."""
        results = {ref.name for op in self.trace.operations for ref in op.outputs}
        names = {ref.name: ref.name for ref in self.ins}
        for output, ref in self.outs.items():
            if ref.name in results:
                names.setdefault(ref.name, output)
        return {name: name for name in results} | names

    @property
    def copies(self) -> Mapping[str, str]:
        """Output -> the name that it copies, for outputs that equal another output or an input."""
        return {output: self.names[ref.name] for output, ref in self.outs.items() if self.names[ref.name] != output}

    @cached_property
    def _weights(self) -> Mapping[Tensor, str]:
        return {tensor: name for name, tensor in self.graph.tensors.items()}

    def weight(self, tensor: Tensor, op: Op) -> str:
        """The name of a weight: that in the `.rnn` file, or one made from the first operation that derives it."""
        position = [arg for arg in op.args if isinstance(arg, Tensor)].index(tensor)
        derived = self._derived.get(
            (op.layer, op.name, op.positions, position, tensor), f"{op.layer}/{op.k}.{position}"
        )
        return self._weights.get(tensor, derived)

    @cached_property
    def _derived(self) -> Mapping[tuple[str, str, int, int, Tensor], str]:
        """The weights that cells derive: a cell that steps for several frames reads the same ones in each."""
        derived: dict[tuple[str, str, int, int, Tensor], str] = {}
        for op in self.trace.operations:
            for position, tensor in enumerate(arg for arg in op.args if isinstance(arg, Tensor)):
                if tensor not in self._weights:
                    name = f"{op.layer}/{op.k}.{position}"
                    derived.setdefault((op.layer, op.name, op.positions, position, tensor), name)
        return derived


def with_heads(named: NamedTrace) -> NamedTrace:
    """Leave out the operation that only puts several outputs side by side, where an artifact has a tensor for each."""
    y, parts = named.trace.y, named.parts[1]
    last = next((op for op in named.trace.operations if op.name == "concat" and y in op.outputs), None)
    read = {ref for op in named.trace.operations for ref in op.inputs} | {each.after for each in named.trace.states}
    if not parts or last is None or y in read or [ref.width for ref in last.inputs] != [*parts.values()]:
        return named
    if next(layer for layer in named.graph.layers if layer.name == last.layer).scheme:
        return named
    operations = tuple(op for op in named.trace.operations if op is not last)
    heads = dict(zip(parts, last.inputs, strict=True))
    return replace(named, trace=replace(named.trace, operations=operations), heads=heads)


def named_trace(graph: Graph, schemes: Collection[str] = WEIGHTS) -> NamedTrace:
    """Trace a graph in float32 and name its values.

    Args:
        graph: the graph to write.
        schemes: the schemes of weights and layers that the target can express.

    Raises:
        UnsupportedError: a layer is quantized in another scheme.
    """
    single = graph.astype("float32")
    used = [(layer.name, layer.scheme) for layer in single.layers]
    used += [(name.split(".")[0], tensor.scheme) for name, tensor in single.tensors.items()]
    for layer, scheme in used:
        if scheme and scheme not in schemes:
            raise UnsupportedError(
                f"layer '{layer}' is quantized as {scheme}, which this target cannot express; "
                f"there are {', '.join(schemes)}, or leave the layer in float with keep="
            )
    return NamedTrace(single, single.trace)
