"""What `from_torch` reads, by kinds: each has an entry in a table of the tests, which proves it.

`bench/readme.py` writes docs/reference/supported.md and the table in README from here; tests/test_supported.py looks the
entries up.
"""

from dataclasses import dataclass

EXACT, LATE, NAMED, REFUSED = "exact", "with a stated delay or warm-up", "when asked for by name", "refused"
STREAMS = {
    EXACT: "every output of the stream is the module's, at the same step",
    LATE: "the outputs are the module's, later by `delay_frames`; those before `warmup_frames` do not count",
    NAMED: "over the frames so far, with `running=`",
    REFUSED: "one line with the reason and what to do",
}


@dataclass(frozen=True)
class Kind:
    """A kind of module.

    Attributes:
        title: its name.
        line: a line of such a module.
        streams: one of STREAMS.
        module, table, entry: the test module without `test_`, the table in it, and the key there.
        reason: why a refused one is refused.
    """

    title: str
    line: str
    streams: str
    module: str
    table: str
    entry: str
    reason: str = ""


KINDS = (
    Kind("recurrent layers", "nn.GRU(40, 64, 2, batch_first=True)", EXACT, "from_torch", "MODULES", "last hidden"),
    Kind("one step with its state", "h = self.cell(x, h)", EXACT, "torch_steps", "MODULES", "packed states"),
    Kind("state kept in a buffer", "self.h[:] = h", EXACT, "torch_steps", "MODULES", "kept in a buffer"),
    Kind("several inputs", "forward(self, mic, far)", EXACT, "timing", "MODELS", "two inputs"),
    Kind("several outputs", 'return {"gain": a, "voice": b}', EXACT, "timing", "MODELS", "two outputs"),
    Kind("strides over time", "nn.Conv1d(8, 8, 3, stride=2, padding=1)", EXACT, "over_time", "MODULES", "strided"),
    Kind("frame stacking", "x.reshape(1, -1, 2 * 8)", EXACT, "over_time", "MODULES", "two frames in one"),
    Kind("pooling over time", "nn.MaxPool1d(3, 2, 1)", EXACT, "over_time", "MODULES", "largest of overlapping frames"),
    Kind("2-D convolution", "nn.Conv2d(1, 16, 3, 2, 1)", EXACT, "over_time", "MODULES", "two dimensions"),
    Kind(
        "recurrence over frequency", "self.bands(x.reshape(-1, 4, 2))", EXACT, "over_time", "MODULES", "over frequency"
    ),
    Kind("layers shared by bands", "self.g(bands)", EXACT, "positions", "MODULES", "bands"),
    Kind("grouped products", 'torch.einsum("btgi,gio->btgo", x, w)', EXACT, "positions", "MODULES", "grouped einsum"),
    Kind("channel shuffle", "x.transpose(2, 3).flatten(2)", EXACT, "positions", "MODULES", "shuffle"),
    Kind(
        "short-time spectra",
        "torch.stft(x, 512, 160, window=w, center=False)",
        LATE,
        "torch_spectra",
        "MODULES",
        "magnitudes",
    ),
    Kind(
        "spectra of a frame", "torch.fft.irfft(torch.fft.rfft(x) * mask)", EXACT, "torch_spectra", "MODULES", "masked"
    ),
    Kind("norms within a frame", "nn.GroupNorm(3, 6)", EXACT, "inner_axes", "BATCHED", "group norm"),
    Kind(
        "attention within a frame",
        "(x @ x.mT).softmax(-1) @ v",
        EXACT,
        "inner_axes",
        "FUNCTIONS",
        "attention within a frame",
    ),
    Kind("cumulative means and norms", "x.cumsum(1) / count", EXACT, "running", "CUMULATIVE", "layer norm"),
    Kind('"same" padding over time', "nn.Conv1d(8, 8, 3, padding=1)", LATE, "over_time", "MODULES", "same"),
    Kind("convolution without padding", "nn.Conv1d(8, 8, 5)", LATE, "over_time", "MODULES", "valid"),
    Kind("mean over time", "y.mean(1)", NAMED, "running", "RUNNING", "mean"),
    Kind("maximum over time", "y.amax(1)", NAMED, "running", "RUNNING", "max"),
    Kind("frames in another order", "x.flip(1)", REFUSED, "inner_axes", "REFUSED", "reversed time", "it reverses time"),
    Kind(
        "frames chosen by a value",
        "x[x > 0]",
        REFUSED,
        "inner_axes",
        "REFUSED",
        "index of a value",
        "what is computed would depend on values",
    ),
    Kind(
        "products over time",
        'torch.einsum("btk,btg->bkg", x, x)',
        REFUSED,
        "inner_axes",
        "REFUSED",
        "product over time",
        "it needs the whole sequence",
    ),
)


def page() -> str:
    """docs/reference/supported.md."""
    lines = [
        "# What `from_torch` reads",
        "",
        "Each kind is an entry of a table in `tests/`, where it is compared with torch or refused. This page is written",
        "from the same list, by `bench/readme.py`. [The guide](../guides/pytorch.md#what-is-understood) has every layer.",
    ]
    for streams, meaning in STREAMS.items():
        refused = streams == REFUSED
        lines += ["", f"## {streams[0].upper()}{streams[1:]}", "", f"{meaning[0].upper()}{meaning[1:]}.", ""]
        lines += [
            f"| kind | for example |{' reason |' if refused else ''} test |",
            f"|---|---|{'---|' if refused else ''}---|",
        ]
        for each in KINDS:
            if each.streams == streams:
                reason = f" {each.reason} |" if refused else ""
                test = f"`test_{each.module}.py`, {each.table}: {each.entry}"
                lines.append(f"| {each.title} | `{each.line}` |{reason} {test} |")
    return "\n".join([*lines, ""])


def summary() -> str:
    """The table in README: how each kind streams."""
    lines = ["| [`from_torch`](docs/reference/supported.md) | |", "|---|---|"]
    lines += [
        f"| {streams} | {', '.join(each.title for each in KINDS if each.streams == streams)} |" for streams in STREAMS
    ]
    return "\n".join(lines)
