"""The command `lecture`: listing, checking, errors."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from click.testing import Result

from engine.script.source_table import OwnLines, SourceTable
from engine.timeline.explainer import CodeText
from microgpt_tui.audience import process
from microgpt_tui.audience.audience import LiveAudience
from microgpt_tui.cli import lecture as commands
from microgpt_tui.storage import original
from tests.support.audience_server import stand_in
from tests.support.commands import error_of, invoke

GOOD = "---\nchapter: Mine\nmoment: step 0 forward q@pos=1\nspotlight: stage\n---\n# One\n\nq begins with {q[0, 0]}.\n"


def check(tmp_path: Path, text: str) -> Result:
    file = tmp_path / "mine.md"
    file.write_text(text, encoding="utf-8")
    return invoke("lecture", "--check", file)


def test_a_lecture_of_the_user_is_checked(tmp_path: Path) -> None:
    result = check(tmp_path, GOOD)
    assert result.exit_code == 0
    assert result.stdout.endswith("mine.md: 1 page; every moment and number resolves\n")


def test_every_mistake_is_reported_with_file_and_line(tmp_path: Path) -> None:
    result = check(tmp_path, GOOD + "{nosuch} {loss}\n---\nspotlight: here\n---\n# Two\n")
    assert result.exit_code == 2
    lines = result.stdout.splitlines()
    assert [line.partition("mine.md:")[2].split(":")[0] for line in lines] == ["9", "11"]


def test_a_folder_with_languages_is_a_course(tmp_path: Path) -> None:
    for language, title in (("en", "Mine"), ("ko", "나의 것")):
        (tmp_path / language).mkdir()
        for name in ("02-b.md", "01-a.md", "README.md"):
            (tmp_path / language / name).write_text(GOOD.replace("Mine", f"{title} {name}"), encoding="utf-8")
    result = invoke("lecture", tmp_path, "--list", "--lang", "ko")
    assert [line.split() for line in result.stdout.splitlines()] == [
        ["1", "a", "나의", "것", "01-a.md"],
        ["2", "b", "나의", "것", "02-b.md"],
    ]
    assert invoke("lecture", tmp_path, "--check").stdout.count("resolves") == 2


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["nosuch.md"], "nosuch.md: cannot be read: No such file or directory"),
        (["attentoin"], "did you mean attention?"),
        (["99"], "no chapter is called '99'"),
    ],
)
def test_files_that_are_no_lectures_are_refused(args: list[str], says: str) -> None:
    assert says in error_of(invoke("lecture", *args))
    checked = invoke("lecture", "--check", *args)
    assert checked.exit_code == 2
    assert says in checked.output


def test_a_lecture_with_a_mistake_is_not_started(tmp_path: Path) -> None:
    file = tmp_path / "mine.md"
    file.write_text("---\nmomment: x\n---\n# One\n", encoding="utf-8")
    assert f"{file}:2: no header is called 'momment'; did you mean moment?" in error_of(invoke("lecture", file))


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    assert "holds no chapter in the language 'en'" in error_of(invoke("lecture", tmp_path))


def test_a_lecture_needs_a_terminal(tmp_path: Path) -> None:
    file = tmp_path / "mine.md"
    file.write_text(GOOD, encoding="utf-8")
    assert "needs a terminal" in error_of(invoke("lecture", file))


def test_a_lecture_whose_numbers_do_not_exist_is_not_started(tmp_path: Path) -> None:
    file = tmp_path / "mine.md"
    file.write_text(GOOD + "{nosuch}", encoding="utf-8")
    assert f"{file}:9: {{nosuch}}: nothing is called nosuch" in error_of(invoke("lecture", file))


def test_a_large_lecture_is_given_in_the_theme_for_projectors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, given = tmp_path / "mine.md", list[tuple[bool, str]]()
    file.write_text(GOOD, encoding="utf-8")
    monkeypatch.setattr(commands, "open_debugger", lambda start, lecture, theme: given.append((lecture.big, theme)))
    for args in ([], ["--big"], ["--big", "--theme", "light"]):
        assert invoke("lecture", file, *args).exit_code == 0
    assert given == [(False, "dark"), (True, "contrast"), (True, "light")]


def test_pages_name_statements_of_the_given_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy, file = tmp_path / "copy.py", tmp_path / "mine.md"
    copy.write_text("class Mine:\n    size = 3\n", encoding="utf-8")
    file.write_text(GOOD.replace("spotlight", "code: 'Mine: size = ...'\nspotlight"), encoding="utf-8")
    looked: list[Path] = []

    def look(path: Path, tell: object) -> OwnLines:
        looked.append(path)
        return OwnLines(SourceTable({}, {}, {}, (), {}), path, CodeText(path.read_text(encoding="utf-8")))

    monkeypatch.setattr(original, "make_lines", look)
    assert "microgpt.py has no function 'Mine'" in invoke("lecture", "--check", file).stdout
    assert invoke("lecture", "--check", file, "--source", copy).exit_code == 0
    assert looked == [copy]
    assert "gone.py does not exist" in error_of(invoke("lecture", file, "--source", tmp_path / "gone.py"))


def test_a_course_is_checked_for_statements_of_two_pages(tmp_path: Path) -> None:
    for name in ("1-a.md", "2-b.md"):
        (tmp_path / name).write_text(GOOD.replace("spotlight", "code: loss_t = ...\nspotlight"), encoding="utf-8")
    result = invoke("lecture", "--check", tmp_path)
    assert result.exit_code == 2
    assert f"{tmp_path / '2-b.md'}:4: loss_t = ... belongs to page 1 of 1-a already" in result.stdout


# An audience.


def test_options_of_an_audience_need_one(tmp_path: Path) -> None:
    for option in ("--host", "--port", "--viewers", "--visitors", "--public-url"):
        value = "5" if option != "--host" else "127.0.0.1"
        assert f"{option} goes with --audience; add that" in error_of(invoke("lecture", option, value))


def test_an_audience_needs_a_terminal_for_the_lecturer() -> None:
    assert "needs a terminal" in error_of(invoke("lecture", "--audience"))


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> list[LiveAudience]:
    """The audiences that lectures are given to, in place of giving them."""
    seen: list[LiveAudience] = []
    monkeypatch.setattr(commands, "need_terminal", lambda: None)
    monkeypatch.setattr(commands, "open_debugger", lambda start, lecture, theme, audience: seen.append(audience))
    return seen


def test_the_address_and_the_code_are_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: list[LiveAudience]
) -> None:
    file = tmp_path / "mine.md"
    file.write_text(GOOD, encoding="utf-8")
    with stand_in() as server:
        monkeypatch.setattr(process, "COMMAND", server.command)
        open_to_all = invoke("lecture", file, "--audience", "--port", "0")
        here = invoke("lecture", file, "--audience", "--host", "127.0.0.1", "--viewers", "30")
        public = invoke("lecture", file, "--audience", "--public-url", "https://example.org/class")
    assert [result.exit_code for result in (open_to_all, here, public)] == [0, 0, 0]
    addresses = [audience.address for audience in given]
    assert re.fullmatch(r"http://\S+:8123/", addresses[0].url)
    assert [address.url for address in addresses[1:]] == ["http://127.0.0.1:8123/", "https://example.org/class/"]
    code = addresses[0].code
    assert code is not None
    assert re.fullmatch("[2-9A-HJKMNP-Z]{6}", code)
    assert f"finds the lecture at {addresses[0].url}\nIt asks for the code {code}" in open_to_all.stdout
    assert "It asks for no code" in here.stdout
    assert addresses[1].code is None
    assert addresses[2].link == f"https://example.org/class/?code={addresses[2].code}"
    assert "The audience has left: 0 viewers at most" in here.stdout
    assert [start["viewers"] for start in server.starts] == [1000, 30, 1000]
    assert [start["code"] for start in server.starts] == [address.code for address in addresses]
    assert server.table["ended"] is True


def test_a_server_that_cannot_start_is_told_in_its_own_words(
    monkeypatch: pytest.MonkeyPatch, given: list[LiveAudience]
) -> None:
    with stand_in({"failed": "port 8001 is taken"}) as server:
        monkeypatch.setattr(process, "COMMAND", server.command)
        assert error_of(invoke("lecture", "--audience")) == "port 8001 is taken"
    monkeypatch.setattr(process, "COMMAND", [sys.executable, "-c", ""])
    assert "web server ended at once" in error_of(invoke("lecture", "--audience"))
    monkeypatch.setattr(process, "COMMAND", [str(Path(sys.executable).parent / "nosuch")])
    assert "web server cannot be started" in error_of(invoke("lecture", "--audience"))
    monkeypatch.setattr(process, "COMMAND", [sys.executable, "-c", "input(); input(); input()"])
    monkeypatch.setattr(process, "PATIENCE", 0.0)
    assert "web server does not answer" in error_of(invoke("lecture", "--audience"))
    assert not given


def test_an_audience_without_the_extra_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, given: list[LiveAudience]
) -> None:
    monkeypatch.setattr("microgpt_tui.cli._audience.find_spec", lambda name: None)
    assert "pip install 'microgpt-tui[serve]'" in error_of(invoke("lecture", "--audience"))
    assert not given


def test_bad_public_addresses_of_an_audience_are_refused(given: list[LiveAudience]) -> None:
    said = error_of(invoke("lecture", "--audience", "--public-url", "example.org:8000"))
    assert "--public-url: 'example.org:8000' is no address of a page" in said


@pytest.mark.parametrize(("address", "asks"), [("127.0.1.1", False), ("192.0.2.7", True), ("::1", False)])
def test_a_name_of_this_computer_needs_no_code(
    monkeypatch: pytest.MonkeyPatch, given: list[LiveAudience], address: str, asks: bool
) -> None:
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: [(0, 0, 0, "", (address, 0))])
    with stand_in() as server:
        monkeypatch.setattr(process, "COMMAND", server.command)
        assert invoke("lecture", "--audience", "--host", "lecturer").exit_code == 0
    assert given[0].address.url == f"http://{f'[{address}]' if ':' in address else address}:8123/"
    assert (given[0].address.code is not None) == asks
    assert server.starts[0]["host"] == "lecturer"
