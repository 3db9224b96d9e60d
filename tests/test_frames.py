"""Frames as text: parsed as training parses them; a missing value is for the stream, an empty input is an error."""

import subprocess
import sys
from io import StringIO

import numpy as np
import pytest
from hypothesis import given, strategies as st

import edgernn
from edge import called, edge
from edgernn.cells import Scale
from edgernn.errors import FileError
from edgernn.files.frames import frames, parsed, sequences
from edgernn.model.graph import Graph
from edgernn.model.layer import Layer
from edgernn.model.tensor import Tensor
from edgernn.train.data import table
from edgernn_export import export
from zoo import GRAPHS

SAME = Graph((Layer("same", Scale(Tensor(np.ones(2, np.float32)), Tensor(np.zeros(2, np.float32)))),), 2)
"""Answers the frame itself."""

ROWS = [[0.25, -1.5], [3.0, 4e-3], [-5.0, 6.5], [7.0, 8.0]]
LINES = {
    "plain": "{0},{1}\n",
    "CRLF": "{0},{1}\r\n",
    "spaces": " {0} , {1} \n",
    "quotes": '"{0}", "{1}"\n',
    "blank lines": "\n{0},{1}\n\n",
}
HEADS = {
    "no names": "",
    "names": "left,right x 2\n",
    "an index without a name": ",right\r\n",
    "quoted": '"left, 1","µ"\n',
    "numpy": "# a, b\n",
}


@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["no mark", "byte-order mark"])
@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("line", LINES)
def test_a_frame_is_read_however_its_line_is_written(line, head, mark, tmp_path):
    """From a file and from a pipe, and as the reader of CSV files for training reads it."""
    text = mark + HEADS[head] + "".join(LINES[line].format(*row) for row in ROWS)
    (tmp_path / "x.csv").write_bytes(text.encode())
    for actual in (frames(str(tmp_path / "x.csv"), "float32"), parsed(StringIO(text), "the pipe", "float32")):
        np.testing.assert_array_equal(np.stack(list(actual)), np.float32(ROWS))
    taught = table.read_table(tmp_path / "x.csv", header=bool(HEADS[head])).numbers([0, 1])
    np.testing.assert_array_equal(np.float32(taught), np.float32(ROWS))


@given(st.lists(st.lists(st.one_of(st.none(), st.floats(width=32)), min_size=2, max_size=4), min_size=1, max_size=9))
def test_numbers_come_back_to_the_bit_and_what_is_missing_as_nan(rows):
    text = "".join(",".join("" if cell is None else repr(cell) for cell in row) + "\n" for row in rows)
    actual = list(parsed(StringIO(text), "the pipe", "float32"))
    expected = [np.array([np.nan if cell is None else cell for cell in row], np.float32) for row in rows]
    for one, other in zip(actual, expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.fixture
def model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    edgernn.save(SAME, "m.rnn")
    return tmp_path


MISSING = {"1,": 1, ",2": 0, ",": 0, "nan,2": 0, '"",2': 0, "1, ": 1}
"""A line with a missing value -> its index."""


@pytest.mark.parametrize("line", MISSING)
def test_a_missing_value_is_refused_or_replaced_by_the_stream(line, model):
    (model / "x.csv").write_text(f"1,2\n{line}\r\n3,4\n")
    output = edge("run", "m.rnn", "--frames", "x.csv", "--out", "y.csv", code=2)
    assert f"frame 1: element {MISSING[line]} of the frame is nan" in output
    for policy, instead in (("hold", [1, 2]), ("zero", [0, 0])):
        edge("run", "m.rnn", "--frames", "x.csv", "--out", "y.npy", "--on-bad-input", policy)
        np.testing.assert_array_equal(np.load("y.npy"), [[1, 2], instead, [3, 4]])


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_pipe_with_names_and_gaps_is_answered_line_by_line(end, model):
    """Each answer must come before the next frame is sent."""
    command = [sys.executable, "-m", "edgernn", "run", "m.rnn", "--frames", "-", "--on-bad-input", "hold"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as pipe:
        pipe.stdin.write(f"\ufeffleft,right{end}".encode())
        for line, answer in (("1,2", [1, 2]), (",7", [1, 2]), ("3,4", [3, 4])):
            pipe.stdin.write(f"{line}{end}".encode())
            pipe.stdin.flush()
            np.testing.assert_array_equal(np.float32(pipe.stdout.readline().decode().split(",")), answer)
        pipe.stdin.close()
        assert pipe.wait() == 0


EMPTY = {"": "nothing", "\n\n": "blank lines", "left,right\n": "names alone", "\ufeff": "a mark alone"}


@pytest.mark.parametrize("text", EMPTY, ids=EMPTY.values())
def test_no_frames_at_all_are_an_error(text, model):
    (model / "x.csv").write_text(text, encoding="utf-8")
    for read in (frames, sequences):
        with pytest.raises(FileError, match=r"'x\.csv' holds no frames; expected some"):
            list(read("x.csv", "float32"))
    with pytest.raises(FileError, match="the pipe holds no frames; expected some"):
        list(parsed(StringIO(text), "the pipe", "float32"))
    assert called("run", "m.rnn", "--frames", "-")[::2] == (
        2,
        "Error: the pipe holds no frames; expected some, (time, inputs)\n",
    )


def test_no_frames_in_an_array_are_an_error(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((0, 2), np.float32))
    np.savez(tmp_path / "x.npz", a=np.ones((3, 2), np.float32), b=np.zeros((0, 2), np.float32))
    with pytest.raises(FileError, match=r"x\.npy' holds no frames"):
        frames(str(tmp_path / "x.npy"), "float32")
    with pytest.raises(FileError, match=r"array 'b' of '.*x\.npz' holds no frames"):
        sequences(str(tmp_path / "x.npz"), "float32")


WRONG = {
    "a word": ("1,2\n3,four\n", "float32", "line 2: could not convert string to float: 'four'; expected numbers"),
    "names again": ("a,b\n1,2\na,b\n", "float32", "line 3: could not convert string to float: 'a'"),
    "a name and a number": ("a,1\n", "float32", "line 1: could not convert string to float: 'a'"),
    "a time": ("2024-01-01 00:00,1\n", "float32", "line 1: could not convert string to float: '2024-01-01 00:00'"),
    "times alone": ("2024-01-01 00:00\n", "float32", "line 1: could not convert"),
    "a quote without its end": ('1,2\n"3,4\n5,6\n', "float32", "line 2: unexpected end of data"),
    "a symbol that is missing": ("3\n,\n", "int32", "line 2: invalid literal for int"),
    "half a symbol": ("3\n2.5\n", "int32", "line 2: invalid literal for int"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_an_invalid_frame_is_refused_with_its_line(name):
    text, dtype, words = WRONG[name]
    with pytest.raises(FileError, match=words):
        list(parsed(StringIO(text), "the pipe", dtype))


def test_the_loader_on_a_board_reads_the_same_lines(tmp_path):
    """It has no policy for missing values, and reports their line."""
    export(SAME, tmp_path / "m.so")
    export(GRAPHS["Embedding"], tmp_path / "symbols.so")

    def answered(file, text):
        command = [sys.executable, "-I", tmp_path / f"{file}_stream.py"]
        return subprocess.run(command, input=text, capture_output=True, encoding="utf-8", check=False)

    text = "\ufeff" + HEADS["quoted"] + "".join(LINES["quotes"].format(*row) for row in ROWS)
    done = answered("m", text)
    assert (done.returncode, done.stderr) == (0, "")
    np.testing.assert_array_equal(np.loadtxt(done.stdout.splitlines(), delimiter=","), np.float32(ROWS))
    for text, words in (
        ("a,b\r\n1,2\r\n,2\r\n", "line 3: frame 0 must not enter the state (not finite"),
        ("1,2\na,b\n", "line 2: could not convert string to float: 'a'"),
        ('1,2\n"3,4\n', "line 2: unexpected end of data"),
        ("a,b\n", "no frames arrived; expected a line of 2 numbers for each"),
        ("", "no frames arrived"),
    ):
        done = answered("m", text)
        assert done.returncode == 1
        assert done.stderr.startswith(f"Error: {words}")
    assert answered("symbols", "symbol\n3\n").returncode == 0
    assert answered("symbols", "3\n,\n").stderr.startswith("Error: line 2: invalid literal for int")
