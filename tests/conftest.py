"""What all tests share: Hypothesis draws the same examples every time, machine load never fails a test, and the
settings and saved work of whoever runs them are neither read nor written."""

import os
import tempfile

from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, deadline=None, database=None, max_examples=25)
settings.load_profile("repeatable")

for folder in ("XDG_CONFIG_HOME", "XDG_STATE_HOME"):
    os.environ[folder] = tempfile.mkdtemp()
