"""How long a script may compute or wait: judged by its processor's time, and by how long somebody waited for it."""

from __future__ import annotations

from engine.script.time_limit import TimeLimit


def limit() -> TimeLimit:
    made = TimeLimit()
    made.idle, made.busiest = 10.0, 100.0
    return made


def sign(used: float, made: int = 0) -> dict[str, float]:
    return {"used": used, "made": made}


def test_one_that_waits_is_told_after_so_long() -> None:
    found = limit()
    assert found.judge(sign(1.0)) is None
    found.waited(9.0)
    assert found.judge(sign(1.05)) is None
    found.waited(1.0)
    assert found.judge(sign(1.05)) == (
        "only waited for 10 s",
        "take out what it waits for, such as a pause, a lock or another program",
    )


def test_one_that_computes_a_little_is_not_told() -> None:
    found = limit()
    for used in (1.0, 1.2, 1.4):
        assert found.judge(sign(used)) is None
        found.waited(10.0)


def test_while_nobody_waits_no_time_passes() -> None:
    found = limit()
    for _ in range(100):
        assert found.judge(sign(1.0)) is None


def test_one_that_computes_without_coming_on_is_told() -> None:
    found = limit()
    assert found.judge(sign(1.0)) is None
    assert found.judge(sign(100.0)) is None
    assert found.judge(sign(102.0)) == ("computed for 100 s", "end its loop, or give it a smaller model")


def test_scalars_and_messages_count_as_coming_on() -> None:
    found = limit()
    for used, made in ((1.0, 1), (90.0, 2), (180.0, 3)):
        assert found.judge(sign(used, made)) is None
    found.came_on()
    assert found.judge(sign(290.0, 3)) is None
    found.begin()
    assert found.judge(sign(400.0, 3)) is None
