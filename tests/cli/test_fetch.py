"""fetch: a stand-in for the original, from a server on loopback; kept only if it computes what the engine computes."""

from __future__ import annotations

import os
import sys
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from engine import ScriptError
from microgpt_tui.storage import original
from microgpt_tui.storage.paths import compiled_mark
from tests.support import commands
from tests.support.commands import error_of, in_terminal, invoke
from tests.support.file_server import Answer, fetch_here, missing, send, serving

STAND_IN = (Path(__file__).parent.parent / "support" / "reference_script.py").read_text()


def giving(text: str) -> Answer:
    return lambda asked: send(asked, text.encode())


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    fetch_here(monkeypatch)
    return tmp_path / "cache" / "microgpt-tui"


def kept(cache: Path) -> set[str]:
    """The names of what is kept, but for what says which loops are compiled."""
    return {path.name for path in cache.iterdir()} - {compiled_mark().name} if cache.exists() else set()


def fetch(answer: Answer, monkeypatch: pytest.MonkeyPatch) -> commands.Result:
    with serving(answer, "microgpt.py") as (url, _):
        monkeypatch.setattr(original, "URL", url)
        return invoke("fetch")


def test_what_is_equal_is_kept_and_told(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = fetch(giving(STAND_IN), monkeypatch)
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.endswith("Source in microgpt-tui shows its lines from now on.\n")
    lines = original.kept_lines(original.fetched())
    assert lines is not None
    assert "loss" in lines.table.tensors
    assert kept(cache) == {"microgpt.py", original.TABLES}
    assert f"Fetched microgpt.py ({len(STAND_IN.encode()):,} bytes) from {original.URL}: equal" in done.stdout
    assert str(original.fetched()) in done.stdout
    assert original.fetched().read_text() == STAND_IN
    assert original.fetched().parent == cache


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (STAND_IN.replace("a.relu() for a", "a * a.relu() for a"), "does not compute what the engine computes"),
        ("print('hello')\n", "cannot be compared with the engine: "),
        ("<html>please log in</html>", "cannot be compared with the engine: "),
        ("", "cannot be compared with the engine: "),
        ("#" * (original.LARGEST + 1), "is larger than 1,048,576 bytes"),
    ],
)
def test_what_is_not_equal_is_not_kept(text: str, says: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    error = error_of(fetch(giving(text), monkeypatch))
    assert error.startswith(f"what {original.URL} gives ")
    assert says in error
    assert "not kept" in error
    assert kept(cache) == set()


def test_a_copy_whose_lines_cannot_be_told_is_kept_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise ScriptError("its lines are nobody's business")

    monkeypatch.setattr(original, "make_lines", refuse)
    done = fetch(giving(STAND_IN), monkeypatch)
    assert done.exit_code == 0
    assert done.stderr == "Source in microgpt-tui cannot show its lines: its lines are nobody's business\n"
    assert original.fetched().read_text() == STAND_IN


def test_a_copy_that_is_kept_outlives_one_that_is_not(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetch(giving(STAND_IN), monkeypatch)
    error_of(fetch(giving("print('hello')\n"), monkeypatch))
    assert original.fetched().read_text() == STAND_IN


def cut(asked: BaseHTTPRequestHandler) -> None:
    send(asked, b"import math", 9000)


def hanging(asked: BaseHTTPRequestHandler) -> None:
    send(asked, b"import math", 9000)
    asked.server.leaving.wait()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("answer", "says"),
    [(missing, "the server says 404 Not Found"), (cut, "no connection, or it"), (hanging, "no connection, or it")],
)
def test_a_failed_download_is_one_sentence(
    answer: Answer, says: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = error_of(fetch(answer, monkeypatch))
    assert f"microgpt.py cannot be fetched ({says}" in error
    assert "--source FILE" in error
    assert kept(cache) == set()


def test_a_cache_that_cannot_be_written(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.parent.mkdir()
    cache.write_text("a file where the folder should be")
    assert f"microgpt.py cannot be kept in {cache}" in error_of(fetch(giving(STAND_IN), monkeypatch))


def test_nothing_is_left_of_a_fetch_that_was_killed(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.mkdir(parents=True)
    (cache / ".microgpt-999999999-0.part").touch()  # of a process that is no more
    fetch(giving(STAND_IN), monkeypatch)
    assert not list(cache.glob("*.part"))


def test_it_is_fetched_in_a_terminal(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import os; from microgpt_tui.storage import original; original.URL = os.environ['FROM']\n"
    code += "from microgpt_tui.__main__ import main; main()"
    monkeypatch.setattr(commands, "COMMAND", [sys.executable, "-c", code])
    with serving(giving(STAND_IN), "microgpt.py") as (url, asked):
        monkeypatch.setitem(os.environ, "FROM", url)
        ended = in_terminal("fetch")
    assert ended.status == 0, ended.screen
    assert "equal to the engine, bit for bit" in " ".join(ended.screen.split())
    assert asked == ["/microgpt.py"]
    assert original.fetched().read_text() == STAND_IN
