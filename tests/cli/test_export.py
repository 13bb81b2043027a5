"""export: the real numbers in every format, the same bytes every time, no state read or written."""

from __future__ import annotations

import os
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from rich.cells import cell_len

from engine import Address, Config, Moment, Scope, Session, load_docs
from microgpt_tui.cli._options import THEMES
from microgpt_tui.cli.export import FORMATS
from microgpt_tui.drawing import theme
from microgpt_tui.export.svg import CELL, LINE
from tests.support.commands import SMALL, error_of, invoke, start

CONFIG = Config(n_embd=4, n_head=2, block_size=4)
MOMENT = "3 forward attn_weights@pos=2,layer=0,head=1"
SVG = "{http://www.w3.org/2000/svg}"
ODD = "가나다 a\x1b[31mb\x07e\u0301t\u202ee<&'>\"\u200b\x9bx\ufffe"
ODD_DATA = ("--block-size", "32", "--moment", "0 forward probs@pos=9", "--size", "200x60")


def export(*args: object, form: str = "txt") -> str:
    result = invoke("export", "--format", form, *SMALL, *args)
    assert result.exit_code == 0, result.output
    return result.stdout_bytes.decode()


def session_at(text: str) -> Session:
    session = Session(CONFIG, load_docs())
    address = Address.parse(text, Scope(CONFIG, session.tokenizer))
    session.seek(Moment(address.step))
    session.seek(address.moment(session.program))
    return session


class Words(HTMLParser):
    """The text of a page; checks that its tags are closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.said: dict[str, str] = {}
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        for tag in self.open:
            self.said[tag] = self.said.get(tag, "") + data


def lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.splitlines()]


def test_the_numbers_of_the_moment() -> None:
    session = session_at(MOMENT)
    weights = session.view().data(session.view().event.rows)
    text = export("--moment", MOMENT)
    assert weights.known.all()
    assert repr(float(weights.values[0])) in text  # every digit, in the inspector
    assert all(f"{100 * value:.1f}%" in text for value in weights.values)
    assert "step 3" in text
    assert "attn_weights" in text


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (211, 63)])
def test_the_picture_has_the_given_size(size: tuple[int, int]) -> None:
    text = export("--moment", MOMENT, "--size", "{}x{}".format(*size))
    assert len(text.splitlines()) == size[1]
    assert size[0] - 2 <= max(map(cell_len, text.splitlines())) <= size[0]
    assert lines(text) == text.splitlines()


def test_html_has_the_text_of_the_plain_format(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")  # the sign of a cell is its colour in one, a character in the other
    page = export("--moment", MOMENT, form="html")
    said = Words(page).said
    assert lines(said["pre"]) == lines(export("--moment", MOMENT))
    assert said["title"] == f"microgpt-tui: step {MOMENT}"
    assert not re.search(r"https?:|url\(|@import|<script|<link|<img|src=|href=", page)


def cells(line: str) -> list[str]:
    """The text of each cell: accents with their letter, nothing in the second cell of a wide character."""
    found: list[str] = []
    for character in line:
        if cell_len(character):
            found += [character] + [""] * (cell_len(character) - 1)
        else:
            found[-1] += character
    return found


def odd(tmp_path: Path) -> Path:
    path = tmp_path / "odd.txt"
    path.write_text(ODD, encoding="utf-8")
    return path


def test_every_text_of_an_svg_is_in_its_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")  # the sign of a cell is its colour in one, a character in the other
    how = ("--data", odd(tmp_path), *ODD_DATA)
    plain = [cells(line) for line in export(*how).splitlines()]
    texts = list(ET.fromstring(export(*how, form="svg")).iter(f"{SVG}text"))
    seen = ""
    for text in texts:
        said, x, y = (text.text or "").replace("\xa0", " "), int(text.attrib["x"]), float(text.attrib["y"])
        assert "".join(plain[int(y // LINE)][x // CELL : x // CELL + cell_len(said)]) == said
        assert int(text.get("textLength", CELL * cell_len(said))) == CELL * cell_len(said)
        seen += said
    blank = re.compile(r"[\s\u2581-\u258f]")  # spaces and bars are drawn without letters
    assert sorted(blank.sub("", seen)) == sorted(blank.sub("", "".join("".join(line) for line in plain)))
    assert {"가", "나", "다"} <= set(seen)


def test_an_svg_refers_to_nothing_outside() -> None:
    picture = export("--moment", MOMENT, form="svg")
    assert picture.count("http") == picture.count('xmlns="http://www.w3.org/2000/svg"') == 1
    assert not re.search(r"url\(|@import|<script|<image|<style|href=|id=", picture)
    root = ET.fromstring(picture)
    assert root.findtext(f"{SVG}title") == f"microgpt-tui: step {MOMENT}"


@pytest.mark.parametrize("form", FORMATS)
def test_control_characters_of_the_data_are_not_exported(form: str, tmp_path: Path) -> None:
    made = export("--data", odd(tmp_path), *ODD_DATA, form=form)
    assert "\\x1b" in made
    assert made.replace("\n", "").replace("\xa0", "").isprintable()


@pytest.mark.parametrize("form", ["svg", "html"])
def test_two_exports_have_the_same_bytes(form: str) -> None:
    how = ("--moment", "12 update layer0.attn_wq", *SMALL, "--format", form)
    with start("export", *how) as process:  # another process: other hashes, other addresses
        out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    assert out == export("--moment", "12 update layer0.attn_wq", form=form)


def test_the_format_follows_from_the_file_name(tmp_path: Path) -> None:
    assert tuple(f"microgpt-{name}" for name in THEMES) == tuple(theme.THEMES)
    for name, colours in zip(THEMES, theme.THEMES.values(), strict=True):
        path = tmp_path / f"{name}.SVG"
        assert invoke("export", *SMALL, "--theme", name, "-o", path).exit_code == 0
        ground = ET.fromstring(path.read_text(encoding="utf-8")).find(f"{SVG}rect")
        assert ground is not None
        assert ground.attrib["fill"] == colours.background
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(f"{name}.SVG" for name in THEMES)


def test_one_pane_fills_the_picture() -> None:
    text = export("--moment", "5 update wpe", "--pane", "adam")
    assert "One weight ─ wpe" in text
    assert "Map" not in text


def test_a_saved_run(tmp_path: Path) -> None:
    saved = tmp_path / "run.safetensors"
    assert invoke("train", "--until", 5, "--save", saved, *SMALL).exit_code == 0
    before = saved.read_bytes()
    here = invoke("export", "--run", saved, "--format", "txt")
    assert "step 5/1,000" in here.stdout
    session = session_at(MOMENT)
    value = float(session.view().data(np.array([session.view().event.rows[0]])).values[0])
    assert repr(value) in invoke("export", "--run", saved, "--moment", MOMENT, "--format", "txt").stdout
    assert saved.read_bytes() == before


def test_settings_are_neither_read_nor_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = export("--moment", MOMENT)
    for variable in ("XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(variable, str(tmp_path))
    (tmp_path / "microgpt-tui").mkdir()
    kept = tmp_path / "microgpt-tui" / "layout.json"
    kept.write_text('{"pinned": ["adam"], "swapped": [["stage", "map"]]}')
    assert export("--moment", MOMENT) == plain
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [kept]


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--size", "79x24"], "--size is '79x24'; give columns and lines, from 80x24 to 400x200"),
        (["--size", "120x201"], "--size is '120x201'"),
        (["--size", "wide"], "--size is 'wide'"),
        (["--pane", "kitchen"], "there is no pane 'kitchen'; choose one of "),
        (["--moment", "yesterday"], "no event is called 'yesterday'"),
        (["--moment", ""], "'' is no moment"),
        (["--moment", "1001"], "there is no step 1001"),
        (["--moment", "0 forward q@pos=99"], "pos is 99"),
        (["--moment", "5", "--learning-rate", "5"], "training stopped at step 1"),
        (["-o", "picture.png"], "end it in .svg, .html or .txt"),
        (["-o", "nowhere/picture.svg"], "there is no folder nowhere"),
        (["-o", os.devnull, "--format", "svg"], "not a file that can be replaced"),
        (["--run", "nothing.safetensors"], "there is no file nothing.safetensors"),
        (["--run", "nothing.safetensors", "--seed", "1"], "--seed does not go with --run"),
    ],
)
def test_bad_options_of_export_are_refused(args: list[str], says: str) -> None:
    assert says in error_of(invoke("export", *args))


def test_export_does_not_overwrite_the_data(tmp_path: Path) -> None:
    data = tmp_path / "docs.txt"
    data.write_text("anna\nben\n")
    assert "the same file" in error_of(invoke("export", "--data", data, "-o", data))
    assert data.read_text() == "anna\nben\n"
