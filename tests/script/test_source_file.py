"""What is read from a script or a notebook: its code, what its lines are called, and what cannot be read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.errors import ScriptError
from engine.script.source_file import ScriptFile


def notebook(*cells: str | list[str] | tuple[str, str], **metadata: Any) -> str:
    """The text of a notebook with these code cells; a pair is a cell of another type."""
    made = [
        {"cell_type": cell[0], "source": cell[1]}
        if isinstance(cell, tuple)
        else {"cell_type": "code", "source": cell, "outputs": [], "execution_count": None}
        for cell in cells
    ]
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": made})


def read(folder: Path, content: str | bytes, name: str = "script.py") -> ScriptFile:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return ScriptFile.read(path)


def refusal(folder: Path, content: str | bytes, name: str = "script.py") -> str:
    with pytest.raises(ScriptError) as caught:
        read(folder, content, name)
    return str(caught.value)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"x = 1\n", "x = 1\n"),
        (b"x = 1\r\ny = 2\rz = 3", "x = 1\ny = 2\nz = 3"),
        ("\ufeffé = 1\n".encode(), "é = 1\n"),
        ("# coding: latin-1\né = 1\n".encode("latin-1"), "# coding: latin-1\né = 1\n"),
        ("#!/usr/bin/python\n# -*- coding: cp1252 -*-\ns = '€'".encode("cp1252"), None),
        ("한 = 1\n".encode(), "한 = 1\n"),
        (b"", ""),
    ],
)
def test_a_script_is_decoded_as_python_decodes_it(raw: bytes, text: str | None, tmp_path: Path) -> None:
    found = read(tmp_path, raw)
    assert found.text == (text if text is not None else raw.decode("cp1252"))
    assert (found.cells, found.notes) == ((), ())
    compile(found.text, "script.py", "exec")


def test_lines_of_a_script_are_called_by_their_number(tmp_path: Path) -> None:
    found = read(tmp_path, "a = 1\n\nb = 2\n")
    assert found.lines() == ["a = 1", "", "b = 2"]
    assert [found.place(line) for line in (1, 1234)] == ["line 1", "line 1,234"]


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        ("x = 1\n".encode("utf-16"), "it is UTF-16 text; save it as UTF-8 and try again"),
        ("x = 1\n".encode("utf-16-be"), "it is UTF-16 text"),
        ("x = 1\n".encode("utf-32"), "it is UTF-32 text"),
        ("a\nb\nc\n# zoë\n".encode("latin-1"), "line 4 is not UTF-8 text; save it as UTF-8 and try again"),
        ("# zoë\n".encode("latin-1"), "line 1 is not UTF-8 text"),
        ("# coding: ascii\n# zoë\n".encode(), "line 2 is not ASCII text"),
        (b"# coding: klingon\n", "declare an encoding that Python cannot use (unknown encoding: klingon)"),
        (b"# coding: hex\n", "its encoding is hex, which is none of text"),
    ],
)
def test_a_script_that_is_no_text_of_python_is_told(raw: bytes, says: str, tmp_path: Path) -> None:
    said = refusal(tmp_path, raw)
    assert said.startswith(f"{tmp_path / 'script.py'} cannot be read: ")
    assert says in said


def test_a_path_without_a_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ScriptError, match="does not exist; give the path of your script"):
        ScriptFile.read(tmp_path / "none.py")
    with pytest.raises(ScriptError, match="is a folder; give the path of your script"):
        ScriptFile.read(tmp_path)


def test_a_notebook_is_its_code_cells_in_order(tmp_path: Path) -> None:
    text = notebook(
        ("markdown", "# A title"), "a = 1\nb = 2", ["c = 3\n", "d = 4\n"], "  \n", ("raw", "x"), "e = a + d"
    )
    found = read(tmp_path, text, "book.ipynb")
    assert found.text == "a = 1\nb = 2\nc = 3\nd = 4\ne = a + d\n"
    assert [found.place(line) for line in range(1, 6)] == [
        "cell 1, line 1", "cell 1, line 2", "cell 2, line 1", "cell 2, line 2", "cell 3, line 1",
    ]  # fmt: skip
    assert found.cell_of(4) == (2, 2)
    assert found.notes == ()


def test_a_notebook_of_the_third_format_is_read(tmp_path: Path) -> None:
    cells = [{"cell_type": "code", "input": ["a = 1\n", "b = 2"]}, {"cell_type": "heading", "source": "x"}]
    found = read(tmp_path, json.dumps({"nbformat": 3, "worksheets": [{"cells": cells}]}), "book.ipynb")
    assert found.text == "a = 1\nb = 2\n"


MAGICS = {
    "a magic": ("%matplotlib inline\nx = 1", "# %matplotlib inline\nx = 1", "cell 1, line 1: %matplotlib inline"),
    "a shell line": ("x = 1\n!pip install numpy", "x = 1\n# !pip install numpy", "line 2: !pip install numpy"),
    "an install without a mark": ("pip install numpy", "# pip install numpy", "line 1: pip install numpy"),
    "one in a block": ("if True:\n    !ls\nx = 1", "if True:\n    pass  # !ls\nx = 1", "line 2: !ls"),
    "one that goes on": ("!ls \\\n  -l\nx = 1", "# !ls \\\n  # -l\nx = 1", "line 1: !ls \\"),
    "what one gives": ("a, b = !ls\nx = 1", "# a, b = !ls\nx = 1", "line 1: a, b = !ls"),
    "what a magic gives": ("    t = %timeit -o 1", "    pass  # t = %timeit -o 1", "line 1: t = %timeit -o 1"),
    "help": ("?print\nprint??\nx = 1", "# ?print\n# print??\nx = 1", "line 2: print??"),
    "a cell of another language": ("%%bash\nls | wc\n\nls", "# %%bash\n# ls | wc\n# \n# ls", "cell 1: %%bash"),
    "after blank lines": ("\n%%html\n<b>", "# \n# %%html\n# <b>", "cell 1: %%html"),
    "a cell that is timed": ("%%time\nx = 1\n!ls", "# %%time\nx = 1\n# !ls", "cell 1, line 3: !ls"),
    "a statement that is timed": ("if 1:\n  %time x = 1", "if 1:\n  x = 1", "line 2: %time is left out, and its"),
}  # fmt: skip


@pytest.mark.parametrize(("cell", "code", "note"), MAGICS.values(), ids=MAGICS.keys())
def test_what_is_no_python_is_left_out_with_a_note(cell: str, code: str, note: str, tmp_path: Path) -> None:
    found = read(tmp_path, notebook(cell, "y = 2"), "book.ipynb")
    assert found.text == f"{code}\ny = 2\n"
    assert note in "\n".join(found.notes)
    assert found.place(len(code.split("\n")) + 1) == "cell 2, line 1"


@pytest.mark.parametrize(
    "cell",
    [
        "x = (7\n% 4)",
        'x = """\n%time\n!ls\n"""',
        "x = 7 \\\n% 4",
        "# %time\n# what?",
        "x = {\n'a': '''\n!ls''',\n}",
    ],
)
def test_python_that_looks_like_a_magic_is_kept(cell: str, tmp_path: Path) -> None:
    assert read(tmp_path, notebook(cell), "book.ipynb").notes == ()
    found = read(tmp_path, notebook(f"!ls\n{cell}\n!ls"), "book.ipynb")
    assert found.text == f"# !ls\n{cell}\n# !ls\n"
    assert len(found.notes) == 2


def test_a_cell_that_is_no_python_at_all_is_left_as_it_is(tmp_path: Path) -> None:
    found = read(tmp_path, notebook("x = (1,\n!ls"), "book.ipynb")
    assert found.text == "x = (1,\n!ls\n"  # what Python says of it is told when it is compiled
    assert found.notes == ()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x = 1", "it is no Jupyter notebook (not JSON: Expecting value: line 1 column 1 (char 0))"),
        ("[1]", "it has no list of cells"),
        ("{}", "it has no list of cells"),
        ("[" * 100_000, "it is nested too deep"),
        (notebook(), "it has no code"),
        (notebook(("markdown", "x"), " \n"), "it has no code"),
        (notebook("x <- 1", kernelspec={"language": "R"}), "its language is R"),
        (notebook("x = 1", language_info={"name": "julia"}), "its language is julia"),
        (json.dumps({"cells": [{"cell_type": "code", "source": [1]}]}), "one of its cells holds no text"),
    ],
)
def test_what_is_no_notebook_is_told(text: str, says: str, tmp_path: Path) -> None:
    assert says in refusal(tmp_path, text, "book.ipynb")


def test_a_notebook_in_another_encoding_is_told(tmp_path: Path) -> None:
    assert "it is UTF-16 text" in refusal(tmp_path, notebook("x = 1").encode("utf-16"), "book.ipynb")


def test_a_line_is_found_by_what_it_is_called(tmp_path: Path) -> None:
    plain = read(tmp_path, "a = 1\nb = 2\n")
    assert [plain.line_at(place) for place in ("1", " 2 ")] == [1, 2]
    cells = read(tmp_path, notebook("a = 1\nb = 2", "c = 3\nd = 4"), "book.ipynb")
    assert [cells.line_at(place) for place in ("1:1", "1:2", "2:1", "2:2")] == [1, 2, 3, 4]


@pytest.mark.parametrize("place", ["0", "3", "1:1", "x", "", "-1", "1e9", "9" * 30])
def test_a_line_that_a_script_has_not_is_told(place: str, tmp_path: Path) -> None:
    with pytest.raises(ScriptError, match=r"script.py has no line .*; give the number of one of its 2 lines"):
        read(tmp_path, "a = 1\nb = 2\n").line_at(place)


@pytest.mark.parametrize("place", ["1", "0:1", "1:0", "1:3", "3:1", "2:3", "1:2:3", ":1"])
def test_a_line_that_a_notebook_has_not_is_told(place: str, tmp_path: Path) -> None:
    cells = read(tmp_path, notebook("a = 1\nb = 2", "c = 3\nd = 4"), "book.ipynb")
    with pytest.raises(ScriptError, match=r"book.ipynb has no line .*; give one of its 2 cells .*, as in 3:5"):
        cells.line_at(place)
