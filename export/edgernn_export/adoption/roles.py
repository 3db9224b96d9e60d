"""The role of each input and output of a file: frame, state, constant, answer; and the shape that it has in a step."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite, prod

import numpy as np

from edgernn.array import Array
from edgernn.artifact.adopted import CONSTANTS, DTYPES
from edgernn.errors import UnsupportedError, UsageError
from edgernn_export.adoption.matching import matched
from edgernn_export.adoption.options import AdoptOptions
from edgernn_export.adoption.original import Endpoint, Original, endpoint


@dataclass(frozen=True)
class Roles:
    """The inputs and outputs of a file by their roles, with the shapes of a step.

    Attributes:
        inputs: frames.
        outputs: answers.
        states: each state as it enters, and as it leaves.
        constants: each with its value.
    """

    inputs: tuple[Endpoint, ...]
    outputs: tuple[Endpoint, ...]
    states: tuple[tuple[Endpoint, Endpoint], ...]
    constants: tuple[tuple[Endpoint, float], ...]

    @property
    def arguments(self) -> tuple[Endpoint, ...]:
        """All inputs of the file."""
        return (*self.inputs, *(i for i, _ in self.states), *(each for each, _ in self.constants))


def shapes_of(inputs: Sequence[Endpoint], shapes: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """Return the shape of each input in a step, by its name in the runtime.

    An open size takes the value that a named size has in a shape that the user states.

    Raises:
        UsageError: a shape contradicts the file, or one is open.
    """
    stated = {endpoint(name, inputs, "--shape", "input").name: tuple(shape) for name, shape in shapes.items()}
    sizes: dict[str, int] = {}
    for each in inputs:
        shape = stated.get(each.name)
        if shape is None:
            continue
        pairs = list(zip(each.shape, shape, strict=False))
        fits = len(each.shape) == len(shape) and all(size >= 1 for size in shape)
        if not fits or any(isinstance(declared, int) and declared != size for declared, size in pairs):
            raise UsageError(f"the shape {shape} does not fit input {each}; give one size above 0 for each axis")
        sizes |= {declared: size for declared, size in pairs if isinstance(declared, str)}
    return {each.name: stated.get(each.name) or _known(each, sizes) for each in inputs}


def _known(each: Endpoint, sizes: Mapping[str, int]) -> tuple[int, ...]:
    shape = tuple(sizes.get(size, size) if isinstance(size, str) else size for size in each.shape)
    if all(isinstance(size, int) and size > 0 for size in shape):
        return tuple(int(size or 0) for size in shape)
    if each.default is not None:
        return each.default
    example = "x".join(str(size) if isinstance(size, int) else "1" for size in shape)
    raise UsageError(
        f"input {each} has open sizes, and a step has fixed ones; give its shape for one frame, such as --shape "
        f"{each.alias}={example}"
    )


def roles_of(original: Original, shapes: Mapping[str, tuple[int, ...]], options: AdoptOptions) -> Roles:
    """Return the role of each input and output.

    Raises:
        UsageError: an option names what does not exist, or an input has no role.
        UnsupportedError: several outputs may be a state; a state does not fit; or dtypes cannot be streamed.
    """
    constants = _by_name(original.inputs, options.constants)
    inputs = tuple(replace(each, shape=shapes[each.name]) for each in original.inputs)
    arguments = zeros_of(inputs, shapes, options.constants)
    original.check_carried(arguments)
    results = original.call(arguments)
    outputs = tuple(replace(each, shape=results[each.name].shape) for each in original.outputs)
    pairs = _states(inputs, outputs, constants, options)
    ins, outs = {each.name: each for each in inputs}, {each.name: each for each in outputs}
    frames = _chosen(options.inputs, [i for i in inputs if i.name not in {*constants, *pairs}], "--inputs", "input")
    left = [each for each in inputs if each.name not in {*constants, *pairs, *(i.name for i in frames)}]
    if left:
        raise UsageError(f"input {left[0]} is no frame, state or constant; name it in --inputs, --state or --constant")
    others = [each for each in outputs if each.name not in pairs.values()] or list(outputs[:1])
    answers = _chosen(options.outputs, list(outputs) if options.outputs else others, "--outputs", "output")
    return Roles(
        tuple(frames),
        tuple(answers),
        tuple((ins[i], outs[o]) for i, o in pairs.items()),
        tuple((ins[name], value) for name, value in constants.items()),
    )


def zeros_of(
    inputs: Sequence[Endpoint], shapes: Mapping[str, tuple[int, ...]], constants: Mapping[str, float]
) -> dict[str, Array]:
    """Return the arguments of a call: zeros, and the constants.

    Raises:
        UsageError: an input needs a constant, or a constant names no input.
        UnsupportedError: an input is of a dtype that cannot be streamed.
    """
    values = _by_name(inputs, constants)
    for each in inputs:
        _check_dtype(replace(each, shape=shapes[each.name]), values)
    return {each.name: np.full(shapes[each.name], values.get(each.name, 0), each.dtype) for each in inputs}


def _by_name(inputs: Sequence[Endpoint], constants: Mapping[str, float]) -> dict[str, float]:
    for name, value in constants.items():
        if not isfinite(value):
            raise UsageError(f"the constant {name}={value} is not finite; expected a number, as in {name}=16000")
    return {endpoint(name, inputs, "--constant", "input").name: value for name, value in constants.items()}


def _check_dtype(each: Endpoint, constants: Mapping[str, float]) -> None:
    if each.name in constants:
        if each.dtype not in CONSTANTS:
            raise UnsupportedError(
                f"input {each} is of no dtype that a constant can have; expected {', '.join(CONSTANTS)}"
            )
    elif each.dtype != "float32" and each.quantization is None:
        if prod(int(size or 0) for size in each.shape) == 1:
            raise UsageError(
                f"input {each} is no frame of numbers; give the value that it has in every step: --constant "
                f"{each.alias}=VALUE"
            )
        raise UnsupportedError(
            f"input {each} cannot be streamed; expected {', '.join(DTYPES)}, integers with one scale: convert the "
            "model with float32 inputs"
        )


def _states(
    inputs: Sequence[Endpoint], outputs: Sequence[Endpoint], constants: Mapping[str, float], options: AdoptOptions
) -> dict[str, str]:
    """Return the name of each state as it enters -> as it leaves, in the order of the file."""
    stated: dict[str, str] = {}
    for name, result in options.states.items():
        i, o = endpoint(name, inputs, "--state", "input"), endpoint(result, outputs, "--state", "output")
        if i.shape != o.shape or i.dtype != o.dtype:
            raise UsageError(f"--state feeds {i} by {o}; expected equal shapes and dtypes")
        if o.name in stated.values() or i.name in constants:
            raise UsageError(f"--state {result}={name} uses an output twice, or feeds a constant; name each once")
        stated[i.name] = o.name
    frames = [endpoint(name, inputs, "--inputs", "input").name for name in options.inputs]
    answers = [endpoint(name, outputs, "--outputs", "output").name for name in options.outputs]
    ins = [each for each in inputs if each.name not in {*constants, *stated, *frames}]
    outs = [each for each in outputs if each.name not in {*stated.values(), *answers} and _streams(each)]
    pairs = stated | matched(ins, outs, frames=bool(frames), answers=bool(answers))
    return {each.name: pairs[each.name] for each in inputs if each.name in pairs}


def _streams(each: Endpoint) -> bool:
    return each.dtype == "float32" or each.quantization is not None


def _chosen(names: Sequence[str], among: list[Endpoint], option: str, kind: str) -> list[Endpoint]:
    """Return the frames or answers; refuse what cannot be side by side in one array."""
    chosen = [endpoint(name, among, option, kind) for name in names] if names else among
    if not chosen:
        raise UsageError(f"no {kind} is left that is no state; name one with {option}, or the states with --state")
    for each in chosen:
        if not _streams(each):
            raise UnsupportedError(
                f"{kind} {each} cannot be streamed; expected {', '.join(DTYPES)}, integers with one scale: choose "
                f"others with {option}"
            )
        if not prod(int(size or 0) for size in each.shape):
            raise UnsupportedError(f"{kind} {each} has no elements in a step; choose others with {option}")
    first = chosen[0]
    for each in chosen[1:]:
        if (each.dtype, each.quantization) != (first.dtype, first.quantization):
            raise UnsupportedError(
                f"{kind}s {first} and {each} have several dtypes or scales, and a stream has one; choose with {option}"
            )
    return chosen
