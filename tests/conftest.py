"""What all tests share: Hypothesis draws the same examples every time, machine load never fails a test, the settings
and saved work of whoever runs them are neither read nor written, and none sees what another did to the small run."""

import os
import tempfile

import harness
import pytest
import settling
from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, deadline=None, database=None, max_examples=25)
settings.load_profile("repeatable")
settling.install()

for folder in ("XDG_CONFIG_HOME", "XDG_STATE_HOME"):
    os.environ[folder] = tempfile.mkdtemp()


@pytest.fixture(autouse=True)
def small_run_is_new() -> None:
    """Tests come in any order, and leave breakpoints, branches and a past behind."""
    harness.session.cache_clear()
