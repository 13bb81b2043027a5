"""Leaves out, on other systems, the tests that need pipes, devices, links, limits and terminals of POSIX."""

from __future__ import annotations

import os

POSIX = (
    "changed_underneath",
    "damaged_runs",
    "hostile_lectures",
    "no_room",
    "odd_files",
    "odd_output",
    "system_errors",
)

collect_ignore = [] if hasattr(os, "mkfifo") else [f"test_{name}.py" for name in POSIX]
