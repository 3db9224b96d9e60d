"""What is done of a tuning, in a folder, so that an interrupted one goes on: models, artifacts and their worth."""

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
from edgernn.train.data.fingerprint import Fingerprint, check, dumps
from edgernn.version import VERSION
from edgernn_export.translate import render


@dataclass(frozen=True)
class TuneCache:
    """A folder of files, each named after all that decides what is in it.

    Attributes:
        folder: where they are; made when the first is written.
        key: of the model and of what judges it.
        data: of what it is judged by, and trained on.
    """

    folder: Path
    key: str
    data: Fingerprint

    def check(self) -> None:
        """Refuse a folder where this model was tuned on other data.

        Raises:
            UsageError: it was; with the difference.
            FileError: the fingerprint that is there cannot be read.
        """
        if self._began.exists():
            check(self._began, self.data, f"the tuning in '{self.folder}'", "choose another name for the winner")

    def begin(self) -> None:
        """Keep the fingerprint of the data, unless the one of the same data is there.

        Raises:
            UsageError, FileError: as `check`, or it cannot be written.
        """
        self.check()
        if not self._began.exists():
            atomic.make_folder(self.folder)
            atomic.write(self._began, dumps(self.data))

    @property
    def _began(self) -> Path:
        """The fingerprint of the data that this model was tuned on."""
        return self._path("data", ".data.json")

    def model(self, asked: Pruning, make: Callable[[Pruning, Path], Graph]) -> Graph:
        """What a plan left of the model: read, or made and kept.

        Args:
            asked: the plan.
            make: makes it, in a folder of its own where it leaves what it can go on from, until it is finished.
        """
        path = self._path(f"{self.data.checksum}\n{asked!r}", rnn.SUFFIX)
        begun = path.with_suffix(".training")
        if not path.exists():
            made = make(asked, begun)
            atomic.make_folder(self.folder)
            rnn.save(made, path)
        rmtree(begun, ignore_errors=True)
        return rnn.load(path)

    def evaluated(self, graph: Graph, suffix: str, worth: Callable[[Program], float]) -> tuple[Program, float]:
        """An artifact of a graph, and what it is worth: read where the same runtime judged it, or made and kept.

        Raises:
            EdgernnError: as `export` and `edgernn.open` say.
            FileError: what is kept is no JSON; the file is named.
        """
        path = self._path(f"{self.data.checksum}\n{rnn.digest(graph)}", suffix)
        said = path.with_name(f"{path.name}.json")
        if said.exists():
            program, (backend, metric) = open_program(path), _read(said)
            if backend == program.backend:
                return program, metric
        artifact = render(graph, str(path))[str(path)]
        atomic.make_folder(self.folder)
        atomic.write(path, artifact)
        program = open_program(path)
        metric = worth(program)
        atomic.write(said, json.dumps({"backend": program.backend, "metric": metric}).encode())
        return program, metric

    def _path(self, what: str, suffix: str) -> Path:
        name = sha256(f"{VERSION}\n{self.key}\n{what}".encode()).hexdigest()
        return self.folder / f"{name[:16]}{suffix}"


def _read(path: Path) -> tuple[str, float]:
    try:
        said = bounded_json.loads(atomic.read(path), finite=False)
        return str(said["backend"]), float(said["metric"])
    except (ValueError, TypeError, KeyError) as error:
        raise FileError(f"'{path}' tells of no candidate: {error!r}; take it away, and it is judged again") from error
