"""Source lines: the line of the model that makes a scalar, and the line of the kernels that adds to a gradient."""

from __future__ import annotations

import numpy as np
import pytest

from engine import Moment, NumericFault, Phase, Session
from engine.autograd.kernels import ADD, EXP, LOG, MUL, POW, RELU
from engine.explain.source_lines import SourceLine, lines_now, lines_of_event
from tests.support.float_bits import DOCS, tiny


def text(source: SourceLine, line: int | None = None) -> str:
    return source.path.read_text(encoding="utf-8").splitlines()[(line or source.line) - 1].strip()


def test_every_tensor_is_named_on_its_line() -> None:
    session = Session(tiny(n_layer=2), DOCS)
    for event in session.program.events(Phase.FORWARD):
        source = lines_of_event(session.view(), event)
        assert f'name("{event.name}", ' in text(source)
        assert source.path.name == "gpt.py"
        assert source.label == f"engine/model/gpt.py:{source.line}"
        session.seek(Moment(0, Phase.FORWARD, event.last))
        assert lines_now(session.view()) == source


@pytest.mark.parametrize(
    ("tensor", "tick", "expected"),
    [
        ("embed", 1, "t + p for t, p"),
        ("embed_norm", 1, "sum(xi * xi for xi in x)"),
        ("q", 1, "sum(wi * xi"),
        ("q", 2, "sum(wi * xi"),
        ("attn_logits", 1, "sum(qj * kj"),
        ("attn_weights", 1, "Largest(logits)"),
        ("attn_weights", 2, "(logit - largest).exp()"),
        ("head_out", 1, "sum(w * v[j]"),
        ("attn_residual", 1, "a + b for a, b"),
        ("mlp_relu", 1, "xi.relu()"),
        ("loss_t", 1, "-probs[target].log()"),
        ("loss", 1, "(1 / len(losses)) * sum(losses)"),
    ],
)
def test_forward_lines_of_scalars(tensor: str, tick: int, expected: str) -> None:
    session = Session(tiny(), DOCS)
    event = next(s for s in session.program.events(Phase.FORWARD) if s.name == tensor)
    session.seek(Moment(0, Phase.FORWARD, event.first + tick))
    source = lines_now(session.view())
    assert expected in text(source)
    assert {text(source, line) for line in source.ran} >= {text(lines_of_event(session.view(), event))}


def test_backward_lines_show_the_case_of_the_operation() -> None:
    session = Session(tiny(), DOCS)
    local = {
        ADD: "local = 1.0", MUL: "local = data[child[edge ^ 1]]", EXP: "local = data[row]",
        RELU: "local = 1.0 if data[a] > 0.0 else 0.0", POW: "slope = n * power(data[a], n - 1.0)",
        LOG: "local = 1.0 / data[a]",
    }  # fmt: skip
    seen = set()
    ticks = [*range(2, 60), *range(60, session.program.ticks(Phase.BACKWARD) + 1, 5)]
    for tick in ticks:
        op = int(session.recording.op[session.program.edges[tick - 1] >> 1])
        session.seek(Moment(0, Phase.BACKWARD, tick))
        source = lines_now(session.view())
        assert source.path.name == "kernels.py"
        assert "grad[child[edge]] += local * grad[row]" in text(source)
        assert local[op] in {text(source, line) for line in source.ran}
        assert not {text(source, line) for line in source.ran} & {line for o, line in local.items() if o != op}
        seen.add(op)
    assert seen == set(local)


def test_first_backward_tick_sets_the_losss_own_gradient() -> None:
    session = Session(tiny(), DOCS)
    for tick in (0, 1):
        session.seek(Moment(0, Phase.BACKWARD, tick))
        assert "grad[-1 - edge] = 1.0" in {text(lines_now(session.view()), n) for n in lines_now(session.view()).ran}


def test_update_lines_end_where_the_parameter_moves() -> None:
    session = Session(tiny(), DOCS)
    for tick in (0, 1, 7, session.recording.n_params):
        session.seek(Moment(0, Phase.UPDATE, tick))
        source = lines_now(session.view())
        assert "p - delta" in text(source)
        ran = {text(source, line) for line in source.ran}
        assert any(line.startswith("m_hat =") for line in ran)
        assert any(line.startswith("delta = lr * m_hat") for line in ran)


def test_finding_source_lines_does_not_change_the_run() -> None:
    session = Session(tiny(), DOCS)
    for phase in Phase:
        session.seek(Moment(1, phase, 9))
        before = session.workspace.data.copy(), session.workspace.grad.copy()
        lines_now(session.view())
        assert np.array_equal(before[0], session.workspace.data)
        assert np.array_equal(before[1], session.workspace.grad)


def test_lines_of_overflowing_numbers() -> None:
    session = Session(tiny(learning_rate=1e200), DOCS)
    session.run(until=1)
    for tick in range(1, session.program.ticks(Phase.BACKWARD), 3):
        session.seek(Moment(1, Phase.BACKWARD, tick))
        assert lines_now(session.view()).path.name == "kernels.py"


def test_lines_at_a_fault_of_the_first_parameter() -> None:
    session = Session(tiny(), DOCS)
    session.seek(Moment(0, Phase.UPDATE, 0))
    session.workspace.grad[0] = 1e200
    with pytest.raises(NumericFault):
        session.run(until=1)
    assert lines_now(session.view()).path.name == "kernels.py"
