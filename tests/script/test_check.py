"""check: a fault of each kind is found where it is, with its numbers; correct scripts have none."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.script import finding
from engine.script.check import check

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted((Path(__file__).parent / "scripts").glob("*.py"))
EXAMPLES = ROOT / "docs" / "examples"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_nothing_is_found_in_a_correct_script(script: Path) -> None:
    report = check(script)
    assert report.findings == []
    assert report.steps > 0
    assert report.operations


def test_a_gelu_without_a_local_gradient_is_found() -> None:
    (found,) = check(EXAMPLES / "gelu_wrong.py", steps=1).findings
    assert (found.kind, found.source) == (finding.LOCAL_GRADIENT, "return Value(x * below, (self,), (1,))")
    assert found.numbers["local_gradient"] == 1
    assert found.numbers["wrong"] == found.numbers["compared"] == 24


def test_experts_that_are_left_out_of_the_parameters_are_found() -> None:
    (found,) = check(EXAMPLES / "experts.py", steps=1).findings
    assert found.kind == finding.NOT_MOVED
    assert found.source.startswith("p.data -= ")
    assert found.numbers["count"] == 1056
