"""Sound as the bytes of a WAV file."""

import io
import wave

import numpy as np

from edgernn.array import Array

FULL = 32767  # of 16 bits


def to_wav(sound: Array, rate_hz: int) -> bytes:
    """Return a WAV file of 16-bit samples.

    Args:
        sound: (samples,) or (samples, channels) from -1 to 1; what is beyond is clipped.
        rate_hz: samples per second.
    """
    integers = np.rint(np.clip(sound, -1.0, 1.0) * FULL).astype("<i2")
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1 if sound.ndim == 1 else sound.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(integers.tobytes())
    return buffer.getvalue()
