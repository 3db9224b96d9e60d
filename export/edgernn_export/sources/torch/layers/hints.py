"""What to do about operations that no cell computes, whatever their axes are: operations -> the reason."""

UNKNOWN = "no cell computes it; write it with supported layers, or define `edgernn_cell() -> Cell` in its module"
ATTENTION = "attention over the whole sequence needs frames that have not arrived; use a recurrent layer"
MATRICES = "it multiplies two values of the stream as matrices; write a sum of products as (a * b).sum(-1)"

_ANGLES = (
    "no operation computes angles, or functions of them; compute it outside of the model, from its input or its answer "
    "(of a complex number, re / (re * re + im * im).sqrt() is the cosine of its angle)"
)
_ROUNDS = "no operation rounds values; round the answer after the step, or the input before it"
_ORDER = "no operation sorts the features of a frame; return the scores, and sort them after the step"
_LARGEST = (
    "no operation finds the position of the largest value of a frame; return the scores, and find it after the step"
)
_PRODUCT = (
    "no operation multiplies the elements of an axis; multiply slices of it, x[..., 0] * x[..., 1], or for x above 0 "
    "write torch.exp(torch.log(x).sum(-1))"
)
_COMPLEX = (
    "no operation computes complex numbers but those of torch.stft and torch.fft.rfft; keep real and imaginary parts "
    "as features, side by side"
)
_SPECTRUM = (
    "no operation computes this transform; torch.stft with center=False is one, and so are torch.fft.rfft and irfft of "
    "the last axis of a frame"
)
_CHOICE = "how many elements it returns depends on their values; multiply by a mask, which keeps every element"
_PLACES = "its index is a value of the stream, and the elements that a step reads must be the same in every one"
_WINDOWS = "no cell returns windows as they are; use a convolution, whose weights may be zeros and ones"

HINTS = {
    "scaled_dot_product_attention multi_head_attention_forward": ATTENTION,
    "dropout": "pass training=self.training to F.dropout",
    "argmax argmin aminmax": _LARGEST,
    "sort msort argsort median nanmedian mode kthvalue topk": _ORDER,
    "prod cumprod": _PRODUCT,
    "eq ne isclose": "no operation tells equal values; compare with <, <=, > or >=",
    "item": "it turns a tensor into a Python number, and the forward must not depend on the values in its input",
    "sin cos tan asin acos atan atan2 arctan2 angle sinc": _ANGLES,
    "floor ceil round trunc frac fmod remainder floor_divide": _ROUNDS,
    "complex polar view_as_complex view_as_real real imag": _COMPLEX,
    "stft istft fft_fft fft_ifft fft_rfft fft_irfft fft_fft2 fft_rfft2 _fft_r2c _fft_c2r _fft_c2c": _SPECTRUM,
    "masked_select nonzero unique unique_consecutive": _CHOICE,
    "gather take take_along_dim": _PLACES,
    "scatter scatter_add masked_scatter select_scatter slice_scatter index_add index_fill": (
        "it writes into a part of a tensor; join the parts with torch.cat or torch.stack instead"
    ),
    "diff": "write it as x - F.pad(x, (0, 0, 1, 0))[:, :-1], whose first frame is that of the sequence",
    "unfold im2col": _WINDOWS,
    "quantize_per_tensor quantize_per_channel dequantize dequantize_per_tensor dequantize_per_channel "
    "fake_quantize_per_tensor_affine fake_quantize_per_channel_affine": (
        "it belongs to torch's own quantization; convert the float model, then quantize the graph with "
        "edgernn.passes.quantize"
    ),
}
