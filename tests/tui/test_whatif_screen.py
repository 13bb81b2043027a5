"""What if on the screen: values set, ablations, branches entered, compared, listed and restored."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, OptionList

from engine import Moment, Phase, Scope, Session
from engine.checkpoint import checkpoint
from engine.interventions.syntax import parse
from engine.run.branches import Branches
from microgpt_tui.app import MicrogptApp
from microgpt_tui.debugger.frame import Focus, Frame
from microgpt_tui.drawing.curve import curves
from microgpt_tui.panes.comparison import Comparison
from microgpt_tui.panes.comparison_view import compare
from microgpt_tui.panes.status_line import StatusLine
from microgpt_tui.screens.debugger import DebuggerScreen
from microgpt_tui.storage.startup import from_file, from_saved_session
from tests.support.harness import DOCS, SMALL, debugger, notes, screen, text, until


@cache
def run() -> Session:
    """A run with some finished steps, so that branches begin far from the start."""
    session = Session(SMALL, DOCS)
    session.run(until=30)
    return session


def changed(session: Session, until_step: int, *texts: str) -> Session:
    """The same change without a screen."""
    scope = Scope(session.config, session.tokenizer)
    branch = Session(SMALL, DOCS).branch([parse(text, scope) for text in texts])
    branch.run(until_step)
    return branch


async def settled(pilot: Pilot[None]) -> None:
    """Wait until the run stands still and is shown."""
    await pilot.pause()
    await until(pilot, lambda: not screen(pilot).busy and not screen(pilot)._waiting)
    await pilot.pause()


async def press(pilot: Pilot[None], *keys: str) -> None:
    for key in keys:
        await pilot.press(key)
        await settled(pilot)


async def typed(pilot: Pilot[None], words: str) -> None:
    """Answer the question on the screen."""
    pilot.app.screen.query_one(Input).value = words
    await press(pilot, "enter")


def place(pilot: Pilot[None]) -> str:
    return screen(pilot).query_one(StatusLine).picture.text()


def compared(pilot: Pilot[None]) -> str:
    return screen(pilot).query_one(Comparison).picture.text()


async def test_e_sets_the_selected_number_in_a_branch() -> None:
    async with debugger(run=run()) as pilot:
        original = screen(pilot).session
        await press(pilot, "n", "n", "n", "e")
        await typed(pilot, "0.75")
        here = screen(pilot)
        assert here.session is not original
        assert [change.text for change in here.session.changes] == ["q[0, 0]@pos=0,step=0 = 0.75"]
        assert here.session.moment == original.moment
        assert place(pilot).startswith(" branch 1 (q[0, 0]@pos=0,step=0 = 0.75) step 0")
        assert here.frame.value(here.frame.selected) == 0.75
        assert "set to +0.7500" in text(pilot)
        assert original.changes == ()
        await press(pilot, "]", "]")
        assert here.session.losses[:2] == changed(original, 2, "q[0, 0]@pos=0,step=0 = 0.75").losses


async def test_e_takes_any_change_and_reports_errors() -> None:
    async with debugger(run=run()) as pilot:
        await press(pilot, "]", "e")
        await typed(pilot, "much")
        assert "much is given no value" in text(pilot)
        await typed(pilot, "q[0, 0]@pos=3 = 1")
        assert "so there is no q at position 3" in text(pilot) or screen(pilot).session.changes
        await press(pilot, "escape") if pilot.app.screen is not screen(pilot) else None
        await press(pilot, "e")
        await typed(pilot, "learning_rate = 0.5")
        assert screen(pilot).session.changes[-1].text == "learning_rate@step=1 = 0.5"
        assert screen(pilot).frame.config.learning_rate == 0.5


async def test_a_parameter_that_has_been_moved_is_set_for_the_next_step() -> None:
    async with debugger(run=run()) as pilot:
        await press(pilot, "end", "e")
        await typed(pilot, "1")
        assert screen(pilot).session.changes[-1].step == 1
        assert "It takes effect in step 1." in notes(pilot)


async def test_x_switches_the_head_on_the_stage_off_and_on_again() -> None:
    async with debugger(run=run()) as pilot:
        original = screen(pilot).session
        await press(pilot, *"nnnnnn", "x")
        assert [change.text for change in screen(pilot).session.changes] == ["layer0.head0@step=0 = 0"]
        await press(pilot, "x")
        assert screen(pilot).session is original
        assert not len(screen(pilot).what_if.branches)


async def test_x_asks_which_part_where_the_event_belongs_to_none() -> None:
    async with debugger(run=run()) as pilot:
        await press(pilot, "x")
        assert "What if a part were off" in text(pilot)
        assert "every residual: on" in text(pilot)
        await press(pilot, "m")
        assert "has no mean" in " ".join(note.message for note in pilot.app._notifications)
        await press(pilot, *["down"] * 5, "m")
        (change,) = screen(pilot).session.changes
        assert change.text == "layer0.mlp@step=0 = mean:20"
        await press(pilot, "X")
        assert "the MLP: off since step 0, at its mean" in text(pilot)


async def test_what_is_left_out_is_told_where_it_would_be() -> None:
    async with debugger(run=run()) as pilot:
        here = screen(pilot)
        here.navigator.go(here.session.program.ends(Phase.FORWARD)["attn_residual", 1, 0, None])
        await settled(pilot)
        assert "does not add the residual" not in text(pilot)
        await press(pilot, "x")
        assert [change.text for change in here.session.changes] == ["layer0.attn_residual@step=0 = off"]
        shown = text(pilot)
        assert "(layer0.attn_residual off)" in shown
        assert "This branch does not add the residual." in shown
        assert "x = attn" in shown
        assert "is not added to what the block made" in shown
        here.navigator.go(here.session.program.ends(Phase.BACKWARD)["attn_out", 1, 0, None])
        await settled(pilot)
        assert "goes into the block, and nowhere else" in text(pilot)
        await press(pilot, "X")
        assert "the residual past attention: off since step 0" in text(pilot)
        assert "every residual: on" in text(pilot)
        await press(pilot, "home", "enter", "X")
        assert "every residual: off since step 0" in text(pilot)
        assert "the residual past the MLP: off since step 0" in text(pilot)
        await press(pilot, "home", "enter")
        assert [change.text for change in here.session.changes] == ["layer0.attn_residual@step=0 = off"]
        await press(pilot, "e")
        await typed(pilot, "score_scale")
        here.navigator.go(here.session.program.ends(Phase.FORWARD)["attn_logits", 1, 0, 0])
        await settled(pilot)
        assert "This branch does not divide scores by √head_dim." in text(pilot)
        await press(pilot, "e")
        await typed(pilot, "bias_correction")
        here.navigator.go(here.session.program.ends(Phase.UPDATE)["lm_head", None, None, None])
        await settled(pilot)
        assert "they are used as they are" in text(pilot)
        assert "uncorrected" in text(pilot)


async def test_d_shows_both_runs_at_every_moment() -> None:
    async with debugger(run=run()) as pilot:
        await press(pilot, "d")
        assert "nothing to compare with yet" in " ".join(text(pilot).replace("│", " ").split())
        await press(pilot, "d", *"nnnnnn", "x", "]", "]", "f", "d")
        await until(pilot, lambda: "losses:" in compared(pilot))
        there = changed(run(), 2, "layer0.head0@step=0")
        there.seek(Moment(2, Phase.FORWARD, 10**9))
        assert f"branch 1 {there.view().loss:.4f}"[:12] in compared(pilot)
        assert "apart from step 0 on" in compared(pilot)
        assert "probabilities, original → branch 1" in compared(pilot)
        assert re.search(r"\d\.\d% → \d+\.\d%", compared(pilot))
        title = screen(pilot).query_one(Comparison).title_now()
        assert title == "What if ─ branch 1 (layer0.head0 off) beside original"
        await press(pilot, "f")
        await until(pilot, lambda: "wte, branch 1 minus original" in compared(pilot))


def test_no_probability_that_moved_is_cut() -> None:
    ours, theirs = run(), changed(run(), 2, "layer0.head0@step=0")
    for session in (ours, theirs):
        session.seek(Moment(2, Phase.FORWARD, 10**9))
    frame = Frame(ours.view(), Focus(ours.moment))
    for width in range(58, 131):
        lines = compare(frame, theirs.view(), "branch 1", width, 24).text().splitlines()
        moved = [line for line in lines if "% →" in line]
        assert moved
        assert all(line[-1] == "%" and len(line) <= width for line in moved), width


async def test_the_columns_of_a_comparison_over_the_vocabulary_are_named_by_their_tokens() -> None:
    session = Session(replace(SMALL, n_embd=8), ["abcdefghijklmnopqrstuvwxyz"])
    async with debugger((120, 36), run=session) as pilot:
        await press(pilot, *"nnnnnn", "x")
        here = screen(pilot)
        here.navigator.go(here.session.program.ends(Phase.FORWARD)["logits", 2, None, None])
        await press(pilot, "d")
        await until(pilot, lambda: "logits in both" in compared(pilot))
        lines = compared(pilot).splitlines()
        at = next(i for i, line in enumerate(lines) if "logits in both" in line)
        assert "".join(lines[at + 1].split()) == "abcdefghijklmnopqrstuvwxyz^"
        here.navigator.go(here.session.program.ends(Phase.UPDATE)["lm_head", None, None, None])
        await until(pilot, lambda: "lm_head, branch 1 minus original" in compared(pilot))
        assert [line[:1] for line in compared(pilot).splitlines()[2:6]] == list("abcd")


async def test_the_list_enters_compares_renames_undoes_and_removes() -> None:
    async with debugger(run=run()) as pilot:
        original = screen(pilot).session
        await press(pilot, *"nnnnnn", "x", "e")
        await typed(pilot, "beta1 = 0")
        await press(pilot, "E", "r")
        await typed(pilot, "without head 0")
        assert "without head 0" in text(pilot)
        await press(pilot, "home", "enter")
        assert screen(pilot).session is original
        await press(pilot, "E", "end", "u")
        assert [c.text for c in screen(pilot).what_if.branches["without head 0"].changes] == ["layer0.head0@step=0 = 0"]
        await press(pilot, "E", "end", "c")
        await until(pilot, lambda: "loss of this step" in compared(pilot))
        assert "original beside without head 0" in text(pilot)
        await press(pilot, "E", "end", "d")
        assert not len(screen(pilot).what_if.branches)


async def test_a_run_is_entered_where_it_was_left_or_at_this_moment() -> None:
    async with debugger(run=run()) as pilot:
        here, original = screen(pilot), screen(pilot).session
        await press(pilot, "]", *"nnnnnn")
        left = original.moment
        await press(pilot, "x", "e")
        await typed(pilot, "beta1 = 0")
        await press(pilot, "]", "f", "n")
        moment = here.session.moment
        assert moment != left
        await press(pilot, "E", "home", "enter")
        assert (here.session is original, original.moment, here.state.where.moment) == (True, left, left)
        await press(pilot, "E", "end", "u", "f", "f")  # a branch that is changed from outside stands where it stood
        await press(pilot, "E")
        assert steps_listed(pilot) == [left.step, moment.step]
        await press(pilot, "end", "enter")
        assert (here.what_if.branch, here.session.moment, here.state.where.moment) == ("branch 1", moment, moment)
        await press(pilot, "p", "E", "home", "m")
        assert (here.session is original, original.moment.phase) == (True, moment.phase)
        assert original.moment == here.what_if.branches["branch 1"].moment


def steps_listed(pilot: Pilot[None]) -> list[int]:
    """The steps at which the runs in the list of branches stand."""
    return [int(step) for step in re.findall(r"│.*?(?:original|branch 1) +step (\d+) ", text(pilot))]


async def test_a_branch_is_trained_on_and_the_original_stays() -> None:
    session = Session(SMALL, DOCS)
    async with debugger(run=session) as pilot:
        await press(pilot, *"nnnnnn", "x", "space")
        await until(pilot, lambda: "All 50 steps" in notes(pilot))
        branch = screen(pilot).session
        assert branch.losses == changed(session, 50, "layer0.head0@step=0").losses
        assert session.losses == []
        await press(pilot, "E")
        pilot.app.screen.query_one(OptionList).highlighted = 0
        await press(pilot, "m")
        await until(pilot, lambda: screen(pilot).session is session and not screen(pilot).busy)
        assert session.losses[:49] == changed(session, 49).losses


async def test_the_names_that_were_sampled_are_there_again_after_a_branch() -> None:
    session = Session(SMALL, DOCS)
    async with debugger(run=session) as pilot:
        await press(pilot, *"nnnnnn", "space")
        await until(pilot, lambda: "All 50 steps" in notes(pilot))
        found = screen(pilot)
        names = dict(found.motion.names)
        assert len(names) > 5
        found.what_if.branches.change(None, [parse("layer0.head0@step=45", Scope(SMALL, session.tokenizer))])
        found.what_if.enter("branch 1")
        await settled(pilot)
        assert found.motion.names.keys() == {45}
        found.what_if.enter(None)
        await settled(pilot)
        assert found.motion.names == names


async def opened(pilot: Pilot[object]) -> DebuggerScreen:
    await until(pilot, lambda: isinstance(pilot.app.screen, DebuggerScreen))
    found = pilot.app.screen
    assert isinstance(found, DebuggerScreen)
    await until(pilot, lambda: not found.busy)
    return found


async def test_set_values_are_marked_wherever_arithmetic_is_shown() -> None:
    async with debugger(run=run()) as pilot:
        assert "is set in this branch" not in text(pilot)
        await press(pilot, "e")
        await typed(pilot, "0.75")
        assert "embed[0] is set in this branch; the arithmetic made" in text(pilot)
        here = screen(pilot)
        here.navigator.go(here.session.program.ends(Phase.FORWARD)["probs", 0, None, None])
        here.action_pane("why")
        await settled(pilot)
        assert "set, rounding" in text(pilot)
        await press(pilot, "escape", "f", "g")
        await until(pilot, lambda: "Numbers are set in this branch." in text(pilot))
    async with debugger(run=run()) as pilot:
        await press(pilot, *["n"] * 8, "x")
        assert "2 of these numbers are set in this branch" in text(pilot)


async def test_branches_are_saved_with_the_run_and_found_again(tmp_path: Path) -> None:
    session = Session(SMALL, DOCS)
    (tmp_path / "docs").write_text("\n".join(DOCS), encoding="utf-8")
    session.run(until=3)
    branches = Branches(session)
    scope = Scope(SMALL, session.tokenizer)
    branches.change(None, [parse("layer0.head1@step=2 = mean:2", scope), parse("q[0, 1]@pos=0,step=2 = 1", scope)])
    branches.rename("branch 1", "mine")
    branches.session("mine").run(until=5)
    path = tmp_path / "run.safetensors"
    checkpoint.write(checkpoint.snapshot(session, str(tmp_path / "docs"), branches.all()), path)
    app = MicrogptApp(from_file(path, None))
    async with app.run_test(size=(120, 36)) as pilot:
        found = await opened(pilot)
        assert [(b.name, b.moment.step) for b in found.what_if.branches.all()] == [("mine", 5)]
        found.what_if.enter("mine")
        await until(pilot, lambda: found.what_if.branch == "mine" and not found.busy)
        found.navigator.go(Moment(5))
        await until(pilot, lambda: not found.busy)
        assert found.session.losses == branches.session("mine").losses
        checkpoint.write(found.what_if.snapshot(str(tmp_path / "docs")), tmp_path / "inside.safetensors")
        app.exit()
    assert app.autosave is not None
    app.autosave.finish()
    again = MicrogptApp(from_saved_session(None))
    async with again.run_test(size=(120, 36)) as pilot:
        found = await opened(pilot)
        await until(pilot, lambda: found.what_if.branch == "mine" and not found.busy)
        assert found.session.moment.step == 5
        again.exit()
    inside = MicrogptApp(from_file(tmp_path / "inside.safetensors", None))
    async with inside.run_test(size=(120, 36)) as pilot:
        found = await opened(pilot)
        await until(pilot, lambda: found.what_if.branch == "mine" and not found.busy)
        assert found.session.moment == Moment(5)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "at training step 5, in mine" in text(pilot))
        inside.exit()


def test_of_a_matrix_the_chosen_number_is_shown_at_any_height() -> None:
    session = run()
    branch = session.branch([parse("bias_correction", session.scope)])
    end = Moment(0, Phase.UPDATE, session.recording.n_params)
    for each in (session, branch):
        each.seek(end)
    event = branch.program.event_at(end)
    frame = Frame(branch.view(), Focus(end, row=int(event.rows[-1, -1])))
    for height in range(4, 40):
        picture = compare(frame, session.view(), "original", 60, height)
        assert frame.selected in [spot.target for spot in picture.spots()], picture.text()


def test_two_curves_in_one_plot() -> None:
    picture = curves([3.0, 2.0, 1.0], [3.0, 1.0], 20, 3, lambda i: i)
    assert picture.text().splitlines() == [" 3.0000┤◉", "       │ ●", " 1.0000┤ ○●"]
    assert [spot.target for spot in picture.spots()][:3] == [0, 1, 2]


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (200, 60)])
async def test_a_comparison_fits(size: tuple[int, int]) -> None:
    async with debugger(size, run()) as pilot:
        await press(pilot, *"nnnnnn", "x", "]", "d")
        for keys in ("n", "f", "n", "f"):
            await press(pilot, keys)
            await until(pilot, lambda: "loss of this step" in compared(pilot))
            pane = screen(pilot).query_one(Comparison)
            assert pane.picture.height <= pane.content_size.height


async def test_a_change_is_reported() -> None:
    async with debugger(run=run()) as pilot:
        await press(pilot, "e")
        await typed(pilot, "scalar[99999]@step=1 = 0.5")  # how many there are is known in that step
        await until(pilot, lambda: "there is no scalar 99999 in step 1" in notes(pilot))
        assert "What if:" not in notes(pilot)
        assert len(screen(pilot).what_if.branches) == 0
        await press(pilot, "e")
        await typed(pilot, "q[0, 3]@pos=1,step=1 = 0.5")
        await until(pilot, lambda: "What if: q[0, 3]@pos=1,step=1 = 0.5. It takes effect in step 1." in notes(pilot))
        assert len(screen(pilot).what_if.branches) == 1


async def test_a_change_while_the_run_starts_to_move_is_refused() -> None:
    session = Session(replace(SMALL, num_steps=100_000), DOCS)
    async with debugger(run=session) as pilot:
        here = screen(pilot)
        await press(pilot, *"nnnnnn", "x")
        for key, line in (("e", "0.5"), ("colon", "loss < 0"), ("E", "")):
            await press(pilot, key)
            here.navigator.go(Moment(90_000))  # as a page of a lecture does whose numbers have just become known
            assert here.busy
            if key == "E":
                here._wished(("remove", "branch 1"))
                await pilot.press("escape")
            else:
                pilot.app.screen.query_one(Input).value = line
                await pilot.press("enter")
            await until(pilot, lambda: "do this again when it has arrived" in notes(pilot))
            assert here.busy
            assert here.session.changes == here.what_if.branches["branch 1"].changes
            assert len(here.what_if.branches) == 1
            pilot.app.clear_notifications()
            here.motion.halt()
            await settled(pilot)


def test_a_difference_that_is_not_computed_is_not_0() -> None:
    run_ = run()
    run_.seek(Moment())
    view = run_.view()
    frame = Frame(view, Focus(run_.moment))
    before = compare(frame, view, "branch 1", 120, 30).text()
    assert "difference at every position, not computed yet" in before
    event = run_.program.events(Phase.FORWARD)[0]
    run_.seek(Moment(0, Phase.FORWARD, event.last))
    after = compare(Frame(run_.view(), Focus(run_.moment)), run_.view(), "branch 1", 120, 30).text()
    assert "difference at every position, none" in after
