"""The table of faults in tests/robustness/README.md names tests that exist, and every file of them."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_the_table_of_faults_holds_every_file_of_them_and_tests_that_exist() -> None:
    faults = ROOT / "tests" / "robustness"
    table = (faults / "README.md").read_text(encoding="utf-8")
    told = set(re.findall(r"`((?:\.\./)*(?:\w+/)?test_\w+\.py)(?:::(\w+))?`", table))
    for file, name in told:
        assert f"def {name}" in (faults / file).read_text(encoding="utf-8"), (file, name)
    assert {file.name for file in faults.glob("test_*.py")} <= {file for file, _ in told}
