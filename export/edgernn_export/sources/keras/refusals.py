"""Why a class of Keras is refused, and the nearest thing that works."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from edgernn.files.spelling import misspelt

CODE: Mapping[str, str] = MappingProxyType(
    {
        "Lambda": "holds Python code, which is never run; write it with layers of Keras, such as Rescaling, Multiply "
        "or Activation, and save the model again",
        "TFOpLambda": "is a call of TensorFlow inside the model; write it with layers of Keras, such as Add, Multiply "
        "or Activation, and save the model again",
        "SlicingOpLambda": "is a slice of TensorFlow inside the model; write it with Cropping1D, or save the model "
        "with Keras 3",
    }
)
"""Classes that hold code or calls -> the reason."""

_OVER_SEQUENCE = "needs frames that have not arrived; use LSTM, GRU or SimpleRNN"
_FRONT = "makes features from raw data; compute them before the model, and save the part behind it"
_HINTS = {
    "Attention AdditiveAttention MultiHeadAttention GroupQueryAttention": _OVER_SEQUENCE,
    "ConvLSTM1D ConvLSTM2D ConvLSTM3D": "is convolutional recurrence, which no cell computes; use LSTM over features",
    "Conv1DTranspose Conv2DTranspose UpSampling1D UpSampling2D": "makes more frames than arrive; remove it",
    "CuDNNLSTM": "is of Keras 1; load the model with Keras 2, whose LSTM reads its weights, and save it again",
    "CuDNNGRU": "is of Keras 1; load the model with Keras 2, whose GRU reads its weights, and save it again",
    "Conv3D AveragePooling3D MaxPooling3D ZeroPadding3D": "works on volumes; use the layers for two dimensions",
    "EinsumDense": "is a product of any axes; use Dense, or Dense in TimeDistributed",
    "TextVectorization StringLookup IntegerLookup CategoryEncoding Hashing Discretization": _FRONT,
    "STFTSpectrogram MelSpectrogram": _FRONT,
}


def no_layer(kind: str, known: Sequence[str]) -> str:
    """Return why a class is no layer that is read, and what to do."""
    hint = next((text for kinds, text in _HINTS.items() if kind in kinds.split()), "")
    if hint:
        return f"a {kind}, which {hint}"
    return (
        f"of class '{kind[:80]}', which is not read, and code of other packages is never run "
        f"({misspelt(kind, list(known))}); write it with layers of Keras, or the model in torch, for from_torch"
    )
