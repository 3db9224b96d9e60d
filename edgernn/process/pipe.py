"""Writing to a pipe whose reader may have ended."""

import os
import signal


def write(descriptor: int, data: bytes | bytearray | memoryview) -> int:
    """Write in one call; return how many bytes were written. SIGPIPE, which the command allows, ends no process here.

    Raises:
        BrokenPipeError: the reader has ended.
        OSError: as os.write.
    """
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGPIPE})
    try:
        return os.write(descriptor, data)
    except BrokenPipeError:
        signal.sigtimedwait({signal.SIGPIPE}, 0)
        raise
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
