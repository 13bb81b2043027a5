"""What all tests share: Hypothesis draws the same examples every time, machine load never fails a test, the settings
and saved work of whoever runs them are neither read nor written, and none sees what another did to the small run or
to the colours."""

import functools
import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from engine import Config
from engine.model import recording
from engine.run import session
from microgpt_tui.drawing import theme
from tests.support import changed_model, harness, settled, user_folders


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are processors: tests of the installed command wait for other processes."""
    return len(os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)) + 1


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest test begins first; begun last, all but one process would wait for its end."""
    items.sort(key=lambda item: item.path.name != "test_wheel.py")


def pytest_collection_finish() -> None:
    """Let the garbage collector pass over what there is by now; it would look through it with every test."""
    gc.collect()
    gc.freeze()


settings.register_profile("repeatable", derandomize=True, deadline=None, database=None, max_examples=25)
settings.load_profile("repeatable")
settled.install()

# Commands that are tested start as they do for a user, who has the modules compiled from the time before.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
os.environ.pop("PYTHONUNBUFFERED", None)  # as little as users have it

# What is ignored here, as by nohup and for a job in the background, would be ignored by every command that is started.
for number in (getattr(signal, name, None) for name in ("SIGHUP", "SIGINT", "SIGQUIT")):
    if number is not None and signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)

# A recording follows from the configuration and the size of the alphabet; making it is the longest part of most small
# runs. It can be shared: one workspace at a time writes to its graph. One that tells of its progress is made anew.
recordings = functools.lru_cache(maxsize=20)(recording.record)


def record(config: Config, vocab_size: int, progress: recording.Progress | None = None) -> recording.Recording:
    if progress is not None:
        return recording.record(config, vocab_size, progress)
    return recordings(config, vocab_size)


session.record = record  # type: ignore[attr-defined]

user_folders.replace_users()


def pytest_unconfigure() -> None:
    """Remove the folders that the tests had instead of the user's."""
    user_folders.remove()


@pytest.fixture(autouse=True)
def small_run_is_new() -> None:
    """Tests come in any order, and leave breakpoints, branches and a past behind."""
    harness.session.cache_clear()


@pytest.fixture(autouse=True)
def theme_is_the_usual() -> None:
    """The colours in use are the process's, and a test may have changed the theme."""
    theme.use(next(iter(theme.THEMES)))
    theme.few_colours(False)


@pytest.fixture
def change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[changed_model.Change]:
    """Lets runs be recorded from a copy of the model's file, with some texts in the places of others."""
    monkeypatch.setattr(session, "record", recording.record)  # recordings of the model as it is are shared
    yield functools.partial(changed_model.change_model, tmp_path, monkeypatch)
    changed_model.forget_recordings()
