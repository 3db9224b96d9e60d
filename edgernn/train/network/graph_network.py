"""A graph as a network of torch: its trace is replayed on tensors in every step, its weights are parameters."""

from collections.abc import Collection, Mapping

import numpy as np
import torch
from torch import nn

from edgernn.integer.plan import integer_plan
from edgernn.model.graph import Graph
from edgernn.model.replay import replay
from edgernn.model.tensor import Tensor
from edgernn.model.trace import State
from edgernn.passes.rounding import rounded as quantized
from edgernn.train.network.fake_quant import FakeOps, rounded, straight
from edgernn.train.network.models import Shape


class GraphNetwork(nn.Module):
    """Trains a graph with the rounding of the quantized graph; in float without a scheme.

    Each call rounds the weights with `quantize`, so scales follow the weights. The quantization parameters of static
    schemes come from the graph's ranges and stay fixed. There is no dropout, because ranges are those of inference.

    Args:
        graph: in float; with ranges, for a static scheme.
        shape: the shape of the network that it replaces.
        scheme: the scheme of the quantized graph; "" for float.
        keep: the names of layers that stay float.

    Raises:
        UsageError, GraphError, CalibrationError: as `quantize`.
    """

    def __init__(self, graph: Graph, shape: Shape | None = None, scheme: str = "", keep: Collection[str] = ()) -> None:
        super().__init__()
        self.shape = shape or Shape()
        self._graph, self._scheme, self._keep = graph.astype("float32"), scheme, keep
        self._small = self._quantized(self._graph)
        self._plan = integer_plan(self._small).narrow
        self.named: Mapping[str, nn.Parameter] = {
            name: nn.Parameter(torch.from_numpy(tensor.stored.copy())) for name, tensor in self._graph.tensors.items()
        }
        self._parts = nn.ModuleDict({f"of {layer.name}": self._part(layer.name) for layer in graph.layers})

    @property
    def layers(self) -> list[nn.Module]:
        """The parameters of each layer that carries states."""
        names = dict.fromkeys(name.partition(".")[0] for name in self._graph.states)
        return [self._parts[f"of {name}"] for name in names]

    @property
    def head(self) -> nn.Module:
        """The parameters of the last layer."""
        return self._parts[f"of {self._graph.layers[-1].name}"]

    def run(
        self, x: torch.Tensor, states: list[torch.Tensor] | None = None, _lengths: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """(batch, time, inputs), or symbols (batch, time) -> (batch, steps, outputs), and the states after in order."""
        count = self._graph.frames_per_step
        x = x if count == 1 else x.reshape(len(x), x.shape[1] // count, -1)
        steps, answers = self._plan.trace, []
        ops = FakeOps(self._plan, self._weights())
        carried = [self._initial_state(state, x) for state in steps.states] if states is None else states
        for frame in (x[..., None] if self._graph.vocabulary_size else x).unbind(1):
            pairs = zip(steps.states, carried, strict=True)
            before = {state.before.name: self._rounded(state, value) for state, value in pairs}
            values = replay(steps.operations, ops, {steps.x.name: frame, **before})
            answers.append(values[steps.y.name])
            carried = [values[state.after.name] for state in steps.states]
        return torch.stack(answers, 1), carried

    def tensors(self) -> dict[str, Tensor]:
        """The current weights in float, by their names in the graph."""
        return {name: Tensor(each.detach().cpu().numpy()) for name, each in self.named.items()}

    def _part(self, layer: str) -> nn.ParameterList:
        return nn.ParameterList(each for name, each in self.named.items() if name.partition(".")[0] == layer)

    def _quantized(self, graph: Graph) -> Graph:
        return quantized(graph, self._scheme, keep=self._keep) if self._scheme else graph

    def _weights(self) -> dict[int, torch.Tensor]:
        """The `id` of each weight of the trace -> the tensor in its place."""
        if not self._scheme:
            return {id(tensor): self.named[name] for name, tensor in self._small.tensors.items()}
        small = self._quantized(self._graph.with_tensors(self.tensors())).tensors
        return {
            id(tensor): _fake_quantized(self.named[name], small[name]) for name, tensor in self._small.tensors.items()
        }

    def _initial_state(self, state: State, x: torch.Tensor) -> torch.Tensor:
        learned = self.named.get(f"{state.name}.initial_state")
        if learned is None:
            return torch.zeros(len(x), state.before.width, device=x.device)
        return learned.expand(len(x), -1)

    def _rounded(self, state: State, value: torch.Tensor) -> torch.Tensor:
        qparams = self._plan.states.get(state.name)
        return value if qparams is None else rounded(value, qparams)


def _fake_quantized(weight: nn.Parameter, small: Tensor) -> torch.Tensor:
    """The quantized weight, with the gradient of the weight."""
    return straight(weight, torch.from_numpy(np.array(small.dense(np.float32))).to(weight))
