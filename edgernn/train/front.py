"""Convert and prove the layers of a network before its recurrent layers."""

import copy

import numpy as np
import torch

from edgernn.errors import ParityError
from edgernn.interpreters.numpy import Stepper
from edgernn.model.graph import Graph
from edgernn.model.layer import Layer
from edgernn.model.timing import in_steps
from edgernn.train.network.models import Network, layers_before

TOLERANCE = 1e-9  # relative to the largest value, or to 1
STEPS = 48


def before_recurrent(network: Network, example: torch.Tensor) -> tuple[tuple[Layer, ...], torch.Tensor]:
    """The layers before the recurrent ones, and what they make of an example.

    Args:
        network: in eval mode on the CPU.
        example: (1, time, inputs), or symbols (1, time); the time is a multiple of the frames of a step.

    Returns:
        Layers with weights in float32, and (1, steps, width).

    Raises:
        ParityError: In float64 they differ from the network by more than TOLERANCE.
    """
    layers = layers_before(network)
    if not layers:
        return (), example
    double, count = copy.deepcopy(network).double(), network.shape.frames_per_step
    longer = example.repeat(1, -(-STEPS // example.shape[1]), *[1] * (example.ndim - 2))
    numbers = example.is_floating_point()
    frames = in_steps(longer[0].double().numpy() if numbers else longer[0, :, None].numpy().astype(np.int32), count)
    with torch.no_grad():
        expected = _run(double, longer.double() if numbers else longer)[0].numpy()
        between = _run(network, example)
    graph = Graph(layers_before(double), frames.shape[1], frames_per_step=count)
    actual = Stepper(graph, "float64").run(frames)[0]
    error = np.abs(actual - expected).max(axis=1) / max(1.0, np.abs(expected).max())
    if not (error <= TOLERANCE).all():
        step = int(np.argmin(error <= TOLERANCE))
        raise ParityError(
            f"the layers before the recurrent ones differ from their cells by {error[step]:.2g} in step {step}; "
            f"expected at most {TOLERANCE:g} of the largest value: a cell's state is not the newest part of its input"
        )
    return layers, between


def _run(network: Network, x: torch.Tensor) -> torch.Tensor:
    y: torch.Tensor = network.before(x if network.table is None else network.table(x))
    return y
