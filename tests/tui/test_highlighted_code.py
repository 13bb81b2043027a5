"""The colours of source code: every character is kept, and each part has the style of its kind."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.style import Style

import engine
from microgpt_tui.drawing.highlighted_code import CodeStyles, highlighted

KINDS = [field.name for field in fields(CodeStyles)]
STYLES = CodeStyles(*(Style(meta={"kind": kind}) for kind in KINDS))


def parts(code: str) -> list[list[tuple[str, str]]]:
    """The lines of a code, each part with its kind; what is blank is left out."""
    return [
        [(text.strip(), style.meta["kind"]) for text, style, _ in line if text.strip() and style]
        for line in highlighted(code, STYLES)
    ]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("def f(x):", [("def", "keyword"), ("f", "defined"), ("(", "word"), ("x", "word"), ("):", "word")]),
        ("class Value(x)", [("class", "keyword"), ("Value", "defined"), ("(", "word"), ("x", "word"), (")", "word")]),
        ("    @operation.part", [("@operation.part", "defined")]),
        ("a @ b", [("a", "word"), ("@", "operator"), ("b", "word")]),
        ("x1 = 1.5e-3", [("x1", "word"), ("=", "operator"), ("1.5e-3", "number")]),
        ("0xff .5 3j", [("0xff", "number"), (".5", "number"), ("3j", "number")]),
        ("a not in sum", [("a", "word"), ("not", "operator"), ("in", "operator"), ("sum", "builtin")]),
        ("True, None", [("True", "keyword"), (",", "word"), ("None", "keyword")]),
        (r"rb'a\'b' # no", [(r"rb'a\'b'", "string"), ("# no", "comment")]),
        ("'# none'", [("'# none'", "string")]),
        ('f"{x}" "open', [('f"{x}"', "string"), ('"open', "string")]),
        ("definite = classes", [("definite", "word"), ("=", "operator"), ("classes", "word")]),
        ("한국어 = α", [("한국어", "word"), ("=", "operator"), ("α", "word")]),
    ],
)
def test_each_part_has_the_style_of_its_kind(code: str, expected: list[tuple[str, str]]) -> None:
    assert parts(code) == [expected]


def test_a_string_may_reach_over_lines_and_the_end_of_the_code() -> None:
    assert parts('x = """a\n"b" c\n"""\n1') == [
        [("x", "word"), ("=", "operator"), ('"""a', "string")],
        [('"b" c', "string")],
        [('"""', "string")],
        [("1", "number")],
    ]
    assert parts("'''a\n\n1") == [[("'''a", "string")], [], [("1", "string")]]
    assert parts("'a\n1") == [[("'a", "string")], [("1", "number")]]


def texts(code: str) -> list[str]:
    return ["".join(segment.text for segment in line) for line in highlighted(code, STYLES)]


@given(st.text(alphabet=st.one_of(st.sampled_from("'\"\\\n#@ .0defx1j"), st.characters())))
def test_no_character_is_lost_or_moved(code: str) -> None:
    assert texts(code) == code.split("\n")


@pytest.mark.parametrize("file", sorted(Path(engine.__path__[0]).rglob("gpt.py")), ids=lambda file: file.name)
def test_a_whole_file_is_kept(file: Path) -> None:
    code = file.read_text(encoding="utf-8")
    assert texts(code) == code.split("\n")
    kinds = {kind for line in parts(code) for _, kind in line}
    assert kinds == set(KINDS)
