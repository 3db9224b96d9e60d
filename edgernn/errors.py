"""Every error that edgernn raises on purpose, so that `except EdgernnError` catches them all.

EdgernnError
|-- GraphError         layers that do not fit together, or a cell with weights of the wrong shape
|-- FrameError         a frame of the wrong shape or dtype, not finite, or an index outside the table
|-- StateError         a state of another model, or a stream that another thread is using
|-- FileError          a file that is missing, truncated, altered or foreign, or cannot be written
|-- SignatureError     a file without a signature of the key that is demanded, or older than demanded
|-- UpdateError        a package that does not work on this device, or a store without one
|-- UsageError         a suffix, option or name that does not exist
|-- CalibrationError   data that gives no ranges, or a value that has none
|-- UnsupportedError   a model that cannot stream, or that a runtime or target cannot express
|-- ParityError        two interpreters of one model that disagree
|-- CompilerError      no C compiler, or one that fails
|-- TrainingError      a loss that is not finite
|-- StorageError       a database that cannot be reached
|-- RemoteError        another machine that cannot be reached, or on which nothing can run
`-- MissingExtraError  a package that is not installed; the message has the pip command

PrecisionWarning is a warning, not an error: a layer loses much of its signal by quantization.
"""


class PrecisionWarning(UserWarning):
    """A layer loses much of its signal by quantization."""


class EdgernnError(Exception):
    """The root of all errors that edgernn raises on purpose."""


class GraphError(EdgernnError, ValueError):
    """Layers that do not fit together, or a cell with weights of the wrong shape."""


class FrameError(EdgernnError, ValueError):
    """A frame that the model cannot take: of the wrong shape or dtype, not finite, or an index outside the table."""


class StateError(EdgernnError, ValueError):
    """A state that does not belong to this model, or a stream that another thread is using."""


class FileError(EdgernnError, OSError):
    """A file that cannot be read, trusted or written."""


class SignatureError(EdgernnError, ValueError):
    """A file that a demanded key did not sign, that was altered since, or that is older than demanded."""


class UpdateError(EdgernnError, RuntimeError):
    """A package that does not work on this device, or a store of models without one."""


class UsageError(EdgernnError, ValueError):
    """A suffix, option or name that does not exist."""


class CalibrationError(EdgernnError, ValueError):
    """Data that gives no ranges, or a value that has none."""


class UnsupportedError(EdgernnError, ValueError):
    """A model that cannot stream, or that a runtime or target cannot express."""


class CompilerError(EdgernnError, RuntimeError):
    """No C compiler, or one that fails."""


class TrainingError(EdgernnError, RuntimeError):
    """A training that cannot continue, because its loss is not finite."""


class StorageError(EdgernnError, ConnectionError):
    """A database that cannot be reached."""


class RemoteError(EdgernnError, ConnectionError):
    """Another machine that cannot be reached by SSH, on which nothing can run, or whose connection was lost."""


class ParityError(EdgernnError, ValueError):
    """Two interpreters of one model that disagree."""


class MissingExtraError(EdgernnError, ImportError):
    """A package that is not installed; the message has the pip command."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the package '{package}', which is not installed: pip install 'edgernn[{extra}]'"
        )
        self.package = package
        self.extra = extra
