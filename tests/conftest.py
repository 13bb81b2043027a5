"""What all tests share: Hypothesis draws the same examples every time, and machine load never fails a test."""

from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, deadline=None, database=None, max_examples=25)
settings.load_profile("repeatable")
