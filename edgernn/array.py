"""The type of an array in a signature. `import edgernn` must not load numpy, so it does not import this module."""

from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]
"""A numpy array of any dtype; the docstring of the function names its shape."""
