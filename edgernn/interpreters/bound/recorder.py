"""The recorder: a tape for the definition, which runs once on recorded arrays.

Every function of numpy that the definition calls is noted with an array for its result. So the recorded step has the
operations of the definition in its order, and the same bits.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from edgernn.interpreters.bound.functions import FUNCTIONS, called
from edgernn.interpreters.bound.recorded import Recorded, Recorder
from edgernn.interpreters.bound.ufuncs import applied


class NumpyRecorder(Recorder):
    """A recorder of numpy: ufuncs, the functions of a table, and any other as itself."""

    def ufunc(self, ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], options: Mapping[str, Any]) -> Recorded:
        return applied(self, ufunc, method, inputs, options)

    def function(self, function: Callable[..., Any], args: Any, options: Mapping[str, Any]) -> Any:
        if function in FUNCTIONS:
            return FUNCTIONS[function](self, *args, **options)
        return called(self, function, args, options)
