"""`--data names`: downloaded once, here from a server on loopback; every error is one sentence."""

from __future__ import annotations

import hashlib
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from engine.model.dataset import load_docs
from microgpt_tui.storage import names_download
from microgpt_tui.storage.paths import compiled_mark
from tests.support.commands import SMALL, invoke
from tests.support.file_server import Answer, fetch_here, missing, send, serving

NAMES = b"emma\nolivia\nava\nisabella\n" * 2000


def right(asked: BaseHTTPRequestHandler) -> None:
    send(asked, NAMES)


def wrong(asked: BaseHTTPRequestHandler) -> None:
    send(asked, b"<html>please log in</html>")


def broken(asked: BaseHTTPRequestHandler) -> None:
    asked.send_error(500)


def cut(asked: BaseHTTPRequestHandler) -> None:
    send(asked, NAMES[:9000], len(NAMES))


def hanging(asked: BaseHTTPRequestHandler) -> None:
    send(asked, NAMES[:9000], len(NAMES))
    asked.server.leaving.wait()  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own, and a file that is quick to send."""
    folder = tmp_path / "microgpt-tui"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(names_download, "SHA256", hashlib.sha256(NAMES).hexdigest())
    fetch_here(monkeypatch)
    return folder


def test_the_names_are_fetched_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(right) as (url, asked):
        monkeypatch.setattr(names_download, "URL", url)
        first = invoke("train", "--data", "names", "--until", "1", *SMALL)
        assert first.exit_code == 0
        assert "Fetching the names" in first.stderr
    again = invoke("train", "--data", "names", "--until", "1", *SMALL)  # the server is down
    assert (again.exit_code, again.stdout, again.stderr) == (0, first.stdout, "")
    assert asked == ["/names.txt"]
    assert {path.name for path in cache.iterdir()} - {compiled_mark().name} == {"names.txt"}
    assert load_docs(names_download.cached()) == NAMES.decode().split()


def test_progress_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, int]] = []
    with serving(right) as (url, _):
        monkeypatch.setattr(names_download, "URL", url)
        names_download.fetch_names(lambda done, of: told.append((done, of)))
    assert told == sorted(told)
    assert len(told) > 2
    assert told[-1] == (len(NAMES), len(NAMES))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (wrong, "is not the file of names, as its checksum says, and is not kept"),
        (missing, "the server says 404 Not Found"),
        (broken, "the server says 500 Internal Server Error"),
        (cut, "no connection, or it broke off"),
        (hanging, "no connection, or it broke off"),
    ],
)
def test_a_failed_download_is_one_sentence_and_leaves_no_file(
    answer: Answer, said: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(answer) as (url, _):
        monkeypatch.setattr(names_download, "URL", url)
        refused = invoke("train", "--data", "names")
    assert refused.exit_code == 2
    assert said in refused.stderr
    assert "--data FILE" in refused.stderr
    assert list(cache.iterdir()) == []


def test_a_server_without_an_answer_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(right) as (url, _):
        monkeypatch.setattr(names_download, "URL", url)
    refused = invoke("train", "--data", "names")
    assert refused.exit_code == 2
    assert "the names cannot be fetched (no connection, or it broke off)" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_cache_that_cannot_be_written(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.write_text("a file where the folder should be")
    with serving(right) as (url, _):
        monkeypatch.setattr(names_download, "URL", url)
        refused = invoke("train", "--data", "names")
    assert refused.exit_code == 2
    assert f"the names cannot be kept in {cache}" in refused.stderr


def test_a_damaged_file_in_the_cache_is_fetched_anew(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.mkdir()
    names_download.cached().write_bytes(NAMES[:-9])
    with serving(right) as (url, asked):
        monkeypatch.setattr(names_download, "URL", url)
        assert names_download.fetch_names(lambda done, of: None).read_bytes() == NAMES
    assert len(asked) == 1


def test_a_file_of_that_name_is_given_with_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for file in ("names", "others"):
        Path(file).write_text("anna\nbo\n", encoding="utf-8")
    found, others = (invoke("train", "--data", f"./{file}", "--until", "1", *SMALL) for file in ("names", "others"))
    assert (found.exit_code, found.stdout, found.stderr) == (0, others.stdout, "")
