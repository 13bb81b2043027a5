"""A changed op code is never run by loops that were compiled with the old one."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import environment

ROOT = Path(__file__).resolve().parents[2]
CODES = "LEAF, ADD, MUL, POW"
# The sum and the product of 3 and 5, with the kernel `forward` compiled and cached.
SCRIPT = """
import numpy as np
from engine.autograd import jit, kernels
forward = jit.loops().forward
op = np.array([kernels.LEAF, kernels.LEAF, kernels.ADD, kernels.MUL], dtype=np.int8)
child = np.array([-1, -1, -1, -1, 0, 1, 0, 1], dtype=np.int32)
data = np.array([3.0, 5.0, 0.0, 0.0])
forward(op, child, np.zeros(0, dtype=np.int32), data, 2, 4)
print(*data[2:], sum(forward.stats.cache_hits.values()))
"""


def run(folder: Path) -> str:
    settings = {**environment(), "PYTHONPATH": str(folder), "NUMBA_CACHE_DIR": str(folder / "cache")}
    settings.pop("NUMBA_DISABLE_JIT", None)
    command = [sys.executable, "-P", "-c", SCRIPT]
    ended = subprocess.run(command, cwd=folder, env=settings, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


def test_a_changed_op_code_is_compiled_anew(tmp_path: Path) -> None:
    pytest.importorskip("numba")
    shutil.copytree(ROOT / "engine", tmp_path / "engine", ignore=shutil.ignore_patterns("__pycache__"))
    assert run(tmp_path) == "8.0 15.0 0"
    assert run(tmp_path) == "8.0 15.0 1"  # from the cache
    kernels = tmp_path / "engine" / "autograd" / "kernels.py"
    text = kernels.read_text(encoding="utf-8")
    assert text.count(CODES) == 1
    kernels.write_text(text.replace(CODES, "LEAF, MUL, ADD, POW"), encoding="utf-8")
    assert run(tmp_path) == "8.0 15.0 0"
