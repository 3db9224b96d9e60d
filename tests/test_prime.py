"""Priming: it computes a step, and changes nothing."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import edgernn
from edgernn import Monitor
from edgernn.budget.verdict import Budget
from edgernn.device.runtimes import suffixes
from edgernn.errors import FrameError
from edgernn.model.tensor import DYNAMIC, STATIC
from edgernn.passes.calibrate import calibrate
from edgernn.passes.quantize import quantize
from edgernn.runtime.parts import flat_answer
from edgernn_export import export
from primed import check_prime, memory
from zoo import GRAPHS, frames, keyword_spotter

KWS = keyword_spotter()
FORMS = {
    "fp32": KWS,
    DYNAMIC: quantize(KWS),
    **{scheme: quantize(calibrate(KWS, [frames(KWS, 48)], growing="accept"), scheme) for scheme in STATIC},
    "symbols": GRAPHS["Embedding"],
    "inputs": GRAPHS["Slice of inputs"],
    "outputs": GRAPHS["Concat of outputs"],
}
XS = {name: frames(graph, 8) for name, graph in FORMS.items()}
SUFFIXES = suffixes()


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """(form, suffix) -> its program, written when it is asked for."""
    folder, opened = tmp_path_factory.mktemp("primed"), {}

    def program(form, suffix):
        if (form, suffix) not in opened:
            path = folder / f"{list(FORMS).index(form)}{suffix}"
            edgernn.save(FORMS[form], path) if suffix == ".rnn" else export(FORMS[form], path)
            opened[form, suffix] = edgernn.open(path)
        return opened[form, suffix]

    return program


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("form", FORMS)
def test_it_changes_nothing(form, suffix, programs):
    check_prime(programs(form, suffix), XS[form])
    if form in STATIC:
        program = programs(form, suffix)
        raw = np.random.default_rng(0).integers(-128, 128, XS[form].shape).astype(program.manifest.dtype("x"))
        check_prime(program, raw, raw=True)


SCRATCH = {
    ".rnn": lambda bound: bound._step._states[1 - bound._step._turn],
    ".onnx": lambda bound: bound._sets[1 - bound.turn],
    ".tflite": lambda bound: [np.frombuffer(after, np.float32) for _, after in bound._pairs],
    ".so": lambda bound: [bound._state[len(bound._state) // 2 :][:64].view(np.float32)],
}
"""Where the states of a scratch step are."""


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_it_computes_the_step(suffix, programs):
    stream, other = (programs("fp32", suffix).stream() for _ in range(2))
    for each in (stream, other):
        each.step(XS["fp32"][0])
    stream.prime()
    other.step(XS["fp32"][0])
    np.testing.assert_array_equal(SCRATCH[suffix](stream._bound), list(other.state.values()))


@pytest.mark.parametrize("policy", ["raise", "hold", "zero"])
@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("form", ["fp32", "symbols", *STATIC])
def test_a_refused_frame_does_not_stop_it(form, suffix, policy, programs):
    """A refused frame may still lie where a step reads it: a number that is not finite, an index outside the table."""
    plain, stream = (programs(form, suffix).stream(on_bad_input=policy) for _ in range(2))
    bad = np.full_like(XS[form][0], 2**31 - 1 if form == "symbols" else np.nan)
    for x in (XS[form][0], bad, bad, XS[form][1]):
        answers = []
        for each in (plain, stream):
            try:
                answers.append(each.step(x))
            except FrameError as error:
                answers.append(str(error))
        np.testing.assert_array_equal(*answers)
        stream.prime()
    np.testing.assert_array_equal(plain.step(XS[form][2]), stream.step(XS[form][2]))


CALLS = st.lists(
    st.tuples(
        st.sampled_from(["step", "bad", "run", "save", "restore", "reset"]), st.integers(0, 7), st.integers(0, 2)
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(
    suffix=st.sampled_from(SUFFIXES),
    form=st.sampled_from(list(FORMS)),
    policy=st.sampled_from(["raise", "hold", "zero"]),
    calls=CALLS,
)
def test_calls_answer_the_same_with_it_in_between(programs, suffix, form, policy, calls):
    """Whatever a program does with a stream, and however often it is primed."""
    program, xs = programs(form, suffix), XS[form]
    histories = []
    for primed in (False, True):
        ticks = iter(range(10**9))
        monitor = Monitor(Budget(1000), clock=lambda ticks=ticks: next(ticks))
        stream = program.stream(on_bad_input=policy, monitor=monitor)
        saved, history = stream.state, []
        for call, k, times in calls:
            for _ in range(times * primed):
                stream.prime()
            if call in ("step", "bad"):
                x = xs[k].copy()
                if call == "bad":
                    x[-1] = -1 if form == "symbols" else np.inf
                try:
                    history.append(flat_answer(stream.step(x)).tobytes())
                except FrameError as error:
                    history.append(str(error))
            elif call == "run":
                history.append(flat_answer(stream.run(xs[:k])).tobytes())
            elif call == "save":
                saved = stream.state
            elif call == "restore":
                stream.state = saved
            else:
                stream.reset()
            history.append([state.tobytes() for state in stream.state.values()])
        histories.append((history, monitor.snapshot()))
    assert histories[0] == histories[1]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_interruption_leaves_the_stream_as_it_was(suffix, programs):
    """A signal may end it between any two lines."""
    stream = programs("outputs", suffix).stream()
    stream.step(XS["outputs"][0])
    before, run = memory(stream), stream._primed._run

    def interrupted():
        run()
        raise KeyboardInterrupt

    stream._primed._run = interrupted
    with pytest.raises(KeyboardInterrupt):
        stream.prime()
    assert memory(stream) == before
    stream._primed._run = run
    stream.prime()
