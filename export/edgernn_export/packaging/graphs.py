"""The graphs in a package: that of a model, and those of an encoder and a decoder."""

import os
from dataclasses import dataclass

from edgernn.artifact import rnn
from edgernn.files import atomic
from edgernn.model.graph import Graph
from edgernn.package import contents
from edgernn.package.manifest import GRAPH
from edgernn.package.translation import Translation


@dataclass(frozen=True)
class PackagedGraphs:
    """The graphs of a package.

    Attributes:
        model: in its own precision; of a translator the decoder.
        encoder: of a translator; None of any other model.
        translation: how the two are used; None of any other model.
    """

    model: Graph
    encoder: Graph | None = None
    translation: Translation | None = None


def load(path: str | os.PathLike[str]) -> PackagedGraphs:
    """Return the graphs of a `.edge` package.

    Raises:
        FileError: it is damaged, or no package.
    """
    name = os.fspath(path)
    package = contents.read(atomic.read(name), name)
    model, encoder = rnn.loads(package.bytes_of(GRAPH), name), package.encoder()
    if encoder is None:
        return PackagedGraphs(model)
    graph = rnn.loads(encoder.bytes_of(GRAPH), encoder.name)
    return PackagedGraphs(model, graph, package.manifest.translation)
