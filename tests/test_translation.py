"""Translators: the graphs are the trained networks, the search is that of its definition, and a package holds both."""

import json
from dataclasses import replace
from datetime import date, datetime
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

import edgernn
from edge import called, edge
from edgernn.errors import FileError, StateError, UsageError
from edgernn.interpreters.numpy import Stepper
from edgernn.package import contents
from edgernn.package.translation import ENCODER, END, START, UNKNOWN, Translation
from edgernn.passes.quantize import quantize
from edgernn.postprocess.translation import MASKED
from edgernn.train.loop.trainer import Accelerator
from edgernn.train.translation import generated, recipe as recipes, run
from edgernn.train.translation.convert import to_graphs
from edgernn.train.translation.network import PairNetwork, PairShape
from edgernn.train.translation.pairs import read
from edgernn.train.translation.task import PairTask
from edgernn.verification import verify as verifying
from edgernn.verification.verify import verify
from edgernn_export import export
from edgernn_export.packaging.compose import compose
from edgernn_export.packaging.graphs import load
from edgernn_export.packaging.options import PackageOptions
from packages import members, package, sealed

SOURCE, TARGET = (UNKNOWN, "a", "b", "c", END), (UNKNOWN, "x", "y", END, START)
MEMORY = 5
CPU = Accelerator("cpu")


def network(attention=6, seed=0):
    torch.manual_seed(seed)
    return PairNetwork(PairShape(hidden=7, embedding=4, attention=attention), len(SOURCE), len(TARGET)).double().eval()


def packed(attention=6, longest=3, **options):
    encoder, decoder = to_graphs(network(attention), MEMORY, TARGET)
    translation = Translation(SOURCE, TARGET, "character", MEMORY, longest, beam=2)
    return compose(decoder, "t.edge", PackageOptions(translation=translation, encoder=encoder, **options))


@pytest.fixture(scope="module")
def translators(tmp_path_factory):
    """A translator with attention, and one without."""
    folder = tmp_path_factory.mktemp("translators")
    for attention in (6, 0):
        (folder / f"{attention}.edge").write_bytes(packed(attention))
    return {attention: folder / f"{attention}.edge" for attention in (6, 0)}


def scores_of(net, source, target):
    """Torch's logarithms of the probabilities of the symbol after each of a target."""
    with torch.no_grad():
        numbers = torch.tensor([source]), torch.tensor([len(source)]), torch.tensor([target])
        return net(*numbers)[0].log_softmax(-1).numpy()


@pytest.mark.parametrize("attention", [6, 0])
@settings(max_examples=20, deadline=None)
@given(source=st.lists(st.integers(0, 4), min_size=1, max_size=MEMORY), target=st.lists(st.integers(0, 4), max_size=6))
def test_the_graphs_are_the_network_on_any_pair(attention, source, target):
    net = network(attention)
    encoder, decoder = to_graphs(net, MEMORY, TARGET)
    reader, answerer = Stepper(encoder.astype("float64"), "float64"), Stepper(decoder.astype("float64"), "float64")
    positions, after = reader.run(np.array(source, np.int32)[:, None])
    memory, mask = np.zeros((MEMORY, positions.shape[1])), np.full(MEMORY, MASKED)
    memory[: len(source)], mask[: len(source)] = positions, 0.0
    states = {"gru.h": after["gru.h"], "attention.memory": memory.reshape(-1), "attention.mask": mask}
    states = {name: states[name] for name in decoder.states}
    answers, _ = answerer.run(np.array([4, *target], np.int32)[:, None], states)
    answers = torch.from_numpy(answers).log_softmax(-1).numpy()
    np.testing.assert_allclose(
        answers, scores_of(net, source, [4, *target]), atol=1e-5
    )  # of the mask, e^-30 a position


def test_padding_of_a_batch_changes_no_score():
    net = network()
    one = net(torch.tensor([[1, 2, 4]]), torch.tensor([3]), torch.tensor([[4, 1]]))
    both = net(torch.tensor([[1, 2, 4, 0, 0], [1, 1, 1, 1, 4]]), torch.tensor([3, 5]), torch.tensor([[4, 1], [4, 2]]))
    torch.testing.assert_close(both[:1], one)


def searched(net, source, width, longest):
    """A beam search by torch alone, from the beginning of the text in every step."""
    live, complete = [((), 0.0)], []
    for _ in range(longest):
        further = []
        for symbols, total in live:
            scores = scores_of(net, source, [4, *symbols])[-1]
            further += [((*symbols, k), total + scores[k]) for k in (1, 2, 3)]
        further = sorted(further, key=lambda each: -each[1])[:width]
        complete += [each for each in further if each[0][-1] == 3]
        live = [each for each in further if each[0][-1] != 3]
        if not live or (complete and max(t / len(s) for s, t in complete) >= max(t / len(s) for s, t in live)):
            break
    return max(complete or live, key=lambda each: each[1] / len(each[0]))


@pytest.mark.parametrize("attention", [6, 0])
@pytest.mark.parametrize("width", [1, 2, 9])
def test_the_search_is_that_of_torch(attention, width, translators):
    translator, net = edgernn.open_translator(translators[attention]), network(attention)
    for text in map("".join, product("abc", repeat=2)):
        numbers, _ = translator.translation.numbers(text)
        symbols, total = searched(net, numbers, width, 3)
        result = translator.translate(text, width)
        assert result.text == "".join(TARGET[k] for k in symbols if k != 3)
        assert result.complete == (symbols[-1] == 3)
        assert result.score == pytest.approx(total / len(symbols), abs=1e-5)


def test_a_translator_keeps_no_text(translators):
    translator = edgernn.open_translator(translators[6])
    first = translator.translate("abc")
    translator.translate("cccc")
    assert translator.translate("abc") == first


def test_a_package_holds_both_and_is_verified(translators, tmp_path):
    data = packed(to=("onnx", "so", "tflite"))
    assert data == packed(to=("onnx", "so", "tflite"))
    (tmp_path / "t.edge").write_bytes(data)
    result = verify(tmp_path / "t.edge")
    assert result.passed
    tested = {each.subject for each in result.findings if each.name == "goldens" and each.passed}
    for backend in ("onnxruntime", "native", "ai-edge-litert", "numpy"):
        for prefix in (f"{ENCODER}:model", "model"):
            assert any(each.startswith(prefix) and backend in each for each in tested), (prefix, backend)
    many, one = (edgernn.open_translator(path) for path in (tmp_path / "t.edge", translators[6]))
    assert many.decoder.backend.startswith("native")
    for text in ("a", "abc", "cba"):
        assert many.translate(text).text == one.translate(text).text


def test_quantized_graphs_stay_together(translators, tmp_path):
    edge("export", translators[6], tmp_path / "q.edge", "--precision", "dynamic_wi8_afp32")
    graphs = load(tmp_path / "q.edge")
    assert {graphs.model.precision, graphs.encoder.precision} == {"dynamic_wi8_afp32"}
    assert graphs.encoder == quantize(load(translators[6]).encoder, "dynamic_wi8_afp32")
    edgernn.open_translator(tmp_path / "q.edge").translate("abc")


def test_one_model_is_not_written_of_two(translators, tmp_path):
    message = edge("export", translators[6], tmp_path / "t.c", code=2)
    assert "has an encoder and a decoder" in message
    assert not [*tmp_path.iterdir()]


def test_a_package_of_one_model_is_exported_from_its_package(tmp_path):
    (tmp_path / "kws.edge").write_bytes(package())
    edge("export", tmp_path / "kws.edge", tmp_path / "kws.rnn")
    assert edgernn.load(tmp_path / "kws.rnn") == load(tmp_path / "kws.edge").model


def test_a_package_without_an_encoder_is_no_translator(tmp_path):
    (tmp_path / "kws.edge").write_bytes(package())
    assert "is no translator" in edge("translate", tmp_path / "kws.edge", "a", code=2)


def test_a_damaged_or_foreign_encoder_is_refused(translators, tmp_path):
    changed = members(translators[6].read_bytes())
    damaged = bytearray(changed[ENCODER])
    damaged[len(damaged) // 2] ^= 1
    cases = {
        "altered|damaged|checksum": {**changed, ENCODER: bytes(damaged)},
        "do not belong together": {**changed, ENCODER: package()},
    }
    for message, each in cases.items():
        (tmp_path / "t.edge").write_bytes(sealed(each))
        with pytest.raises(FileError, match=message):
            edgernn.open_translator(tmp_path / "t.edge")
        with pytest.raises(FileError, match=message):
            verify(tmp_path / "t.edge")


BAD = {
    "memory": 1,
    "unit": "byte",
    "beam": 0,
    "longest": 0,
    "source": ["a", END],
    "target": [UNKNOWN, "x", "x", END, START],
}


@pytest.mark.parametrize("name", BAD)
def test_a_translation_that_contradicts_itself_is_refused(name, translators, tmp_path):
    def change(manifest):
        manifest["translation"][name] = BAD[name]

    data = sealed(members(translators[6].read_bytes()), change)
    with pytest.raises(FileError, match="is not one of a package of edgernn"):
        contents.read(data, "t.edge")


def test_options_of_a_translator_come_together(translators):
    graphs = load(translators[6])
    for options in (
        {"encoder": graphs.encoder},
        {"translation": graphs.translation},
        {"encoder": graphs.encoder, "translation": graphs.translation, "also": (quantize(graphs.model),)},
    ):
        with pytest.raises(UsageError, match="a translation, an encoder and one precision"):
            PackageOptions(**options)
    with pytest.raises(UsageError, match=r"\.edge|encoder"):
        export(graphs.model, "t.edge", package=PackageOptions(encoder=graphs.encoder))


def test_texts_come_as_arguments_or_as_lines(translators):
    single = edge("translate", translators[6], "abc", "ba").splitlines()
    assert edge("translate", translators[6], lines="abc\n\n ba \n").splitlines() == single
    parsed = [json.loads(line) for line in edge("translate", translators[6], "abc", "ba", "--json").splitlines()]
    assert [each["text"] for each in parsed] == single
    assert [each["source"] for each in parsed] == ["abc", "ba"]


def test_what_the_model_does_not_know_is_named(translators):
    code, _, complaint = called("translate", translators[6], "azbz")
    assert code == 0
    assert "Unknown to the model: z" in complaint.splitlines()
    assert edgernn.open_translator(translators[6]).translate("azbz").unknown == ("z",)


@pytest.mark.parametrize(("text", "message"), [("", "is empty"), ("abcab", "holds 4: split it")])
def test_a_text_beyond_the_memory_or_of_nothing_is_refused(text, message, translators):
    assert message in edge("translate", translators[6], text, code=2)
    with pytest.raises(UsageError, match=message):
        edgernn.open_translator(translators[6]).translate(text)


def test_a_text_that_fills_the_memory_is_translated(translators):
    edgernn.open_translator(translators[6]).translate("abca")


def test_a_negative_beam_is_refused(translators):
    with pytest.raises(UsageError, match="beam of -1"):
        edgernn.open_translator(translators[6]).translate("a", -1)


def test_a_score_that_is_not_finite_ends_the_search():
    from edgernn.postprocess.translation import _log_softmax

    with pytest.raises(StateError, match="the scores hold nan"):
        _log_softmax(np.array([0.0, np.nan], np.float32))


# The data


WAYS = {"%d %B %Y": 0, "%d %b %Y": 1, "%B %d, %Y": 2, "%d.%m.%Y": 8, "%m/%d/%Y": 9, "%Y/%m/%d": 10, "%d-%b-%Y": 11}


@given(st.dates(generated.FIRST, generated.LAST))
def test_written_dates_are_those_that_python_parses(day):
    for form, k in WAYS.items():
        parsed = datetime.strptime(generated.FORMS[k](day), form).date()  # noqa: DTZ007  a date has no time zone
        assert parsed == day
    for form in generated.FORMS:
        assert str(day.year) in form(day)
        assert str(day.day) in form(day).replace(f"{day.day:02}", str(day.day))


def test_generated_dates_end_in_iso():
    pairs = generated.dates(200, np.random.default_rng(0))
    assert all(date.fromisoformat(target).isoformat() == target for _, target in pairs)


ENGLISH = {word: n for n, word in enumerate(generated.ENGLISH)} | {
    word: 10 * n for n, word in enumerate(generated.ENGLISH_TENS, 2)
}


def parsed(text):
    """The number of English words."""
    total, part = 0, 0
    for word in text.replace("-", " ").replace(" and ", " ").split():
        if word == "hundred":
            part *= 100
        elif word == "thousand":
            total, part = 1000 * part, 0
        else:
            part += ENGLISH[word]
    return total + part


@given(st.integers(0, 999_999))
def test_english_words_are_the_number(n):
    assert parsed(generated.english(n)) == n


SPOKEN = {
    1: "eins", 16: "sechzehn", 17: "siebzehn", 21: "einundzwanzig", 30: "dreißig", 67: "siebenundsechzig",
    100: "einhundert", 101: "einhunderteins", 116: "einhundertsechzehn", 999: "neunhundertneunundneunzig",
    1000: "eintausend", 1001: "eintausendeins", 2100: "zweitausendeinhundert", 21_021: "einundzwanzigtausendeinundzwanzig",
    101_000: "einhunderteintausend", 345_678: "dreihundertfünfundvierzigtausendsechshundertachtundsiebzig",
}  # fmt: skip


@pytest.mark.parametrize("n", SPOKEN)
def test_german_words_are_as_they_are_spoken(n):
    assert generated.german(n) == SPOKEN[n]


def test_parts_have_no_pair_in_common():
    data = read("", generate="dates", count=400, memory=40)
    parts = [set(part) for part in (data.train, data.validation, data.test)]
    assert len(set.union(*parts)) == sum(map(len, parts))
    assert all(parts)


def test_pairs_are_read_from_lines_and_from_folders(tmp_path):
    lines = [(f"a {k}", f"x {k}") for k in range(30)]
    (tmp_path / "pairs.tsv").write_text("\n".join(f"{a}\t{b}" for a, b in lines))
    data = read(tmp_path / "pairs.tsv", unit="token", memory=4)
    assert sorted((*data.train, *data.validation, *data.test)) == sorted(lines)
    folder = tmp_path / "folder"
    folder.mkdir()
    for number, part in enumerate(("train", "val", "test_2016")):
        for side, suffix in enumerate(("en", "de")):
            (folder / f"{part}.{suffix}").write_text("\n".join(pair[side] for pair in lines[number::3]))
    data = read(folder, unit="token", memory=4, source="en", target="de")
    assert (data.train, data.validation, data.test) == tuple(tuple(lines[k::3]) for k in range(3))
    sources, targets = data.encoded(data.train)
    assert [data.source[k] for k in sources[0]] == ["a", "0", END]
    assert [data.target[k] for k in targets[0]] == [START, "x", "0", END]


def test_sources_beyond_the_memory_are_not_trained_on(tmp_path):
    (tmp_path / "p.tsv").write_text("\n".join(f"{'a' * (1 + k % 5)}{k}\tb" for k in range(40)))
    data = read(tmp_path / "p.tsv", memory=6)
    assert max(len(a) for a, _ in data.train) == 5
    assert "longer than the memory of 6" in data.notes[0]


FAULTY = {
    "line 2: expected a text, a tab": lambda folder: _text(folder / "p.tsv", "a\tb\na b"),
    "has no lines": lambda folder: _text(folder / "p.tsv", "\n"),
    "leave a part empty": lambda folder: _text(folder / "p.tsv", "a\tb"),
    "needs the suffixes": lambda folder: folder,
    "set a larger memory": lambda folder: _text(folder / "p.tsv", "\n".join(f"{'a' * 60}{k}\tb" for k in range(20))),
}


def _text(path, text):
    path.write_text(text)
    return path


@pytest.mark.parametrize("message", FAULTY)
def test_data_that_is_no_pairs_is_refused(message, tmp_path):
    with pytest.raises((FileError, UsageError), match=message):
        read(FAULTY[message](tmp_path))


def test_what_cannot_be_generated_gets_a_suggestion():
    with pytest.raises(UsageError, match="nothing called 'date' to generate; did you mean 'dates'"):
        read("", generate="date")


def test_files_that_do_not_correspond_are_refused(tmp_path):
    _text(tmp_path / "train.en", "a\nb")
    with pytest.raises(FileError, match=r"has 0 files train\*\.de"):
        read(tmp_path, source="en", target="de")
    _text(tmp_path / "train.de", "a")
    with pytest.raises(FileError, match="lines that correspond"):
        read(tmp_path, source="en", target="de")


# The training


SHORT = ("data.count=500", "training.epochs=2", "model.hidden=16", "model.embedding=8", "model.attention=8")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    return folder, run.train(recipes.load("dates", SHORT), "", folder, accelerator=CPU)


def test_a_training_learns_and_its_package_translates(trained):
    folder, result = trained
    losses = [each["validation_loss"] for each in result.history]
    assert losses[1] < losses[0] < np.log(14)
    translator = edgernn.open_translator(folder / "model.edge")
    assert run.evaluate(translator, read("", **recipes.load("dates", SHORT).options).test) == dict(result.metrics)
    assert (
        contents.read((folder / "model.edge").read_bytes(), "").manifest.provenance.recipe
        == (folder / "recipe.toml").read_text()
    )


def test_a_resumed_training_is_the_whole_one(trained, tmp_path, monkeypatch):
    recipe = recipes.load("dates", SHORT)
    epoch = PairTask.on_train_epoch_end

    def ends_after_one(task):
        if task.number:
            raise KeyboardInterrupt
        epoch(task)

    with monkeypatch.context() as patched:
        patched.setattr(PairTask, "on_train_epoch_end", ends_after_one)
        with pytest.raises(KeyboardInterrupt):
            run.train(recipe, "", tmp_path, accelerator=CPU)
    assert not (tmp_path / "model.edge").exists()
    result = run.train(recipe, "", tmp_path, accelerator=CPU, resume=True)
    assert result.history == trained[1].history
    assert (tmp_path / "model.edge").read_bytes() == (trained[0] / "model.edge").read_bytes()
    with pytest.raises(UsageError, match="differs from the recipe"):
        run.train(recipes.load("dates", (*SHORT, "training.rate=1e-2")), "", tmp_path, accelerator=CPU, resume=True)


def test_a_training_does_not_resume_on_other_pairs(trained):
    folder, _ = trained
    recipe = recipes.load("dates", SHORT)
    data = run.read(recipe, "")
    with pytest.raises(UsageError, match="other data"):
        run.train_on(replace(data, test=data.test[1:]), recipe, folder, accelerator=CPU, resume=True)


def test_no_artifact_is_opened_where_goldens_are_damaged(translators, tmp_path, monkeypatch):
    (tmp_path / "t.edge").write_bytes(sealed(members(translators[6].read_bytes()) | {"goldens.safetensors": b"no"}))
    monkeypatch.setattr(verifying, "of_package", lambda *_: pytest.fail("an artifact was opened"))
    with pytest.raises(FileError):
        verify(tmp_path / "t.edge")


def test_only_a_translator_states_a_translation(translators):
    assert "translation" in json.loads(members(translators[6].read_bytes())["manifest.json"])
    assert "translation" not in json.loads(members(package())["manifest.json"])


def test_the_command_describes_both(translators):
    lines = edge("info", translators[6]).splitlines()
    assert any(line.startswith("translation") and "characters, 5 to 5; a memory of 5" in line for line in lines)
    assert any(line.startswith("encoder") and "fp32, 6 outputs" in line for line in lines)


def test_the_command_trains_and_says_how_to_translate(tmp_path):
    settings_ = [part for each in SHORT for part in ("--set", each)]
    out = edge("train", "dates", *settings_, "--set", "training.epochs=1", "--out", tmp_path / "run")
    assert f"edgernn translate {tmp_path}/run/model.edge TEXT" in out
    assert "give its path with --data" in edge("train", "english-german", "--out", tmp_path / "other", code=2)


WRONG = {
    "there is no 'cell'": ["model.cell='gru'"],
    "has no option 'window'": ["data.window=3"],
    "has memory = 'a'": ["data.memory='a'"],
    r"hidden is 0": ["model.hidden=0"],
    "section \\[augment\\]": ["augment.speed=0.1"],
}


@pytest.mark.parametrize("message", WRONG)
def test_a_wrong_recipe_is_refused(message, tmp_path):
    with pytest.raises((UsageError, FileError), match=message):
        recipes.load("dates", WRONG[message])
