"""The graph around a scalar: the right neighbours and numbers, drawn whole at every size, walked by keys."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from textual.pilot import Pilot

from engine import Config, Session
from engine.expressions.scope import Scope
from engine.expressions.watch import Watch
from engine.language.chosen import use_language
from engine.timeline.events import Moment, Phase
from microgpt_tui.debugger.frame import Frame
from microgpt_tui.debugger.graph import BOX, GraphBuilder, Placed, Subtree, placed
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.grid import Grid
from microgpt_tui.drawing.numbers import number
from microgpt_tui.panes.graph import LEAST, Graph
from tests.support.harness import at, debugger, screen, session, text

END = 10**9
SIZES = [(78, 14), (118, 24), (198, 48)]
WIDE = Session(Config(n_layer=1, n_embd=16, n_head=4, block_size=8, num_steps=50, seed=3), ["anna", "ben", "가나다"])


def row_of(name: str, run: Session | None = None) -> int:
    view = (run or session()).view()
    row = Watch(name, Scope.of(view)).row(view)
    assert row is not None
    return row


def frame_of(name: str, phase: Phase = Phase.BACKWARD, run: Session | None = None, tick: int = END) -> Frame:
    run = run or session()
    run.seek(Moment(2, phase, tick))
    return at(Moment(2, phase, tick), row_of(name, run), run=run)


def graph_of(frame: Frame, steps: tuple[int, int] = (2, 2), lines: int = 1000) -> tuple[Subtree, Subtree]:
    graph = GraphBuilder(frame).around(frame.selected, steps, lines)
    return graph.children, graph.users


def drawn(frame: Frame, width: int, height: int) -> str:
    return Graph("graph").draw(frame, width, height).text()


def test_an_element_of_q_is_a_sum_of_products_of_weights_and_inputs() -> None:
    frame = frame_of("q[0, 1]@pos=1")
    children, users = graph_of(frame)
    assert children.node.operation == "Σ 4"
    assert [each.node.name for each in children.beyond] == [f"term {i} of q[1]" for i in (1, 2, 3, 4)]
    for i, term in enumerate(children.beyond):
        weight, x = term.beyond
        assert (term.local, term.node.operation) == (1.0, "×")
        assert weight.node.name == f"layer0.attn_wq[1,{i}]"
        assert x.node.name == f"attn_norm[{i}]"
        assert (weight.local, x.local) == (x.node.data, weight.node.data)
        assert term.node.data == (weight.node.data or 0.0) * (x.node.data or 0.0)
    assert [each.node.name for each in users.beyond] == [f"→ attn_logits[{i}]" for i in (0, 1)]
    assert [each.beyond[0].node.name for each in users.beyond] == [f"sum in attn_logits[{i}]" for i in (0, 1)]


@pytest.fixture
def korean() -> Iterator[None]:
    use_language("ko")
    yield
    use_language("en")


@pytest.mark.usefixtures("korean")
def test_what_uses_a_scalar_is_called_by_its_goal_in_every_language() -> None:
    children, users = graph_of(frame_of("q[0, 1]@pos=1"))
    assert [each.node.name for each in children.beyond] == [f"q[1]의 항 {i}" for i in (1, 2, 3, 4)]
    assert [each.node.name for each in users.beyond] == [f"→ attn_logits[{i}]" for i in (0, 1)]
    assert [each.beyond[0].node.name for each in users.beyond] == [f"attn_logits[{i}] 안의 합" for i in (0, 1)]


def test_gradients_are_local_gradients_times_those_of_the_users() -> None:
    for name in ("q[0, 1]@pos=1", "attn_weights[0, 0, 0]@pos=1", "embed[2]@pos=0", "layer0.attn_wq[1, 2]"):
        frame = frame_of(name)
        _, users = graph_of(frame, (0, 1))
        whole = sum(each.times * (each.local or 0.0) * (each.node.grad or 0.0) for each in users.beyond)
        assert users.node.grad == pytest.approx(whole, rel=1e-12), name


def test_a_share_of_the_softmax() -> None:
    children, _ = graph_of(frame_of("attn_weights[0, 1, 0]@pos=2"))
    exp, one_over = children.beyond
    assert [exp.node.operation, one_over.node.operation] == ["exp", "^-1"]
    (total,) = one_over.beyond
    assert total.node.name == "total"
    assert total.node.operation == "Σ 3"


def test_scalars_not_yet_computed_are_empty_and_have_no_local_gradient() -> None:
    frame = at(session().program.ends(Phase.FORWARD)["q", 1, 0, None])
    frame = at(frame.moment, row_of("q[0, 1]@pos=1"))
    children, users = graph_of(frame)
    assert all(each.local == 1.0 and each.node.grad is None for each in children.beyond)
    assert all(each.local is None and each.node.data is None for each in users.beyond)


def test_a_parameter_has_no_children_and_a_user_at_each_position() -> None:
    frame = frame_of("layer0.attn_wq[1, 2]")
    children, users = graph_of(frame)
    assert not children.beyond
    assert [each.node.name for each in users.beyond] == [f"→ q[1]@pos={pos}" for pos in range(frame.program.n)]


def test_a_square_counts_its_base_twice() -> None:
    _, users = graph_of(frame_of("embed[2]@pos=0"), (0, 1))
    assert any(each.times == 2 for each in users.beyond)
    assert "2×" in drawn(frame_of("embed[2]@pos=0"), 118, 24)


def test_large_sums_are_folded_to_the_largest_terms_with_what_the_others_add() -> None:
    frame = frame_of("q[0, 0]@pos=1", run=WIDE)
    children, _ = graph_of(frame, (1, 0), lines=4 * BOX + 1)
    terms = [frame.value(row) or 0.0 for row in frame.explain.terms(frame.selected)]
    shown = [each.node.data or 0.0 for each in children.beyond]
    assert len(shown) == 4
    assert sorted(map(abs, shown)) == sorted(map(abs, terms))[-4:]
    assert children.left_out == 12
    assert children.rest is not None
    assert sum(shown) + children.rest == pytest.approx(frame.value(frame.selected))
    assert "and 12 more, together " in drawn(frame, 78, 16)


def test_the_last_addition_to_a_gradient_is_marked() -> None:
    run = session()
    run.seek(Moment(2, Phase.BACKWARD, 40))
    child, user = int(run.program.receivers[39]), int(run.program.edges[39]) >> 1
    frame = at(Moment(2, Phase.BACKWARD, 40), child)
    assert any(each.new for each in graph_of(frame)[1].beyond), user
    lines = Graph("graph").draw(frame, 118, 24).lines
    assert any(s.style == theme.NEW and "◂" in s.text for line in lines for s in line.segments)


@pytest.mark.parametrize("name", ["q[0, 0]@pos=1", "probs[0]@pos=0", "loss", "lm_head[1, 1]", "embed[0]@pos=0"])
@pytest.mark.parametrize("size", SIZES)
def test_boxes_do_not_overlap_and_the_picture_fits(name: str, size: tuple[int, int]) -> None:
    for run in (session(), WIDE):
        frame = frame_of(name, run=run)
        pane = Graph("graph")
        picture = pane.draw(frame, *size)
        assert picture.width <= size[0]
        layout: Placed = pane._layout
        taken = [(box.column, box.y + i) for box in layout.boxes for i in range(BOX)]
        taken += [(more.column, more.y) for more in layout.folded]
        assert len(set(taken)) == len(taken)
        rows = {box.node.row for box in layout.boxes}
        assert rows <= {spot.target for spot in picture.spots()}
        assert number(frame.value(frame.selected)) in picture.text()


def test_one_layout_holds_every_box_once() -> None:
    frame = frame_of("q[0, 0]@pos=1")
    layout = placed(GraphBuilder(frame).around(frame.selected, (2, 2), 60))
    assert list(layout.columns) == [-2, -1, 0, 1, 2]
    assert 2 + len("+0.0000 ∂ +0.0000") <= LEAST


def test_lines_join_and_wide_characters_are_never_halved() -> None:
    grid = Grid(6, 3)
    grid.across(0, 4, 1, theme.FAINT)
    grid.down(2, 0, 2, theme.FAINT)
    assert grid.picture().text().splitlines()[1] == "──┼──"
    grid.text(0, 0, "가나")
    grid.text(1, 0, "x")
    assert grid.picture().text().splitlines()[0] == " x나"
    assert all(line.width == 6 for line in grid.picture().lines)


def pane(pilot: Pilot[None]) -> Graph:
    return screen(pilot).query_one("#graph", Graph)


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (200, 60)])
async def test_arrows_move_enter_follows_and_backspace_returns(size: tuple[int, int]) -> None:
    run = Session(Config(n_layer=1, n_embd=4, n_head=2, block_size=4, num_steps=50, seed=3), ["anna", "ben"])
    async with debugger(size, run) as pilot:
        await pilot.press("n", "n", "n", "G")  # the first q
        await pilot.pause()
        row = screen(pilot).frame.selected
        assert "Graph" in text(pilot)
        await pilot.press("left", "down")
        here = pane(pilot)._layout.boxes[pane(pilot)._at]
        assert here.column == -1
        assert here.node.name in pane(pilot).picture.text()
        await pilot.press("enter")
        await pilot.pause()
        assert screen(pilot).frame.selected == here.node.row
        await pilot.press("right")
        assert pane(pilot)._layout.boxes[pane(pilot)._at].column == 1
        await pilot.press("backspace")
        await pilot.pause()
        assert screen(pilot).frame.selected == row
        await pilot.press("G")
        assert not pane(pilot).display


async def test_a_click_on_a_box_puts_it_in_the_middle() -> None:
    async with debugger() as pilot:
        await pilot.press("G")
        await pilot.pause()
        child = pane(pilot)._layout.boxes[1].node.row
        spot = next(s for s in pane(pilot).picture.spots() if s.target == child)
        await pilot.click("#graph", offset=(spot.x + 2, spot.y + 1))
        await pilot.pause()
        assert screen(pilot).frame.selected == child
