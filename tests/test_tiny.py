"""The product in seconds: record, train, stop at events, go back, sample."""

from __future__ import annotations

from engine import Config, Moment, Phase, Session


def test_everything_once() -> None:
    session = Session(Config(n_embd=4, n_head=2, block_size=4, num_steps=10), ["anna", "bo", "cab"])
    session.run(until=3)
    assert len(session.losses) == 3
    after = session.params

    first = list(session.events(step=0))
    assert [event.name for event in first if event.phase == "forward"][:3] == ["embed", "embed_norm", "attn_norm"]
    assert first[-1].name == "layer0.mlp_fc2"
    assert session.moment == Moment(0, Phase.UPDATE, first[-1].last)

    session.seek(Moment(1, Phase.BACKWARD, 100))
    assert session.view().loss is not None
    session.seek(Moment(1, Phase.FORWARD, 5))
    assert session.view().loss is None

    session.run(until=3)
    assert all((session.params[name] == after[name]).all() for name in after)
    names = session.sample(5)
    assert len(names) == 5
    assert all(set(name) <= set("anbco") and len(name) <= 4 for name in names)
