"""Markdown as styled lines: blocks apart, lists hanging, wide characters counted as two cells."""

from __future__ import annotations

from collections import Counter

import pytest

from microgpt_tui.drawing import theme
from microgpt_tui.drawing.markdown import bare_marks, literal, prose


def lines(text: str, width: int = 40) -> list[str]:
    return [line.plain for line in prose(text, width)]


def test_paragraphs_stand_apart_and_their_own_lines_flow() -> None:
    assert lines("one\ntwo\n\nthree") == ["one two", "", "three"]


def test_lists_hang() -> None:
    assert lines("- first item that is long\n- second\n\nafter", 14) == [
        "• first item", "  that is long", "• second", "", "after",
    ]  # fmt: skip
    assert lines("3. three\n4. four\n   - inside") == ["3. three", "4. four", "  • inside"]


def test_code_keeps_its_lines() -> None:
    assert lines("```\na = b\n  c\n```") == ["  a = b", "    c"]


def test_marks_become_styles() -> None:
    (line,) = prose("a **b** `c` *d*", 40)
    assert line.plain == "a b c d"
    styles = {line.plain[span.start : span.end]: span.style for span in line.spans}
    assert (styles["b"], styles["c"], styles["d"]) == (theme.STRONG, theme.NEW, theme.TARGET)


@pytest.mark.parametrize("width", [12, 16, 31])
def test_no_line_is_wider_than_its_room(width: int) -> None:
    text = (
        "어텐션은 **이미** 만들어진 키만 봅니다. " * 5
        + "\n\n- unbreakablewordthatislongerthantheline 가나다라마바사아자차카타파하"
    )
    assert all(line.cell_len <= width for line in prose(text, width))


def test_html_is_text() -> None:
    assert lines("<b>x</b> <script>y</script>") == ["<b>x</b> <script>y</script>"]


def test_marks_that_do_not_close_are_known() -> None:
    assert bare_marks("**로짓(logit)**입니다")
    assert bare_marks("a ` b")
    assert not bare_marks("**로짓**(logit)입니다, `1 ** 2`")


TABLE = """\
| matrix | shape | what it *is* for |
|:--|--:|---|
| `wte` | 27 × 16 | a row for each token, read at the beginning of each position |
| `어텐션` | 4 | {quoted} |
"""


def test_a_table_has_columns_of_equal_width() -> None:
    shown = [line.plain for line in prose(TABLE.replace("{quoted}", literal("a|b")), 77)]
    assert shown == [
        "matrix    shape  what it is for",
        "─" * 77,
        "wte     27 × 16  a row for each token, read at the beginning of each position",
        "어텐션        4  a|b",
    ]


@pytest.mark.parametrize("width", [12, 20, 38, 60])
def test_a_table_keeps_to_its_width_and_loses_nothing(width: int) -> None:
    made = prose(f"Before.\n\n{TABLE}\n\n- {TABLE.splitlines()[0]}", width)
    assert all(line.cell_len <= width for line in made)
    shown = Counter("".join(line.plain for line in made))
    assert (
        Counter(
            "".join(
                [
                    "wte",
                    "27",
                    "×",
                    "16",
                    "a",
                    "row",
                    "for",
                    "each",
                    "token,",
                    "read",
                    "at",
                    "the",
                    "beginning",
                    "of",
                    "each",
                    "position",
                ]
            )
        )
        <= shown
    )


def test_a_table_stands_apart_from_other_text() -> None:
    assert lines("a\n\n| b |\n|---|\n| c |\n\nd", 20) == ["a", "", "b", "─", "c", "", "d"]
