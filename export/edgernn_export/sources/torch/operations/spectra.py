"""Complex values: frames of torch.stft, and transforms of Fourier within a frame, until they are real again."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch

from edgernn.cells import Activation, Concat, Istft, Product, Slice, Stft, Sum
from edgernn.model.spectra import bins
from edgernn_export.sources.torch.layers.axes import MOVES, RESHAPES, SAME
from edgernn_export.sources.torch.layers.builder import Builder, op_of, weight
from edgernn_export.sources.torch.layers.value import Complex, Flowing, Value
from edgernn_export.sources.torch.operations.assembly import stack
from edgernn_export.sources.torch.operations.pointwise import frame
from edgernn_export.sources.torch.operations.windows import Windows, placed, shifted

LINEAR = {*MOVES, *RESHAPES, *SAME, "neg", "slice", "mul", "div"}
"""Operations that do to the real part what they do to the imaginary one; `mul` and `div` by a real number."""

PARTS = "complex numbers become real by abs, real, imag, view_as_real or irfft before any other operation reads them"
STARTS = (
    "it divides the first samples by the fewer windows that lie over them, and a stream has no first frame: return the "
    "spectrum, and give it to the cell edgernn.cells.Istft, whose sums are those of torch.istft from the first full "
    "overlap on"
)


def stft(
    b: Builder, x: Flowing, n_fft: int, hop_length: int | None = None, win_length: int | None = None,
    window: torch.Tensor | None = None, normalized: bool = False, onesided: bool | None = None, *_: Any, **__: Any,
) -> Complex:  # fmt: skip
    """Convert torch.stft of samples with a constant window and center=False; a step takes `hop` samples."""
    hop, samples = hop_length or n_fft // 4, win_length or n_fft
    if not isinstance(x, Value) or x.time != len(x.shape) - 1 or x.width != 1:
        raise b.refuse("it does not run over the samples of one signal; pass one sequence, whose last axis is time")
    if onesided is False or isinstance(window, Flowing):
        raise b.refuse("it is two-sided, or its window is no constant; call torch.stft with onesided=True")
    taper = torch.ones(samples, dtype=torch.float64) if window is None else window.double()
    before = (n_fft - samples) // 2
    taper = torch.nn.functional.pad(taper, (before, n_fft - samples - before)) * (n_fft**-0.5 if normalized else 1.0)
    windows = Windows(n_fft, stride=hop)
    read, age, after = placed(b, shifted(b, x, placed(b, x, windows)[1]), windows)
    assert not age  # a window ends with the newest sample of its step
    layer = b.add(Stft(hop, n_fft, weight(taper)), [read], stride=hop)
    return _parts(b, after.of(layer), 2 * bins(n_fft), 1)


def rfft(b: Builder, x: Flowing, n: int | None = None, dim: int = -1, norm: str | None = None) -> Complex:
    """Convert torch.fft.rfft of the last axis of a frame."""
    value, size = _last(b, x, dim), n or x.shape[-1]
    length = value.shape[-1]
    if size < length:
        raise b.refuse(f"it leaves out {length - size} of {length} elements; slice them before")
    by = {"forward": 1 / size, "ortho": size**-0.5}.get(norm or "", 1.0)
    count = value.width // length
    cell = Stft(length, size, weight(torch.full((length,), by, dtype=torch.float64)))
    return _parts(b, value.of(b.add(cell, [value], positions=count)), 2 * bins(size), count)


def r2c(b: Builder, x: Flowing, dims: list[int], normalization: int, onesided: bool) -> Complex:
    """Convert _fft_r2c, which rfft becomes."""
    if len(dims) != 1 or not onesided:
        raise b.refuse("it runs over several axes, or has two sides; call torch.fft.rfft on the last axis")
    return rfft(b, x, None, dims[0], {1: "ortho", 2: "forward"}.get(normalization))


def irfft(b: Builder, x: Complex, n: int | None = None, dim: int = -1, norm: str | None = None) -> Value:
    """Convert torch.fft.irfft of the last axis of a frame."""
    value, size = _last(b, x.re, dim), n or 2 * (x.re.shape[-1] - 1)
    if bins(size) != value.shape[-1]:
        raise b.refuse(f"it makes {size} numbers of {value.shape[-1]} bins; expected {bins(size)} bins")
    by = {"forward": float(size), "ortho": size**0.5}.get(norm or "", 1.0)
    count, width = value.width // bins(size), 2 * bins(size)
    both = value.of(b.add(Concat(), [x.re, x.im], "_parts", count))
    scaled = weight(torch.full((size,), 1 / by, dtype=torch.float64))  # it is divided by its square
    cell = Istft(width, size, size, scaled)
    return replace(value, layer=b.add(cell, [both], positions=count), shape=b.shape)


def c2r(b: Builder, x: Complex, dims: list[int], normalization: int, size: int) -> Value:
    """Convert _fft_c2r, which irfft becomes."""
    if len(dims) != 1:
        raise b.refuse("it runs over several axes; call torch.fft.irfft on the last axis")
    return irfft(b, x, size, dims[0], {0: "forward", 1: "ortho"}.get(normalization))


def of_complex(b: Builder, handler: Callable[..., Any] | None, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Convert an operation on complex values."""
    op, x = op_of(b.node), args[0]
    if op in TO_REAL:
        return TO_REAL[op](b, *args, **kwargs)
    if op == "istft":
        raise b.refuse(STARTS)
    others = [each for each in args[1:] if isinstance(each, Complex)]
    if isinstance(x, Complex) and op in LINEAR and not others and handler is not None:
        re, im = (handler(b, part, *args[1:], **kwargs) for part in (x.re, x.im))
        return Complex(re, im)
    if op == "mul" and others and isinstance(x, Value) and handler is not None:
        return Complex(*(handler(b, part, x) for part in (others[0].re, others[0].im)))
    raise b.refuse(PARTS)


def _absolute(b: Builder, x: Complex) -> Value:
    squares = [part.of(b.add(Product(), [part, part], "_square")) for part in (x.re, x.im)]
    return b.then(Activation("sqrt"), x.re.of(b.add(Sum(), squares, "_energy")))


TO_REAL: Mapping[str, Callable[..., Any]] = {
    "abs": _absolute,
    "real": lambda _, x: x.re,
    "imag": lambda _, x: x.im,
    "view_as_real": lambda b, x: stack(b, [x.re, x.im], -1),
    "fft_irfft": irfft,
    "_fft_c2r": c2r,
}
"""ATen operation -> what makes real numbers of complex ones."""

SPECTRA: Mapping[str, Callable[..., Any]] = {"stft": stft, "fft_rfft": rfft, "_fft_r2c": r2c}
"""ATen operation -> what makes complex numbers of real ones."""


def _last(b: Builder, x: Flowing, dim: int) -> Value:
    value = frame(b, x)
    if dim % len(value.shape) != len(value.shape) - 1 or value.time == len(value.shape) - 1:
        raise b.refuse("it does not run over the last axis of a frame; transpose so that it does")
    return value


def _parts(b: Builder, packed: Value, width: int, count: int) -> Complex:
    """Return the halves of each of `count` parts of a frame; time stays, or is the last axis."""
    half, time = width // 2, packed.time
    time = len(b.shape) - 1 if time is not None and op_of(b.node) == "stft" else time
    cuts = ((0, half, "_re"), (half, width, "_im"))
    layers = [b.add(Slice(width, start, stop), [packed], suffix, count) for start, stop, suffix in cuts]
    re, im = (replace(packed, layer=layer, shape=b.shape, time=time) for layer in layers)
    return Complex(re, im)
