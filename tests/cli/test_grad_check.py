"""grad-check: gradient, difference quotient and what they are made from, as text and as strict JSON."""

from __future__ import annotations

import pytest

from engine import Config, GradientChecker, Session, load_docs
from tests.support.commands import SMALL, error_of, invoke, json_lines

CONFIG = Config(n_embd=4, n_head=2, block_size=4)


@pytest.mark.parametrize("what", [("--param", "wte[3, 1]"), ("--scalar", "q[0, 3]@pos=2")])
def test_one(what: tuple[str, str]) -> None:
    checker = GradientChecker(Session(CONFIG, load_docs()), 3)
    check = checker.check(checker.row(what[1]), 1e-4)
    (entry,) = json_lines(invoke("grad-check", "--step", "3", *what, "--h", "1e-4", "--json", *SMALL).stdout)
    for key, value in entry.items():
        assert value == (list(check.kinks) if key == "kinks" else getattr(check, key))
    shown = invoke("grad-check", "--step", "3", *what, "--h", "1e-4", *SMALL).stdout
    for number in (check.value, check.h, check.loss_plus, check.loss_minus, check.finite_difference, check.gradient):
        assert repr(number) in shown
    assert repr(check.difference) in shown


def test_a_matrix() -> None:
    checker = GradientChecker(Session(CONFIG, load_docs()), 0)
    checks = [checker.check(int(row)) for row in checker.matrix("wpe").ravel()]
    entries = json_lines(invoke("grad-check", "--matrix", "wpe", "--json", *SMALL).stdout)
    assert [(e["name"], e["gradient"], e["finite_difference"]) for e in entries] == [
        (check.name, check.gradient, check.finite_difference) for check in checks
    ]
    shown = invoke("grad-check", "--matrix", "wpe", *SMALL).stdout
    worst = max(checks, key=lambda check: abs(check.difference))
    assert f"wpe: {len(checks)} gradients, and the largest difference is that of {worst.name}" in shown
    assert f"1e{worst.decade} to " in shown


def test_kinks_and_an_h_without_effect_are_reported() -> None:
    assert (
        "on at one end only: mlp_relu[0, " in invoke("grad-check", "--scalar", "mlp_fc1[0, 1]@pos=0", "--h", "9").stdout
    )
    assert "h is too small" in invoke("grad-check", "--param", "wte[1, 1]", "--h", "1e-30", *SMALL).stdout


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        ((), "give one of --param, --matrix and --scalar"),
        (("--matrix", "wte", "--param", "wte[0, 0]"), "give one of"),
        (("--matrix", "w"), "no parameter matrix is called 'w'"),
        (("--param", "q[0, 3]@pos=2"), "is no parameter; check it with --scalar"),
        (("--param", "w[1]"), "--param: nothing is called w"),
        (("--param", "step[1]"), "--param: only tensors and parameters"),
        (("--scalar", "q[0, 3]"), "write for example wte[5, 3] or q[0, 3]@pos=2"),
        (("--param", "wte[0, 0]", "--h", "0"), "h is 0; give a number above 0"),
        (("--param", "wte[0, 0]", "--step", "1000"), "give a smaller step"),
    ],
)
def test_bad_scalars_are_refused(what: tuple[str, ...], sentence: str) -> None:
    assert sentence in error_of(invoke("grad-check", *what, *SMALL))
