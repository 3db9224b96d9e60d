"""Every precision in every target on every runtime: what numpy defines, each within its own tolerance."""

import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from onnx.reference import ReferenceEvaluator
from test_parity import FREE_RUNNING, Broken, forgets, written

import edgernn
from edgernn.cells import Activation, Dense
from edgernn.device.runtimes import RUNTIMES, named, running
from edgernn.errors import ParityError, UsageError
from edgernn.interpreters.numpy import Stepper
from edgernn.model.graph import Graph
from edgernn.model.layer import Layer
from edgernn.model.tensor import DYNAMIC, FOUR_BITS, Tensor
from edgernn.passes.quantize import quantize
from edgernn.runtime.parts import flat_answer
from edgernn_export import export, translate
from edgernn_export.proof.floats import prove
from edgernn_export.targets.destination import Destination, destination_of
from edgernn_export.targets.naming import WEIGHTS
from zoo import GRAPHS, frames, keyword_spotter

STEPS = 64
PLACES = [(runtime.suffix, name) for name, runtime in RUNTIMES.items()]
SMALLER = [name for name, graph in GRAPHS.items() if quantize(graph).precision == DYNAMIC]  # graphs with a matrix
KWS = keyword_spotter()
INT8 = quantize(KWS)
TFLITE = [runtime.name for runtime in running(".tflite")]

every_place = pytest.mark.parametrize(("suffix", "runtime"), PLACES)
every_scheme = pytest.mark.parametrize("scheme", WEIGHTS)


def render(graph, suffix, runtime=None):
    return translate.render(graph, f"m{suffix}", destination_of(f"m{suffix}", runtime))[f"m{suffix}"]


@every_place
@every_scheme
@pytest.mark.parametrize("name", SMALLER)
def test_target_replays_the_reference(name, scheme, suffix, runtime, tmp_path):
    """Exactly where only weights are smaller; step by step, by the proof, where a runtime rounds in its own way."""
    graph = quantize(GRAPHS[name], scheme)
    program = written(graph, tmp_path / f"m{suffix}", runtime)
    assert program.manifest.precision == graph.precision == scheme
    xs = frames(graph, STEPS)
    expected, states = Stepper(graph).run(xs)
    stream = program.stream()
    actual = flat_answer(stream.run(xs))
    if scheme == DYNAMIC:
        prove(graph, program, STEPS)
        assert np.sqrt(np.mean((actual - expected) ** 2)) < 0.05 * max(1.0, float(np.abs(expected).max()))
        return
    np.testing.assert_allclose(actual, expected, atol=FREE_RUNNING, rtol=FREE_RUNNING)
    for key, state in stream.state.items():
        np.testing.assert_allclose(state, states[key], atol=FREE_RUNNING, rtol=FREE_RUNNING)


@pytest.mark.usefixtures("real_compiler")
@every_place
@every_scheme
def test_the_same_graph_gives_the_same_bytes(scheme, suffix, runtime):
    if suffix != ".rnn":
        graph = quantize(KWS, scheme)
        assert render(graph, suffix, runtime) == render(graph, suffix, runtime)


def gru_steps(graph, runs=16):
    """The states after one step from random frames and states: numpy's own, and those of a file by its runtime."""
    random = np.random.default_rng(5)
    reference = Stepper(graph, "float32")
    for x in frames(graph, runs):
        before = {name: random.uniform(-1, 1, width).astype(np.float32) for name, width in graph.states.items()}
        _, after = reference.step(x, before)
        yield {"x": x[None], **{f"{name}.in": state[None] for name, state in before.items()}}, after["gru.h"]


def test_the_onnx_standard_itself_computes_the_same():
    """The file in the standard's own reference implementation, which has no kernels to share a mistake with."""
    data = render(INT8, ".onnx")
    evaluate, session = ReferenceEvaluator(onnx.load_from_string(data)), onnxruntime.InferenceSession(data)
    for feed, _ in gru_steps(INT8):
        for actual, expected in zip(session.run(None, feed), evaluate.run(None, feed), strict=True):
            np.testing.assert_allclose(actual, expected, atol=1e-6)


def litert(data, kind):
    interpreter = Interpreter(model_content=data, num_threads=1, experimental_op_resolver_type=kind)
    interpreter.allocate_tensors()
    return interpreter.get_signature_runner("step")


@pytest.mark.parametrize("runtime", TFLITE)
def test_symmetric_kernels_give_numpys_integers(runtime):
    """LiteRT without its delegate rounds as numpy does: so both forms hold the right numbers, to the last digit."""
    data = render(INT8, ".tflite", runtime)
    plain = litert(data, OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES)
    for feed, expected in gru_steps(INT8):
        np.testing.assert_allclose(plain(**feed)["gru.h.out"][0], expected, atol=1e-6)


@pytest.mark.parametrize("runtime", TFLITE)
def test_two_runtimes_that_round_alike_agree(runtime):
    """ONNX Runtime and LiteRT's delegate share no code, but the rule for steps and zeros."""
    data = render(INT8, ".tflite", runtime)
    first = onnxruntime.InferenceSession(render(INT8, ".onnx"))
    second = litert(data, OpResolverType.AUTO)
    for feed, expected in gru_steps(INT8):
        (actual,) = first.run(["gru.h.out"], feed)
        np.testing.assert_allclose(second(**feed)["gru.h.out"], actual, atol=1e-6)
        assert 1e-5 < np.abs(actual[0] - expected).max() < 0.05


def altered(graph, **layers):
    """The graph with fields of cells replaced: `gru=lambda cell: {...}`."""
    return replace(
        graph,
        layers=tuple(
            replace(layer, cell=replace(layer.cell, **layers[layer.name](layer.cell)))
            if layer.name in layers
            else layer
            for layer in graph.layers
        ),
    )


def rows(tensor, order):
    return Tensor(tensor.stored[order], None if tensor.scale is None else tensor.scale[order], tensor.scheme)


def scaled(tensor, row, factor):
    scale = tensor.scale.copy()
    scale[row] *= factor
    return Tensor(tensor.stored, scale, tensor.scheme)


_H = 16
_UPDATE_FIRST = np.r_[_H : 2 * _H, :_H, 2 * _H : 3 * _H]
MUTANTS = {
    "gates of w swapped": altered(INT8, gru=lambda c: {"w": rows(c.w, _UPDATE_FIRST)}),
    "gates of u swapped": altered(INT8, gru=lambda c: {"u": rows(c.u, _UPDATE_FIRST)}),
    "rows in another order": altered(INT8, gru=lambda c: {"u": rows(c.u, np.roll(np.arange(3 * _H), 1))}),
    "two rows of the head swapped": altered(INT8, out=lambda c: {"w": rows(c.w, [1, 0, 2, 3])}),
    "one scale for all rows": altered(INT8, gru=lambda c: {"w": Tensor(c.w.stored, np.full_like(c.w.scale, c.w.scale.max()), DYNAMIC)}),
    "a scale of another row": altered(INT8, out=lambda c: {"w": Tensor(c.w.stored, np.roll(c.w.scale, 1), DYNAMIC)}),
    "a scale off by a sixteenth": altered(INT8, out=lambda c: {"w": scaled(c.w, np.abs(c.w.dense()).sum(1).argmax(), 17 / 16)}),
    "a bias forgotten": altered(INT8, out=lambda c: {"b": None}),
    "a bias of the gates forgotten": altered(INT8, gru=lambda c: {"b": None}),
    "the biases of the gates exchanged": altered(INT8, gru=lambda c: {"b": c.c, "c": c.b}),
    "weights with the wrong sign": altered(INT8, out=lambda c: {"w": Tensor(-c.w.stored, c.w.scale, DYNAMIC)}),
}  # fmt: skip


@every_place
@pytest.mark.parametrize("name", MUTANTS)
def test_the_proof_catches_a_mutant(name, suffix, runtime, tmp_path):
    program = written(INT8, tmp_path / f"m{suffix}", runtime)
    with pytest.raises(ParityError, match=r"differs from numpy at step \d+ in '(y|gru\.h)' by .*; expected at most"):
        prove(MUTANTS[name], program)


LOGARITHMS = {
    "log": Graph((Layer("log", Activation("log")), Layer("gru", INT8.layers[0].cell)), 10),
    "log of zero": Graph((Layer("relu", Activation("relu")), Layer("log", Activation("log")), Layer("gru", INT8.layers[0].cell)), 10),
}  # fmt: skip


@every_place
@pytest.mark.parametrize("name", LOGARITHMS)
def test_a_logarithm_is_proved_on_frames_that_have_one(name, suffix, runtime, tmp_path):
    graph = LOGARITHMS[name]
    program = written(graph, tmp_path / f"m{suffix}", runtime)
    with pytest.raises(ParityError, match=r"differs from numpy at step 0 in '(y|gru\.h)'"):
        prove(altered(graph, gru=lambda c: {"u": rows(c.u, _UPDATE_FIRST), "w": rows(c.w, _UPDATE_FIRST)}), program)


@every_place
def test_the_proof_catches_a_state_that_is_not_fed_back(suffix, runtime, tmp_path):
    program = written(INT8, tmp_path / f"m{suffix}", runtime)

    class Engine:
        backend, manifest = program.backend, program.manifest

        def bind(self):
            return Broken(program.engine.bind(), forgets)

    with pytest.raises(ParityError, match=r"at step 0 in 'gru.h'"):
        prove(INT8, edgernn.Program("m", "", b"", Engine()))


def test_a_value_is_rounded_once_however_many_read_it():
    """In `Sum` two layers read x; each recurrent or dense layer reads one more value."""
    nodes = onnx.load_from_string(render(quantize(GRAPHS["Sum"]), ".onnx")).graph.node
    kinds = [node.op_type for node in nodes]
    assert (kinds.count("MatMulInteger"), kinds.count("DynamicQuantizeLinear")) == (4, 3)


@every_scheme
def test_onnx_runtime_takes_each_form_for_what_it_is(scheme, tmp_path):
    """Smaller weights become float when the file is loaded; a dynamic affine becomes one operator."""
    kinds = {}
    for graph in (KWS, quantize(KWS, scheme)):
        options = onnxruntime.SessionOptions()
        options.optimized_model_filepath = str(tmp_path / "seen.onnx")
        options.log_severity_level = 3  # it warns that this file is for this machine alone
        onnxruntime.InferenceSession(render(graph, ".onnx"), options, providers=["CPUExecutionProvider"])
        kinds[graph.precision] = sorted(node.op_type for node in onnx.load(tmp_path / "seen.onnx").graph.node)
    if scheme == DYNAMIC:
        assert kinds[scheme].count("DynamicQuantizeMatMul") == 3
        assert not {"Gemm", "FusedGemm", "MatMulInteger", "Cast", "DynamicQuantizeLinear"} & set(kinds[scheme])
    else:
        assert kinds[scheme] == kinds["fp32"]


VERSIONS = {
    ("fp16", "ai-edge-litert"): {("DEQUANTIZE", 3), ("FULLY_CONNECTED", 1)},
    ("weight_only_wi8_afp32", "ai-edge-litert"): {("DEQUANTIZE", 5), ("FULLY_CONNECTED", 1)},
    (FOUR_BITS, "ai-edge-litert"): {("DEQUANTIZE", 6), ("FULLY_CONNECTED", 1)},
    (FOUR_BITS, "tflite-runtime"): {("DEQUANTIZE", 5), ("FULLY_CONNECTED", 1)},
    (DYNAMIC, "ai-edge-litert"): {("FULLY_CONNECTED", 12)},
    (DYNAMIC, "tflite-runtime"): {("FULLY_CONNECTED", 3)},
}
"""As TensorFlow's op_version.cc gives them: what makes an older runtime refuse a file that it would misread."""


@pytest.mark.parametrize(("scheme", "runtime"), VERSIONS)
def test_a_tflite_file_names_the_versions_of_its_forms(scheme, runtime):
    model = schema.ModelT.InitFromPackedBuf(render(quantize(KWS, scheme), ".tflite", runtime))
    names = {getattr(schema.BuiltinOperator, name): name for name in ("DEQUANTIZE", "FULLY_CONNECTED")}
    codes = [(names.get(code.builtinCode), code.version) for code in model.operatorCodes]
    assert {code for code in codes if code[0]} == VERSIONS[scheme, runtime]


LOUD = Graph((Layer("d", Dense(Tensor(np.ones((16, 64), np.float32)))),), 64)
ON_AN_OLDER_PROCESSOR = """
import sys, numpy, edgernn
print(*edgernn.open(sys.argv[1]).stream().step(numpy.ones(64, "float32")))
"""


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".onnx", ".tflite"])
def test_sums_do_not_saturate_where_there_is_no_vnni(suffix, tmp_path):
    """valgrind knows no instruction later than AVX2, and says so to whoever asks the processor."""
    if shutil.which("valgrind") is None:
        pytest.skip("valgrind is not installed: it plays the older processor")
    export(quantize(LOUD), tmp_path / f"m{suffix}")
    command = ["valgrind", "-q", "--tool=none", sys.executable, "-c", ON_AN_OLDER_PROCESSOR, tmp_path / f"m{suffix}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    np.testing.assert_allclose(np.array(done.stdout.split(), float), 64, rtol=2.0**-10)  # scales have 11 bits


ROOM = {"fp16": 2, "weight_only_wi8_afp32": 4, FOUR_BITS: 8, DYNAMIC: 4}  # times smaller, but for scales and names


@every_place
@every_scheme
def test_smaller_weights_are_a_smaller_file(scheme, suffix, runtime, tmp_path):
    graph = keyword_spotter(128, 40, 12)
    sizes = [written(each, tmp_path / f"m{suffix}", runtime).size for each in (graph, quantize(graph, scheme))]
    matrices = sum(4 * tensor.stored.size for tensor in graph.tensors.values() if len(tensor.shape) == 2)
    room = ROOM["weight_only_wi8_afp32" if runtime == "tflite-runtime" and scheme == FOUR_BITS else scheme]
    saved = matrices * (1 - 1 / room)
    rows = sum(len(tensor.stored) for tensor in graph.tensors.values() if len(tensor.shape) == 2)
    assert saved - 16 * rows - 4096 < sizes[0] - sizes[1] < saved + 4096  # a library has whole pages


@pytest.mark.parametrize(
    ("name", "runtime", "words"),
    [
        (
            "m.tflite",
            "tflite-runtme",
            "'tflite-runtme' does not run 'm.tflite'; did you mean 'tflite-runtime'? there are ai-edge-litert, tflite-runtime",
        ),
        ("m.tflite", "tvm", "'tvm' does not run 'm.tflite'; there are ai-edge-litert, tflite-runtime"),
        ("m.onnx", "ai-edge-litert", "'ai-edge-litert' does not run 'm.onnx'; there are onnxruntime"),
        ("m.c", "onnxruntime", "'onnxruntime' does not run 'm.c'; there are native"),
    ],
)
def test_a_runtime_that_does_not_run_the_file_is_refused(name, runtime, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as refusal:
        export(KWS, name, runtime=runtime)
    assert str(refusal.value) == words
    assert list(tmp_path.iterdir()) == []


def test_the_usual_runtime_is_the_first():
    assert destination_of("m.tflite") == Destination(named("ai-edge-litert"))
    assert (
        render(INT8, ".tflite")
        == render(INT8, ".tflite", "ai-edge-litert")
        != render(INT8, ".tflite", "tflite-runtime")
    )
    assert render(KWS, ".tflite") == render(KWS, ".tflite", "tflite-runtime")
