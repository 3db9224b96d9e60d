"""The manifest of an adopted file, and the bytes of the artifact: those of the file, and the manifest behind them."""

from collections.abc import Mapping
from hashlib import sha256
from math import prod

import numpy as np

from edgernn.artifact.adopted import CONTEXT, Adopted, Constant, TensorInfo
from edgernn.artifact.checksum import fill
from edgernn.artifact.manifest import Manifest, dump_manifest
from edgernn.errors import UsageError
from edgernn.files import bounded_json
from edgernn.integer.plan import QuantizationParameters
from edgernn.model.cell import LARGEST
from edgernn.model.graph import INPUT, OUTPUT
from edgernn.version import VERSION
from edgernn_export.adoption.options import AdoptOptions
from edgernn_export.adoption.original import Endpoint, endpoint
from edgernn_export.adoption.roles import Roles

ALIGNMENT = 16  # of what follows a flatbuffer
_METADATA = 14 << 3 | 2  # the tag of ModelProto.metadata_props, of length-delimited entries (onnx.proto)
_KEY, _VALUE = 1 << 3 | 2, 2 << 3 | 2  # the tags of an entry


def manifest_of(data: bytes, runtime: str, roles: Roles, options: AdoptOptions) -> Manifest:
    """Return the manifest, without recorded answers.

    Raises:
        UsageError: a context, an initial state, a delay or labels do not fit.
    """
    adopted = Adopted(
        size=len(data),
        runtime=runtime,
        inputs={each.alias: _info(each) for each in roles.inputs},
        outputs={each.alias: _info(each) for each in roles.outputs},
        states={state_name(i): _info(i) for i, _ in roles.states},
        results={state_name(i): _info(o) for i, o in roles.states},
        constants={each.alias: Constant(_info(each), float(value)) for each, value in roles.constants},
        context=_context(roles, options.context),
        requantized={
            state_name(i): o.quantization
            for i, o in roles.states
            if o.quantization is not None and o.quantization != i.quantization
        },
    )
    widths, outs = adopted.widths, {name: info.size for name, info in adopted.outputs.items()}
    states = adopted.state_widths
    _check(options, sum(outs.values()), {"inputs": sum(widths.values()), "outputs": sum(outs.values()), **states})
    return Manifest(
        graph=sha256(data).hexdigest(),
        version=VERSION,
        precision="adopted",
        inputs=sum(widths.values()),
        outputs=sum(outs.values()),
        vocabulary_size=0,
        states=states,
        initial_state=_initial(roles, options),
        period_ms=options.period_ms,
        labels=options.labels,
        quantization=_quantization(roles, adopted),
        named_inputs=widths if len(widths) > 1 else {},
        named_outputs=outs if len(outs) > 1 else {},
        delay_frames=options.delay_frames,
        warmup_frames=options.delay_frames,
        adopted=adopted,
    )


def state_name(each: Endpoint) -> str:
    """Return the name of a state in the manifest, where `x` and `y` are a frame and an answer."""
    return f"{each.alias}_state" if each.alias in {INPUT, OUTPUT} else each.alias


def artifact(data: bytes, suffix: str, manifest: Manifest) -> bytes:
    """Return the bytes of the artifact: the file, and the manifest where its runtime passes over it.

    Raises:
        UsageError: the manifest is longer than one that can be read, by its initial states.
    """
    text = dump_manifest(manifest).encode()
    if len(text) > bounded_json.LONGEST:
        raise UsageError(
            f"the manifest has {len(text):,} characters, and {bounded_json.LONGEST:,} can be read: it has initial "
            "states of too many numbers that are not zero"
        )
    if suffix == ".tflite":
        return fill(data + b"\0" * (-len(data) % ALIGNMENT) + text)
    entry = _field(_KEY, b"edgernn") + _field(_VALUE, text)
    return fill(data + _field(_METADATA, entry))


def _field(tag: int, content: bytes) -> bytes:
    """Return a length-delimited field of a protocol buffer."""
    return bytes([tag]) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 127:
        encoded.append(number & 127 | 128)
        number >>= 7
    return bytes([*encoded, number])


def _info(each: Endpoint) -> TensorInfo:
    return TensorInfo(each.name, tuple(int(size or 0) for size in each.shape), each.dtype)


def _context(roles: Roles, context: int | Mapping[str, int]) -> dict[str, int]:
    """Return how many numbers each input carries from one frame to the next."""
    if not isinstance(context, Mapping):
        if context and len(roles.inputs) > 1:
            names = " or ".join(f"--context {each.alias}={context}" for each in roles.inputs)
            raise UsageError(f"a context of {context} is of one input, and there are several; say which: {names}")
        context = {roles.inputs[0].alias: context} if context else {}
    named = {endpoint(name, roles.inputs, "--context", "input"): count for name, count in context.items()}
    for each, count in named.items():
        size = prod(int(n or 0) for n in each.shape)
        if not 1 <= count < size:
            raise UsageError(f"a context of {count} does not fit input {each}; expected 1 to {size - 1}")
    return {each.alias: count for each, count in named.items()}


def _initial(roles: Roles, options: AdoptOptions) -> dict[str, tuple[float, ...]]:
    """Return the initial states that are not zero."""
    states = [i for i, _ in roles.states]
    initial = {}
    for name, array in options.initial_state.items():
        state = endpoint(name, states, "--initial-state", "state")
        values = np.asarray(array, np.float32)
        if values.size != prod(int(n or 0) for n in state.shape) or not np.isfinite(values).all():
            raise UsageError(f"the initial state of {state} has the shape {values.shape}, or is not finite")
        if values.any():
            initial[state_name(state)] = tuple(values.ravel().tolist())
    return initial


def _quantization(roles: Roles, adopted: Adopted) -> dict[str, QuantizationParameters]:
    x, y = roles.inputs[0].quantization, roles.outputs[0].quantization
    named = {INPUT: x, OUTPUT: y, **{state_name(i): i.quantization for i, _ in roles.states}}
    named |= {f"{name}{CONTEXT}": x for name in adopted.context}
    return {name: qparams for name, qparams in named.items() if qparams is not None}


def _check(options: AdoptOptions, outputs: int, widths: Mapping[str, int]) -> None:
    for name, width in widths.items():
        if width > LARGEST:
            raise UsageError(f"'{name}' has {width:,} values; a step has {LARGEST:,} at most")
    if options.labels and len(options.labels) != outputs:
        raise UsageError(f"there are {len(options.labels)} labels for {outputs} outputs; give one for each")
    if options.period_ms is not None and not options.period_ms > 0:
        raise UsageError(f"a period of {options.period_ms} ms arrived; expected one above 0")
    if type(options.delay_frames) is not int or options.delay_frames < 0:
        raise UsageError(f"a delay of {options.delay_frames!r} frames arrived; expected a whole number from 0")
