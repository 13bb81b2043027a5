"""The command `lecture --notes`: its options and its errors."""

from __future__ import annotations

import pytest

from tests.support.commands import error_of, invoke


@pytest.mark.parametrize("more", [("3",), ("--list",), ("--check",), ("--page", "2")])
def test_notes_refuses_other_options(more: tuple[str, ...]) -> None:
    assert "leave out all but --lang and --theme" in error_of(invoke("lecture", "--notes", *more))


def test_it_needs_a_terminal() -> None:
    assert error_of(invoke("lecture", "--notes")) == (
        "the notes need a terminal for their input and output; run this in one"
    )
