"""The map: the network of a position in three forms, in every phase; clicks and keys lead along its edges."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from textual import events

from engine import Config, Session
from engine.interventions.syntax import parse
from engine.timeline.events import PHASES, Moment, Phase
from microgpt_tui.debugger.frame import Choice, Focus, Frame
from microgpt_tui.debugger.network import network_of
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.numbers import plain
from microgpt_tui.drawing.picture import Picture
from microgpt_tui.panes.base import Pane
from microgpt_tui.panes.map import Map
from microgpt_tui.panes.path_line import PathLine
from tests.support.harness import click_on, debugger, drawn, go, name, screen, text

CONFIGS = {
    "none": (Config(n_layer=0, n_embd=4, n_head=2, block_size=4, num_steps=5, seed=3), "anna"),
    "plain": (Config(n_layer=1, n_embd=16, n_head=4, block_size=8, num_steps=5, seed=3), "bill"),
    "one head": (Config(n_layer=1, n_embd=4, n_head=1, block_size=4, num_steps=5, seed=3), "anna"),
    "layers": (Config(n_layer=3, n_embd=16, n_head=8, block_size=8, num_steps=5, seed=3), "mignon"),
    "four": (Config(n_layer=4, n_embd=8, n_head=2, block_size=4, num_steps=5, seed=3), "anna"),
    "korean": (Config(n_layer=1, n_embd=8, n_head=4, block_size=16, num_steps=5, seed=3), "가나 다라마바사"),
}  # fmt: skip
COLUMN, ZOOMED, SMALL = (26, 26), (118, 27), (78, 15)


@cache
def run_of(which: str) -> Session:
    config, doc = CONFIGS[which]
    return Session(config, [doc])


def at(
    which: str, phase: Phase, tensor: str, pos: int | None = None, layer: int | None = None, head: int | None = None
) -> Frame:
    run = run_of(which)
    run.seek(Moment())
    found = next(
        s for s in run.program.events(phase)
        if s.name == tensor and s.pos == pos and layer in (None, s.layer) and head in (None, s.head)
    )  # fmt: skip
    run.seek(Moment(0, phase, found.last))
    return Frame(run.view(), Focus(run.moment))


def draw(frame: Frame, size: tuple[int, int]) -> Picture:
    return Map("m").draw(frame, *size)


def styles(picture: Picture, line: int) -> dict[str, object]:
    return {segment.text.strip(): segment.style for segment in picture.lines[line].segments}


def line_of(picture: Picture, word: str) -> int:
    return next(i for i, line in enumerate(picture.text().splitlines()) if word in line)


def test_the_column_in_the_forward_phase() -> None:
    frame = at("plain", Phase.FORWARD, "q", 2)
    picture = draw(frame, COLUMN)

    def norm(tensor: str, layer: int | None = None) -> str:
        rows = frame.tensor(tensor, 2, layer)
        assert rows is not None
        return plain(float(np.linalg.norm(frame.view.data(rows).values)))

    embed, embed_norm, attn_norm = norm("embed"), norm("embed_norm"), norm("attn_norm", 0)
    first, second = (f"{frame.value(int(frame.program.tensors['loss_t', p, None, None][0])):.1f}" for p in (0, 1))
    assert (
        picture.text()
        == f"""\
 ▲ loss                 ·
 ▲ loss_t               ·
 ▲ probs 4              ·
 ▲ logits 4             ·
 ┃
 ○◀─┐ x + mlp           ·
 ┃  │ fc2               ·
 ┃  │ relu 64           ·
 ┃  │ fc1 64            ·
 ┣──┘ norm              ·
 ┃
 ○◀─┐ x + attn          ·
 ┃  │ out               ·
 ┃  │ head_out   h0 1 2 3
 ┃  │ weights    h0 1 2 3
 ┃  │ logits     h0 1 2 3
 ┃  │ q k v ◂kept BOS b
 ┣──┘ norm{attn_norm:>15}
 ┃
 ┃ norm{embed_norm:>18}
 ┃ embed{embed:>17}
 ┗ wte[i], wpe[2]

 pos  BOS   b   i   l   l
 loss {first} {second}   ·   ·   ·
 done ■■■ ■■■ ▣·· ··· ···"""
    )
    assert Map("m").heading(frame) == "Map ─ pos 2 i |x|"


def test_the_present_is_lit_the_past_bright_and_the_future_dim() -> None:
    picture = draw(at("plain", Phase.FORWARD, "q", 2), COLUMN)
    here = line_of(picture, "q k v")
    assert picture.focus == here
    found = styles(picture, here)
    assert (found["q"], found["k"]) == (theme.NOW, theme.DIM)
    assert picture.lines[here].segments[1].style == theme.PHASE_TEXT["forward"]  # the stream passes the block by
    assert styles(picture, line_of(picture, "fc2"))["fc2"] == theme.DIM
    assert picture.lines[line_of(picture, "fc2")].segments[1].style == theme.FAINT
    assert styles(picture, line_of(picture, "embed"))["embed"] == theme.TEXT
    lit = [s.text for line in picture.lines for s in line.segments if s.style in (theme.NOW, theme.NEW)]
    assert [piece.strip() for piece in lit] == ["q", "i", "▣"]


def test_heads_have_states_of_their_own() -> None:
    picture = draw(at("plain", Phase.FORWARD, "attn_weights", 1, 0, 2), COLUMN)
    found = styles(picture, line_of(picture, "weights"))
    assert [found[number] for number in "0123"] == [theme.TEXT, theme.TEXT, theme.NOW, theme.DIM]


def test_the_column_in_the_backward_phase() -> None:
    frame = at("plain", Phase.BACKWARD, "mlp_residual", 2)
    picture = draw(frame, COLUMN)
    lines = picture.text().splitlines()
    rows = frame.tensor("mlp_residual", 2, 0)
    assert rows is not None
    norm = plain(float(np.linalg.norm(frame.view.grad(rows).values)))
    assert lines[:4] == [f" ▼ ∂{name}{plain(value):>{21 - len(name)}}" for name, value in (
        ("loss", 1.0), ("loss_t", 0.2), ("probs 4", grad_norm(frame, "probs")), ("logits 4", grad_norm(frame, "logits"))
    )]  # fmt: skip
    assert lines[5] == f" ◉──┐ ∂x + mlp{norm:>11}"
    assert lines[6] == " ┃  │ ∂fc2              ·"
    assert lines[9] == " ○◀─┘ ∂norm             ·"
    assert lines[11].startswith(" ○──┐ ∂x + attn")
    assert lines[-1] == " done ··· ··· ▣·· ■■■ ■■■"
    assert (
        picture.lines[6].segments[1].style == theme.PHASE_TEXT["backward"]
    )  # the gradient has passed the block unchanged
    assert styles(picture, 5)["∂x + mlp"] == theme.NOW


def grad_norm(frame: Frame, tensor: str) -> float:
    rows = frame.tensor(tensor, frame.pos)
    assert rows is not None
    return float(np.linalg.norm(frame.view.grad(rows).values))


def test_where_a_matrix_becomes_complete_its_users_are_marked() -> None:
    frame = at("plain", Phase.BACKWARD, "lm_head")
    picture = draw(frame, COLUMN)
    assert styles(picture, line_of(picture, "∂logits 4"))["∂logits"] == theme.NEW
    assert Map("m").heading(frame) == "Map ─ ∂lm_head ─ |∂|"


def test_the_update_says_how_far_it_is_and_how_large_each_step_was() -> None:
    frame = at("plain", Phase.UPDATE, "layer0.attn_wq")
    lines = draw(frame, COLUMN).text().splitlines()
    norms = frame.view.norms("wte")
    assert norms is not None
    share = f"{100 * norms.update / norms.weight:.2f}%"
    assert [line.split()[:2] for line in lines if line.strip()][:6] == [
        ["■", "wte"], ["■", "wpe"], ["■", "lm_head"], ["layer", "0"], ["▸", "attn_wq"], ["□", "attn_wk"],
    ]  # fmt: skip
    assert share in lines[line_of(draw(frame, COLUMN), "wte")]
    assert lines[-2:] == [" |step| as % of |weight|", " click one to go there"]
    wide = draw(frame, ZOOMED).text()
    assert share in wide
    assert plain(norms.gradient) in wide
    assert "layer0.attn_wq" in wide


def test_layers_fold_and_the_present_one_unfolds() -> None:
    frame = at("layers", Phase.FORWARD, "q", 2, 1)
    lines = draw(frame, COLUMN).text().splitlines()
    assert any(line.startswith(" ○◀─ layer 2 ") for line in lines)
    done = next(line for line in lines if line.startswith(" ○◀─ layer 0 "))
    added = [frame.tensor(name, 2, 0) for name in ("attn_out", "mlp_fc2")]
    assert done.split()[3:] == [f"{np.linalg.norm(frame.view.data(r).values):.2f}" for r in added if r is not None]
    assert sum("q k v" in line for line in lines) == 1
    last = draw(at("layers", Phase.FORWARD, "q", 2, 2), COLUMN).text()
    assert "layer 2" not in last
    tall = draw(frame, (28, 60)).text()  # where there is room for all of them, none folds
    assert "layer" not in tall
    assert tall.count("q k v") == 3


def test_a_folded_layer_leads_to_its_end() -> None:
    frame = at("layers", Phase.FORWARD, "q", 2, 1)
    picture = draw(frame, COLUMN)
    y = line_of(picture, "layer 2")
    (target,) = {target for _, _, target in picture.lines[y].spots}
    assert isinstance(target, Moment)
    assert frame.program.event_at(target).place == ("mlp_residual", 2, 2, None)


@pytest.mark.parametrize("which", CONFIGS)
@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("size", [(22, 12), (24, 21), COLUMN, SMALL, ZOOMED, (196, 50)])
def test_at_every_size_it_fits_and_the_present_is_in_sight(which: str, phase: Phase, size: tuple[int, int]) -> None:
    run = run_of(which)
    run.seek(Moment())
    events = run.program.events(phase)
    for event in events[:: max(1, len(events) // 12)]:
        run.seek(Moment(0, phase, event.last))
        frame = Frame(run.view(), Focus(run.moment))
        picture = draw(frame, size)
        assert picture.width <= size[0], (event.place, picture.text())
        if not event.is_parameter or phase is Phase.UPDATE:
            assert picture.focus is not None
        assert "nan" not in picture.text()
        PathLine("p").draw(frame, size[0], 1)


@pytest.mark.parametrize("phase", [Phase.FORWARD, Phase.BACKWARD])
@pytest.mark.parametrize("size", [COLUMN, ZOOMED])
def test_every_tensor_of_the_position_leads_to_where_it_is_complete(phase: Phase, size: tuple[int, int]) -> None:
    frame = at("plain", phase, "q", 2)
    targets = {spot.target for spot in draw(frame, size).spots() if isinstance(spot.target, Moment)}
    for place, moment in frame.ends.items():
        if place[1] == 2:
            assert moment in targets, place


def test_nothing_is_shown_before_it_is_computed() -> None:
    run = run_of("plain")
    run.seek(Moment())
    ends = [s for s in run.program.events(Phase.FORWARD) if s.pos == 1]
    for event in ends:
        run.seek(Moment())
        run.view().workspace.data[event.rows] = 7.25e77
        run.seek(Moment(0, Phase.FORWARD, ends[0].first + 1))
        for size in (COLUMN, ZOOMED):
            assert "e+7" not in draw(Frame(run.view(), Focus(run.moment)), size).text()
    run_of.cache_clear()


def test_nothing_passes_a_branch_where_the_residual_is_left_out() -> None:
    run = run_of("plain")
    branch = run.branch([parse("layer0.mlp_residual", run.scope)])

    def column(phase: Phase) -> list[str]:
        branch.seek(Moment(0, phase, 10**9))
        lines = draw(Frame(branch.view(), Focus(branch.moment)), COLUMN).text().splitlines()
        first = next(i for i, line in enumerate(lines) if "mlp" in line)
        return [line[:14].rstrip() for line in lines[first : first + 7]]

    assert column(Phase.FORWARD) == [
        " ○◀─┐ x = mlp", "    │ fc2", "    │ relu 64", "    │ fc1 64", " ┗──┘ norm", " ┃", " ○◀─┐ x + attn",
    ]  # fmt: skip
    assert column(Phase.BACKWARD) == [
        " ◉──┐ ∂x = mlp", "    │ ∂fc2", "    │ ∂relu 64", "    │ ∂fc1 64", " ◉◀─┘ ∂norm", " ┃", " ◉──┐ ∂x + att",
    ]  # fmt: skip
    branch.seek(Moment(0, Phase.FORWARD, 10**9))
    path = PathLine("p").draw(Frame(branch.view(), Focus(branch.moment)), 120, 1).text()
    assert " out ▸ +x ▸ norm ▸ fc1 ▸ relu ▸ fc2 ▸ = ▸ logits " in path
    network = network_of(branch.program, 2)
    (node,) = (node for node in network.nodes if node.name == "mlp_residual")
    assert [read.name for read in network.reads(node)] == ["mlp_fc2"]
    assert [each.added for each in network.branches] == [True, False]


def test_zoomed_it_shows_the_tensors_and_what_stands_around_them() -> None:
    frame = at("plain", Phase.FORWARD, "attn_weights", 2, 0, 1)
    shown = draw(frame, ZOOMED).text()
    for word in ("All positions", "Kept so far, head 1", "Weights", "numbers in all", "attn_weights 4×3", "mlp_relu 64",
                 "head 0  head 1  head 2  head 3", "attn_weights, head 1", "▸ head_out 4", "◂ attn_logits 3",
                 "wte[i], wpe[2]"):  # fmt: skip
        assert word in shown, shown
    lines = shown.splitlines()
    assert next(line for line in lines if line.startswith(" attn ")).split()[1:6] == ["■", "■", "▣", "□", "□"]
    assert any(isinstance(spot.target, Choice) for spot in draw(frame, ZOOMED).spots())
    kept = [line for line in lines if line[:7] in ("  0 BOS", "  1 b  ", "  2 i  ")]
    assert len(kept) == 3


LARGE, LARGE_COLUMN = (198, 48), (26, 38)


@pytest.mark.parametrize("size", [(158, 34), LARGE, (26, 34), LARGE_COLUMN])
@pytest.mark.parametrize("phase", [Phase.FORWARD, Phase.BACKWARD])
def test_it_uses_the_height_for_larger_cells(size: tuple[int, int], phase: Phase) -> None:
    frame = at("plain", phase, "q", 2)
    picture = draw(frame, size)
    assert picture.height <= size[1]
    blank = [line for line in picture.text().splitlines() if not line.strip(" ")]
    assert len(blank) <= size[1] // 5, picture.text()
    stream = {"embed_norm"} if phase is Phase.FORWARD else {"mlp_residual", "attn_residual"}
    for tensor in stream:
        end = next(end for place, end in frame.ends.items() if place[:2] == (tensor, 2))
        assert sum(any(target == end for _, _, target in line.spots) for line in picture.lines) >= 2


def test_what_is_not_made_has_no_colours_below_its_name() -> None:
    frame = at("plain", Phase.FORWARD, "q", 2)
    for size in (LARGE, LARGE_COLUMN):
        picture = draw(frame, size)
        later = {end for place, end in frame.ends.items() if end.tick > frame.moment.tick}
        for line in picture.lines:
            for segment in line.segments:
                coloured = segment.style and segment.style.bgcolor and segment.style != theme.NOW
                targets = {target for _, _, target in line.spots}
                assert not coloured or not targets <= later, segment


@pytest.mark.parametrize("height", [12, 30])
def test_zoomed_bars_of_the_update_reach_as_far_as_there_is_room(height: int) -> None:
    picture = draw(at("plain", Phase.UPDATE, "layer0.mlp_fc2"), (118, height))
    assert picture.height <= height
    assert max(line.count("█") for line in picture.text().splitlines()) > 20
    names = [y for y, line in enumerate(picture.text().splitlines()) if "×" in line]
    assert names[1] - names[0] == (2 if height == 30 else 1)


def test_zoomed_on_a_small_terminal_branches_that_are_not_at_work_fold() -> None:
    lines = draw(at("plain", Phase.FORWARD, "attn_weights", 2, 0, 1), SMALL).text().splitlines()
    assert any(line.startswith(" ○◀─ ") and "x + mlp" in line for line in lines)
    assert not any("mlp_fc1" in line for line in lines)
    assert "All positions" not in "\n".join(lines)


def test_where_heads_have_no_room_side_by_side_the_one_at_work_has_it_all() -> None:
    frame = at("layers", Phase.FORWARD, "attn_weights", 5, 1, 6)
    picture = draw(frame, SMALL)
    y = line_of(picture, "attn_weights 8×6")
    rows = frame.tensor("attn_weights", 5, 1, 6)
    assert rows is not None
    assert plain(float(np.linalg.norm(frame.view.data(rows).values))) in picture.text().splitlines()[y]


@pytest.mark.parametrize(("head", "shown"), [(0, "h01234›"), (4, "‹23456›"), (7, "‹34567")])
def test_heads_that_have_no_room_are_told_of(head: int, shown: str) -> None:
    picture = draw(at("layers", Phase.FORWARD, "attn_weights", 2, 0, head), (24, 24))
    (line,) = [line for line in picture.text().splitlines() if "weights" in line]
    assert line.split()[-1] == shown


def test_without_a_stream_functions_are_named() -> None:
    lines = draw(at("none", Phase.FORWARD, "logits", 1), COLUMN).text().splitlines()
    assert [line.strip() for line in lines if len(line.split()) == 1][:3] == ["document_loss", "loss_at", "gpt"]
    assert not any("┃" in line or "┣" in line for line in lines)


def test_the_path_is_the_network_in_one_line() -> None:
    frame = at("plain", Phase.FORWARD, "attn_weights", 2, 0, 1)
    path = PathLine("p").draw(frame, 80, 1)
    assert path.text() == " embed▸ norm▸ norm▸ q k v▸ head 1▸ out▸ +x▸ mlp▸ +x▸ logits▸ probs▸ loss_t▸ loss"
    wide = PathLine("p").draw(frame, 100, 1).text()
    assert wide.startswith(" embed ▸ norm ▸ norm ▸ q k v ▸ head 1 ▸ out")
    assert styles(path, 0)["head 1"] == theme.NOW
    back = PathLine("p").draw(at("plain", Phase.BACKWARD, "mlp_fc1", 2), 80, 1)
    assert back.text() == " loss▸ loss_t▸ probs▸ logits▸ +x▸ fc2▸ relu▸ fc1▸ norm▸ +x▸ attn▸ norm▸ embed"
    assert styles(back, 0)["fc1"] == theme.NOW
    update = PathLine("p").draw(at("plain", Phase.UPDATE, "layer0.attn_wq"), 80, 1).text()
    assert update.startswith(" ■wte ■wpe ■lm_head attn_wq □attn_wk")


def test_a_long_path_keeps_the_present_in_sight() -> None:
    frame = at("four", Phase.FORWARD, "mlp_relu", 2, 2)
    path = PathLine("p").draw(frame, 40, 1)
    assert path.width <= 40
    assert "relu" in path.text()
    assert path.text().endswith("…")


def test_tooltips_name_size_norm_and_line() -> None:
    frame = at("plain", Phase.FORWARD, "v", 2)
    pane = Map("m")
    pane.frame = frame
    event = frame.program.find(Phase.FORWARD, ("q", 2, 0, None))
    assert event is not None
    said = pane.tooltip_for(Moment(0, Phase.FORWARD, event.last))
    norm = plain(float(np.linalg.norm(frame.view.data(event.rows).values)))
    assert said == f"q, layer 0 · 16 numbers · |x| {norm} · layer0.attn_wq · engine/model/gpt.py:{event.line}"
    later = frame.program.find(Phase.FORWARD, ("attn_weights", 2, 0, 3))
    assert later is not None
    assert "head 3 · 3 numbers · |x| · ·" in f"{pane.tooltip_for(Moment(0, Phase.FORWARD, later.last))} ·"


# On the screen.


async def test_clicks_and_arrow_keys_go_along_the_edges() -> None:
    async with debugger((120, 36)) as pilot:
        here = screen(pilot)
        picture = here.query_one("#map", Pane).picture
        k = next(s for s in picture.spots() if "".join(t.text for t in picture.lines[s.y].segments)[s.x : s.end] == "k")
        await click_on(pilot, "map", k.target)
        assert name(pilot) == "k"
        assert here.focused is here.query_one("#map")
        for key, tensor in (("left", "q"), ("up", "attn_logits"), ("up", "attn_weights"), ("down", "attn_logits"),
                            ("down", "k"), ("down", "attn_norm"), ("down", "embed_norm"), ("down", "embed"),
                            ("down", "embed")):  # fmt: skip
            await go(pilot, key)
            assert name(pilot) == tensor, key
        await go(pilot, "f", "up")
        assert (here.session.moment.phase, name(pilot)) == (Phase.BACKWARD, "embed_norm")


async def test_heads_are_siblings_and_so_are_the_matrices_of_the_update() -> None:
    async with debugger((120, 36)) as pilot:
        here = screen(pilot)
        await go(pilot, "1", *["n"] * 6)
        assert (name(pilot), here.frame.stage_event.head) == ("attn_logits", 0)
        await go(pilot, "right")
        assert (name(pilot), here.frame.stage_event.head) == ("attn_logits", 1)
        await go(pilot, "f", "f", "down")
        matrices = list(here.session.recording.matrices)
        at = matrices.index(name(pilot))
        await go(pilot, "up")
        assert name(pilot) == matrices[at - 1]


async def test_its_key_brings_it_up_then_the_outline_then_neither() -> None:
    async with debugger((80, 24)) as pilot:
        for shown in ("map", "program", "stage"):
            await pilot.press("1")
            await pilot.pause()
            assert set(drawn(pilot)) & {"map", "program", "stage"} == {shown}
    async with debugger((120, 36)) as pilot:
        grid = screen(pilot).grid
        await pilot.press("1")
        await pilot.pause()
        before = drawn(pilot)  # with the hint on keys of the chosen map
        assert (grid.zoomed, grid.chosen and grid.chosen.id) == (None, "map")
        await pilot.press("1")
        assert grid.zoomed == "program"
        await pilot.press("1")
        await pilot.pause()
        assert (drawn(pilot), grid.chosen and grid.chosen.id) == (before, "map")
        await pilot.press("z")
        await pilot.pause()
        assert "All positions" in text(pilot)
        await pilot.press("z")
        await pilot.pause()
        assert drawn(pilot) == before


async def test_the_path_stands_where_the_map_has_no_place() -> None:
    async with debugger((80, 24)) as pilot:
        assert "embed▸ norm" in text(pilot) or "embed ▸ norm" in text(pilot)
    async with debugger((100, 30)) as pilot:
        assert "embed▸ norm" not in text(pilot)
        assert "embed ▸ norm" not in text(pilot)
        assert "map" in drawn(pilot)


@pytest.mark.parametrize("zoomed", [False, True])
async def test_the_wheel_folds_and_unfolds_the_network(zoomed: bool) -> None:
    run = run_of("four")
    async with debugger((120, 40), run) as pilot:
        pane = screen(pilot).query_one("#map", Map)
        if zoomed:
            await go(pilot, "1", "z")

        async def turned(wheel: type[events.MouseEvent], notches: int = 1) -> str:
            for _ in range(notches):
                pane.post_message(wheel(pane, 5, 5, 0, 0, 0, False, False, False))
                await pilot.pause()
            return pane.picture.text()

        fitting = pane.picture.text()
        assert "layer 1" in fitting
        assert "layer 1" not in await turned(events.MouseScrollUp, 4)  # each in full
        assert "layer 1" in await turned(events.MouseScrollDown, 6)
        assert fitting.count("norm") > pane.picture.text().count("norm")  # of the branches, that at work
        turns = 0
        while await turned(events.MouseScrollUp) != fitting:
            turns += 1
            assert turns < 4
        assert screen(pilot).state.where.folding is None  # and stays as large as there is room for
