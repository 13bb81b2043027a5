"""Texts in the cells of a terminal: over several lines, and with values in styles of their own."""

import textwrap

import pytest
from rich.cells import cell_len
from rich.style import Style

from engine.language.particles import ParticleFormatter
from microgpt_tui.drawing.styled_text import marked, styled
from microgpt_tui.drawing.wrapping import wrapped

ENGLISH = "The future is not there: its keys have not been made yet, well-known as that is."
KOREAN = "미래는 없습니다. 그 키가 아직 만들어지지 않았습니다. attn_weights는 n_head개의 헤드에 있습니다."


@pytest.mark.parametrize("hanging", ["", "  "])
@pytest.mark.parametrize("width", range(8, 60, 7))
def test_text_of_narrow_letters_is_cut_as_python_cuts_it(width, hanging):
    assert list(wrapped(ENGLISH, width, hanging)) == textwrap.wrap(ENGLISH, width, subsequent_indent=hanging)


@pytest.mark.parametrize("hanging", ["", "  "])
@pytest.mark.parametrize("width", range(5, 120, 5))
def test_text_of_wide_letters_is_cut_to_cells(width, hanging):
    first, *later = wrapped(KOREAN, width, hanging)
    assert all(cell_len(line) <= width for line in (first, *later))
    assert all(line.startswith(hanging) for line in later)
    assert "".join((first, *later)).replace(" ", "") == KOREAN.replace(" ", "")
    widest = max(cell_len(word) for word in KOREAN.split()) + len(hanging)
    if width >= widest:
        assert [word for line in (first, *later) for word in line.split()] == KOREAN.split()


def test_wide_text_fills_its_lines():
    assert wrapped("가나 다라 마바", 9) == ("가나 다라", "마바")
    assert wrapped("가나 다라 마바", 14) == ("가나 다라 마바",)
    assert wrapped("가나다라마", 6) == ("가나다", "라마")
    assert wrapped(" ", 6) == ()


def test_values_in_styles_of_their_own():
    dim, new, target = Style(dim=True), Style(bold=True), Style(color="green")
    fill = ParticleFormatter().vformat
    values = {"reads": marked("값", 0), "target": marked("표 둘째", 1)}
    english = fill("reads {reads}, must say {target}", (), values)
    assert styled(english, dim, new, target) == [
        ("reads ", dim), ("값", new), (", must say ", dim), ("표 둘째", target)
    ]  # fmt: skip
    korean = fill("{target:이/가} {reads:을/를} 따름", (), values)
    assert styled(korean, dim, new, target) == [
        ("표 둘째", target), ("가 ", dim), ("값", new), ("을 따름", dim)
    ]  # fmt: skip
    assert styled("nothing", dim) == [("nothing", dim)]
