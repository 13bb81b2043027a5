"""What all tests share: Hypothesis draws the same examples every time, machine load never fails a test, and the
settings of whoever runs them are neither read nor written."""

import os
import tempfile

from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, deadline=None, database=None, max_examples=25)
settings.load_profile("repeatable")

os.environ["XDG_CONFIG_HOME"] = tempfile.mkdtemp()
