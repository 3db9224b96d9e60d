"""The configuration of a model becomes a tree of layers; nothing in it is imported or run."""

import re
from collections.abc import Sequence
from typing import Any

from edgernn.errors import FileError, UnsupportedError
from edgernn_export.sources.keras.layer import Layer
from edgernn_export.sources.keras.refusals import CODE, no_layer
from edgernn_export.sources.keras.wiring import chained, wired

MODELS = ("Sequential", "Functional", "Model")
CELLS = {"SimpleRNN": "SimpleRNNCell", "GRU": "GRUCell", "LSTM": "LSTMCell"}
"""A recurrent layer -> the cell that has its weights."""

LAYERS = 1000
"""The largest number of layers of a model."""

_PACKAGES = ("keras", "tensorflow", "tf_keras", "tensorflow_core", "builtins")


class Reader:
    """Reads the layers of one file.

    Raises:
        FileError: by each method, when the configuration is none.
        UnsupportedError: when it names a class that is not of Keras, or holds code.
    """

    def __init__(self, file: str, known: Sequence[str]) -> None:
        self.file, self.known, self._count = file, known, 0

    def layer(self, config: Any) -> Layer:
        """Return the layer of a configuration {"class_name": ..., "config": {...}}."""
        kind, own = self._class_of(config)
        if kind in MODELS:
            return self._model(kind, own, config)
        name = str(own.get("name") or config.get("name") or _snake(kind))
        return Layer(kind, name, own, self._children(kind, own, name))

    def _class_of(self, config: Any) -> tuple[str, dict[str, Any]]:
        self._count += 1
        if self._count > LAYERS:
            raise UnsupportedError(f"'{self.file}' has more than {LAYERS:,} layers; convert its parts one by one")
        kind = config.get("class_name") if isinstance(config, dict) else None
        own = config.get("config") if isinstance(config, dict) else None
        if isinstance(own, list) and kind in MODELS:
            own = {"layers": own}
        if not isinstance(kind, str) or not isinstance(own, dict):
            raise FileError(f"'{self.file}' has a layer without class and configuration; save the model again")
        name = str(own.get("name") or config.get("name") or kind)
        if kind in CODE:
            raise UnsupportedError(f"'{self.file}': layer '{name}' is a {kind}, which {CODE[kind]}")
        module = config.get("module")
        foreign = isinstance(module, str) and module.partition(".")[0] not in _PACKAGES
        if foreign or ">" in kind or config.get("registered_name") not in {None, kind} or kind not in self.known:
            raise UnsupportedError(f"'{self.file}': layer '{name}' is {no_layer(kind, list(self.known))}")
        return kind, own

    def _model(self, kind: str, own: dict[str, Any], config: dict[str, Any]) -> Layer:
        """Return a model: a chain of layers, or layers with their calls."""
        configs = own.get("layers")
        if not isinstance(configs, list) or not configs:
            raise FileError(f"'{self.file}' has a model without layers; save it again after it was built")
        layers = [self.layer(each) for each in configs]
        name = str(own.get("name") or config.get("name") or "model")
        names = [layer.name for layer in layers]
        if len(set(names)) != len(names):
            raise FileError(f"'{self.file}': model '{name}' has two layers of one name; save it again")
        if kind == "Sequential":
            if layers[0].kind != "InputLayer":
                shape = layers[0].config.get("batch_input_shape") or layers[0].config.get("batch_shape")
                shape = shape or own.get("build_input_shape")
                layers.insert(0, Layer("InputLayer", f"{name}_input", {"batch_shape": shape}))
            wiring = chained([layer.name for layer in layers])
        else:
            wiring = wired(own, configs, layers, self.file)
        return Layer(kind, name, own, _numbered("layers", layers), wiring)

    def _children(self, kind: str, own: dict[str, Any], name: str) -> dict[str, Layer]:
        """Return the layers in a layer that is no model."""
        if kind in CELLS:
            return {"cell": Layer(CELLS[kind], "cell", own)}
        if kind == "RNN":
            return {"cell": self.layer(own.get("cell"))}
        if kind == "StackedRNNCells":
            cells = own.get("cells")
            return _numbered("cells", [self.layer(each) for each in (cells if isinstance(cells, list) else [])])
        if kind == "TimeDistributed":
            return {"layer": self.layer(own.get("layer"))}
        if kind == "Bidirectional":
            forward = self.layer(own.get("layer"))
            backward = own.get("backward_layer") or {
                **own["layer"],
                "config": {**forward.config, "go_backwards": not forward.config.get("go_backwards")},
            }
            return {"forward_layer": forward, "backward_layer": self.layer(backward)}
        del name
        return {}


def _numbered(container: str, layers: Sequence[Layer]) -> dict[str, Layer]:
    """Return layers by the names under which Keras stores them: of their class, and numbered from the second on."""
    counts: dict[str, int] = {}
    children = {}
    for layer in layers:
        own = _snake(layer.kind)
        counts[own] = counts.get(own, -1) + 1
        children[f"{container}/{own}_{counts[own]}" if counts[own] else f"{container}/{own}"] = layer
    return children


def _snake(kind: str) -> str:
    """Return the name of a class in lower case, as Keras names groups: "SimpleRNN" is "simple_rnn"."""
    words = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", kind))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", words).lower()
