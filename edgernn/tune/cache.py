"""The cache of a tuning: models, artifacts and their metrics in a folder, so that a tuning can be resumed."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from shutil import rmtree

from edgernn.artifact import rnn
from edgernn.errors import FileError
from edgernn.files import atomic, bounded_json
from edgernn.model.graph import Graph
from edgernn.passes.pruning import Pruning
from edgernn.runtime.program import Program, open as open_program
from edgernn.train.data.fingerprint import Fingerprint, check_file, dumps
from edgernn.version import VERSION
from edgernn_export.translate import render


@dataclass(frozen=True)
class TuneCache:
    """A folder of files, each named by a hash of all its inputs.

    Attributes:
        folder: the folder; it is created with the first file.
        key: the key of the model and its evaluator.
        data: the fingerprint of the data of evaluation and training.
    """

    folder: Path
    key: str
    data: Fingerprint

    def check(self) -> None:
        """Refuse a folder with a tuning of this model on other data.

        Raises:
            UsageError: The data differs; with the difference.
            FileError: The fingerprint in the folder cannot be read.
        """
        if self._fingerprint_path.exists():
            check_file(
                self._fingerprint_path,
                self.data,
                f"the tuning in '{self.folder}'",
                "choose another output name",
            )

    def begin(self) -> None:
        """Write the fingerprint of the data, unless it exists.

        Raises:
            UsageError, FileError: See `check`, or it cannot be written.
        """
        self.check()
        if not self._fingerprint_path.exists():
            atomic.make_folder(self.folder)
            atomic.write(self._fingerprint_path, dumps(self.data))

    @property
    def _fingerprint_path(self) -> Path:
        """The path of the fingerprint of the data."""
        return self._path("data", ".data.json")

    def model(self, pruning: Pruning, make: Callable[[Pruning, Path], Graph]) -> Graph:
        """The pruned model: read from the cache, or made and stored.

        Args:
            pruning: what to prune.
            make: makes the model; its second argument is a folder for its checkpoints until it is finished.
        """
        path = self._path(f"{self.data.checksum}\n{pruning!r}", rnn.SUFFIX)
        checkpoints = path.with_suffix(".training")
        if not path.exists():
            graph = make(pruning, checkpoints)
            atomic.make_folder(self.folder)
            rnn.save(graph, path)
        rmtree(checkpoints, ignore_errors=True)
        return rnn.load(path)

    def evaluated(self, graph: Graph, suffix: str, score: Callable[[Program], float]) -> tuple[Program, float]:
        """An artifact of a graph and its metric: read if the same runtime evaluated it, or made and stored.

        Raises:
            EdgernnError: See `export` and `edgernn.open`.
            FileError: A cached file is not valid JSON.
        """
        path = self._path(f"{self.data.checksum}\n{rnn.digest(graph)}", suffix)
        metric_path = path.with_name(f"{path.name}.json")
        if metric_path.exists():
            program, (backend, metric) = open_program(path), _read_metric(metric_path)
            if backend == program.backend:
                return program, metric
        artifact = render(graph, str(path))[str(path)]
        atomic.make_folder(self.folder)
        atomic.write(path, artifact)
        program = open_program(path)
        metric = score(program)
        atomic.write(metric_path, json.dumps({"backend": program.backend, "metric": metric}).encode())
        return program, metric

    def _path(self, what: str, suffix: str) -> Path:
        name = sha256(f"{VERSION}\n{self.key}\n{what}".encode()).hexdigest()
        return self.folder / f"{name[:16]}{suffix}"


def _read_metric(path: Path) -> tuple[str, float]:
    try:
        document = bounded_json.loads(atomic.read(path), finite=False)
        return str(document["backend"]), float(document["metric"])
    except (ValueError, TypeError, KeyError) as error:
        raise FileError(
            f"'{path}' is not a cached metric: {error!r}; delete it to evaluate the candidate again"
        ) from error
