"""The lines above and below the panes, place, tokens and timeline, at each width in each phase."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine import Session
from engine.timeline.events import PHASES, Moment, Phase
from microgpt_tui.debugger.frame import Context, Frame
from microgpt_tui.debugger.run_controller import PACES, Live
from microgpt_tui.drawing import theme
from microgpt_tui.explanations.sentences import title_of
from microgpt_tui.panes.base import Pane
from microgpt_tui.panes.explanation import Explanation
from microgpt_tui.panes.status_line import StatusLine
from microgpt_tui.panes.timeline import Share, Timeline
from microgpt_tui.panes.tokens import Tokens
from tests.support.harness import DOCS, SMALL, at, session

WIDTHS = (80, 100, 120, 160, 200)


def line(kind: type[Pane], frame: Frame, width: int) -> str:
    picture = kind("strip").draw(frame, width, 1)
    assert picture.height == 1
    assert picture.width <= width
    return picture.text()


def event_frame(
    name: str, pos: int | None, head: int | None = None, phase: Phase = Phase.FORWARD, step: int = 3
) -> Frame:
    """The end of an event of this step."""
    run = session()
    run.seek(Moment(step))
    found = next(s for s in run.program.events(phase) if (s.name, s.pos, s.head) == (name, pos, head))
    return at(Moment(step, phase, found.last))


def test_the_place_goes_from_large_to_small_and_counts_the_events() -> None:
    frame = event_frame("attn_weights", 2, 1)
    place = " step 3/50  FORWARD ▲  pos 2 'e' › layer 0 › head 1 › attn_weights "
    assert line(StatusLine, frame, 120).startswith(place)
    ticks = f"{frame.moment.tick:,}/{frame.program.ticks(Phase.FORWARD):,}"
    assert line(StatusLine, frame, 120).endswith(f"event {frame.event.index + 1}/89 · scalar {ticks}")
    assert " pos 2 'e' › layer 0 › head 1 › attn_weights " in line(StatusLine, frame, 80)
    assert " pos 2 'e' › L0 › head 1 › attn_weights " in line(StatusLine, frame, 76)
    assert line(StatusLine, frame, 80).endswith(f"event {frame.event.index + 1}/89")
    assert " › layer 0 › attention › q " in line(StatusLine, event_frame("q", 2), 120)


def test_the_place_in_backward_and_update() -> None:
    frame = event_frame("q", 1, None, Phase.BACKWARD)
    assert " BACKWARD ▼  pos 1 'b' › layer 0 › attention › q " in line(StatusLine, frame, 120)
    assert f" · term {frame.moment.tick:,}/" in line(StatusLine, frame, 120)
    frame = event_frame("layer0.attn_wq", None, None, Phase.UPDATE)
    assert " UPDATE ▲  layer0.attn_wq › 4×4 " in line(StatusLine, frame, 120)
    assert line(StatusLine, frame, 120).endswith(f"matrix 4/9 · parameter {frame.moment.tick}/272")


def test_inside_an_event_a_short_place_counts_scalars() -> None:
    frame = event_frame("attn_weights", 2, 1)
    inside = at(replace(frame.moment, tick=frame.moment.tick - 1))
    assert f"scalar {inside.moment.tick:,}" in line(StatusLine, inside, 80)


def test_the_line_of_tokens_has_inputs_and_targets() -> None:
    frame = event_frame("q", 1)
    for width in WIDTHS:
        assert " BOS [b] e  n  BOS    reads b, must say e" in line(Tokens, frame, width)
    segments = Tokens("tokens").draw(frame, 80, 1).lines[0].segments
    assert [s.style for s in segments if s.text.strip(" ,") == "e"] == [theme.TARGET, theme.TARGET]
    assert [s.style for s in segments if s.text == "[b]"] == [theme.NOW]


def test_the_line_of_tokens_in_backward_has_the_probability_of_the_target() -> None:
    frame = event_frame("q", 1, None, Phase.BACKWARD)
    probs = frame.program.find(Phase.FORWARD, ("probs", 1, None, None))
    assert probs is not None
    given = frame.value(int(probs.rows[frame.program.targets[1]]))
    assert given is not None
    said = f"read b, should have said e, gave it {100 * given:.1f}%"
    assert said in line(Tokens, frame, 80)
    assert f"{said}   loss {frame.view.loss:.4f}" in line(Tokens, frame, 120)


def test_the_tokens_stay_in_the_update_with_the_loss_and_the_rate() -> None:
    frame = event_frame("layer0.attn_wq", None, None, Phase.UPDATE)
    said = line(Tokens, frame, 80)
    assert said == f"  BOS  b  e  n  BOS    loss of 'ben' {frame.view.loss:.4f}   rate 0.0094 = 0.01·(1 − 3/50)"
    shown = said.rpartition("= ")[2].replace("·", "*").replace("−", "-")
    assert abs(eval(shown) - frame.config.learning_rate_at(3)) < 1e-12  # the formula is true


def test_a_document_that_is_too_long_is_called_this_document() -> None:
    run = Session(replace(SMALL, block_size=64), ["a line of a text that goes on and on"])
    frame = at(Moment(0, Phase.UPDATE, 3), run=run)
    for width in WIDTHS:
        said = line(Tokens, frame, width)
        assert f"loss {frame.view.loss:.4f}" in said.replace(" of this document", "")
        assert "rate 0.0100" in said
    assert "loss of this document " in line(Tokens, frame, 200)


@pytest.mark.parametrize("phase", PHASES)
def test_the_rate_is_there_in_every_phase_of_every_step(phase: Phase) -> None:
    for step, rate in ((0, "rate 0.0100"), (3, "rate 0.0094")):
        assert rate in line(Tokens, at(Moment(step, phase, 300 if phase is not Phase.UPDATE else 30)), 120)


def test_the_tokens_of_a_long_document_are_a_window_around_the_present_one() -> None:
    run = Session(replace(SMALL, block_size=64), ["abcdefghij" * 6])
    run.seek(Moment(0))
    end = run.program.ends(Phase.FORWARD)["q", 40, 0, None]
    for width in WIDTHS:
        said = line(Tokens, at(end, run=run), width)
        assert "[j]" in said
        assert "reads j, must say a" in said
    run = Session(SMALL, ["abcdefgh"])
    assert "the context holds 4 positions" in line(Tokens, at(Moment(0, tick=9), run=run), 120)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("phase", PHASES)
def test_the_timeline_names_all_three_phases_and_nothing_else(width: int, phase: Phase) -> None:
    said = line(Timeline, at(Moment(3, phase, 100)), width)
    assert said.split(" ")[1::2] == list(PHASES)
    assert set(said) - set(" ".join(PHASES)) <= set("━─●")
    assert len(said) == width - 1


def test_the_cells_of_the_timeline_lead_through_the_phases_in_order() -> None:
    frame = at(Moment(3, Phase.BACKWARD, 100))
    spots = list(Timeline("timeline").draw(frame, 80, 1).spots())
    moments = [spot.target.moment(frame) for spot in spots if isinstance(spot.target, Share)]
    assert sorted(moments, key=lambda moment: moment.key) == moments
    assert {moment.phase for moment in moments} == set(PHASES)
    ends = {Moment(3, phase, event.last) for phase in PHASES for event in frame.program.events(phase)}
    assert set(moments) <= ends


def test_the_timeline_of_a_forward_phase_does_not_look_for_the_way_back() -> None:
    run = Session(SMALL, ["abc"])
    run.seek(Moment(0, tick=9))
    line(Timeline, at(run.moment, run=run), 120)
    assert not {"route", "_backward"} & set(vars(run.program))


def test_only_the_first_event_of_the_backward_phase_is_marked_as_its_start() -> None:
    run = session()
    for event in run.program.events(Phase.BACKWARD):
        frame = at(Moment(3, Phase.BACKWARD, event.last))
        if frame.operation.kind == "mean":
            assert title_of(frame) == "back through the mean over the positions"
        assert "begins" not in title_of(frame)


@pytest.mark.parametrize(
    ("pace", "says"),
    [(PACES[0], "1 event a second"), (PACES[4], "3 of 5 steps a second"), (PACES[-1], "3 steps a second, flat out")],
)
def test_a_running_training_says_its_unit_once(pace: object, says: str) -> None:
    live = Live("training", 12, 50, 3.0, pace)  # type: ignore[arg-type]
    frame = Frame(session().view(), at(Moment(3)).where, Context(live=live))
    first = Explanation("explanation").draw(frame, 120, 2).text().splitlines()[0]
    assert f"training   step 12 of 50   {says}" in first
    assert first.count("a second") == 1


def test_a_wide_document_fits() -> None:
    run = Session(SMALL, DOCS)
    for step in range(3):
        for phase in PHASES:
            for width in WIDTHS:
                for kind in (StatusLine, Tokens, Timeline):
                    line(kind, at(Moment(step, phase, 200), run=run), width)
