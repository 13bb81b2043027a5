"""open and --resume: what they pass to the debugger, and their errors."""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from engine import Config, Moment, Phase, Session
from engine.checkpoint import checkpoint
from engine.checkpoint.checkpoint import KEY
from engine.model.dataset import Origin, checksum
from microgpt_tui.cli import open as open_command
from microgpt_tui.debugger.frame import Focus
from microgpt_tui.storage import saved_session
from microgpt_tui.storage.saved_session import SavedSession
from tests.support.commands import error_of, invoke

CONFIG = Config(n_embd=4, n_head=2, block_size=4)
DOCS = ["ada", "grace"]
MOMENT = Moment(2, Phase.UPDATE, 7)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "names.txt").write_text("ada\ngrace\n")
    return tmp_path / "names.txt"


@pytest.fixture
def run(tmp_path: Path, data: Path) -> Path:
    session = Session(CONFIG, DOCS)
    session.seek(MOMENT)
    checkpoint.save(session, tmp_path / "run.safetensors", str(data))
    return tmp_path / "run.safetensors"


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A stand-in for the app that records each Start, and a terminal for it."""
    module: Any = types.ModuleType("microgpt_tui.app")
    module.status, module.written, module.displaced, module.starts = 0, False, False, []

    def run_debugger(start: Any, lecture: Any = None, theme: str = "dark", audience: Any = None) -> Any:
        module.starts.append(start)
        return types.SimpleNamespace(status=module.status, written=module.written, displaced=module.displaced)

    module.run_debugger = run_debugger
    monkeypatch.setitem(sys.modules, "microgpt_tui.app", module)
    monkeypatch.setattr(open_command, "in_terminal", lambda: True)
    return module


def test_a_saved_run_is_opened_with_its_own_documents(run: Path, data: Path, app: Any) -> None:
    assert invoke("open", run).exit_code == 0
    [start] = app.starts
    assert (start.config, start.docs, start.path, start.run.moment) == (CONFIG, DOCS, str(data), MOMENT)


def test_documents_that_moved_are_given_with_data(run: Path, data: Path, app: Any) -> None:
    moved = data.rename(data.with_name("moved.txt"))
    assert "is not there any more; give the documents with --data" in error_of(invoke("open", run))
    assert invoke("open", run, "--data", moved).exit_code == 0
    assert app.starts[0].path == str(moved)


def test_what_train_saves_can_be_opened(tmp_path: Path, app: Any) -> None:
    save = tmp_path / "trained.safetensors"
    assert invoke("train", "--until", "3", "--save", save, "--n-embd", "4").exit_code == 0
    assert invoke("open", save).exit_code == 0
    assert app.starts[0].run.moment == Moment(3)


def test_other_documents_are_refused(run: Path, data: Path, app: Any) -> None:
    data.write_text("ada\ngrace\nalan\n")
    assert "holds other documents now" in error_of(invoke("open", run))
    assert "holds other documents than the run was trained on" in error_of(invoke("open", run, "--data", data))
    assert app.starts == []


def test_damaged_files_are_refused(run: Path, app: Any) -> None:
    content = run.read_bytes()
    for cut in (0, 5, 100, len(content) // 2, len(content) - 1):
        run.write_bytes(content[:cut])
        assert "damaged" in error_of(invoke("open", run))
    run.write_bytes(content[:-5] + bytes([content[-5] ^ 1]) + content[-4:])
    assert "damaged" in error_of(invoke("open", run))
    assert app.starts == []


def test_another_version_is_refused(run: Path) -> None:
    with safe_open(run, framework="numpy") as file:
        about = json.loads(file.metadata()[KEY])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    save_file(tensors, run, {KEY: json.dumps(about | {"version": 1})})
    assert "its format is version 1, and this program reads version 2" in error_of(invoke("open", run))


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("open",), "Missing argument"),
        (("open", "missing.safetensors"), "there is no file missing.safetensors"),
        (("open", __file__), "no safetensors file"),
        (("--n-layer", "2", "open", "x"), "write microgpt-tui open --n-layer"),
        (("--resume",), "nothing has been left to return to"),
        (("--resume-earlier",), "there is no earlier session to return to; microgpt-tui --resume returns to the last"),
        (("--resume-earlier", "--resume"), "--resume-earlier does not go with --resume"),
        (("--resume", "--n-layer", "2"), "--n-layer does not go with --resume"),
        (("--resume", "--step", "3"), "--step does not go with --resume"),
        (("--resume", "train", "--until", "1"), "--resume stands before train"),
    ],
)
def test_command_lines(args: tuple[str, ...], says: str) -> None:
    assert says in error_of(invoke(*args))


def test_a_file_in_place_of_a_command_is_refused(run: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert f"write microgpt-tui open {run};" in error_of(invoke(run))
    monkeypatch.chdir(run.parent)
    run.rename("my run")  # a saved run whatever its name is
    assert "write microgpt-tui open 'my run';" in error_of(invoke("my run"))
    data.rename("$names")
    assert "write microgpt-tui --data '$names';" in error_of(invoke("$names"))


def test_a_tilde_is_expanded_without_a_shell(run: Path, app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(run.parent))
    assert invoke("train", "--until", "1", "--n-embd", "4", "--save=~/my run", "--log=~/log").exit_code == 0
    assert (run.parent / "log").is_file()
    assert invoke("open", "~/my run").exit_code == 0


def test_they_need_a_terminal(run: Path) -> None:
    assert "needs a terminal" in error_of(invoke("open", run))


def test_resume_opens_the_saved_session(data: Path, app: Any) -> None:
    session = SavedSession(CONFIG, Origin(checksum(DOCS), str(data)), Focus(MOMENT, cell=3), breakpoints=[{"a": 1}])
    saved_session.write_session(session)
    assert invoke("--resume").exit_code == 0
    moved = data.rename(data.with_name("moved.txt"))
    assert "is not there any more" in error_of(invoke("--resume"))
    assert invoke("--resume", "--data", moved).exit_code == 0
    assert [(start.saved, start.path) for start in app.starts] == [(session, str(data)), (session, str(moved))]


def test_a_damaged_session_is_refused_and_renamed(app: Any) -> None:
    saved_session.state_folder().mkdir(parents=True)
    saved_session.session_file().write_text("{")
    message = error_of(invoke("--resume"))
    assert "where you were cannot be read" in message
    assert "damaged-1-desk.json" in message
    assert [path.read_text() for path in saved_session.state_folder().iterdir()] == ["{"]
    assert "nothing has been left" in error_of(invoke("--resume"))


def test_after_a_crash_the_way_back_is_printed(app: Any) -> None:
    app.status, app.written = open_command.CRASHED, True
    result = invoke()
    assert result.exit_code == open_command.CRASHED
    assert "microgpt-tui --resume returns to where you were" in result.stderr
    app.written = False  # there is only the session before to return to
    assert invoke().stderr == "error: the debugger broke off\n"
    app.status = 143
    assert (invoke().exit_code, invoke().stderr) == (143, "")
    app.displaced = True
    assert "microgpt-tui --resume-earlier to the one before it" in invoke().stderr
