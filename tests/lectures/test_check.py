"""A lecture is checked against a run: every moment has to exist, every number to be known where it is quoted."""

from __future__ import annotations

import itertools
import math
import random
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from engine import Config, Moment, Scope, Session
from engine.interventions.syntax import parse
from engine.timeline.events import Phase
from microgpt_tui.drawing.markdown import without_literals
from microgpt_tui.lectures.binding import bind
from microgpt_tui.lectures.check import check_lecture
from microgpt_tui.lectures.parser import read_chapter
from microgpt_tui.lectures.rendered_page import Poll, page_lines, render_page, render_pages
from microgpt_tui.lectures.sample_place import SamplePlace
from microgpt_tui.panes.registry import screen_names
from tests.support.reference_model import PlainGPT, post_order

HEAD = "config: n_embd=4, n_head=2, block_size=4, num_steps=30\ndata: docs.txt\n"


@cache
def opened(config: Config, docs: tuple[str, ...]) -> Session:
    return Session(config, docs)


def write(tmp_path: Path, pages: str) -> Path:
    (tmp_path / "docs.txt").write_text("anna\nbo\neve\n", encoding="utf-8")
    file = tmp_path / "one.md"
    file.write_text(pages.replace("---\n", "---\n" + HEAD, 1), encoding="utf-8")
    return file


def mistakes(tmp_path: Path, pages: str) -> list[str]:
    file = write(tmp_path, pages)
    _, found = check_lecture(file, "en", lambda config, docs: opened(config, tuple(docs)), screen_names())
    return [str(each).removeprefix(str(file)) for each in found]


def run(tmp_path: Path) -> Session:
    return opened(Config(n_embd=4, n_head=2, block_size=4, num_steps=30), ("anna", "bo", "eve"))


@pytest.mark.parametrize(
    ("page", "line", "says"),
    [
        ("moment: step 31\n---\n# T\n", 4, "no step 31"),
        ("moment: nowhere\n---\n# T\n", 4, "no event is called 'nowhere'"),
        ("moment: update q\n---\n# T\n", 4, "has no q"),
        ("focus: q[0, 9]\n---\n# T\n", 4, "index of q is 9"),
        ("focus: head 2\n---\n# T\n", 4, "no head 2"),
        ("moment: step 0\nfocus: q[0, 3]@pos=3\n---\n# T\n", 5, "no scalar that is there"),
        ("spotlight: screen\n---\n# T\n", 4, "no pane is called 'screen'"),
        ("figure: '{loss}'\nmoment: step 0\n---\n# T\n", 4, "{loss} is not known at step 0"),
        ("moment: step 0\n---\n# T\n\nfirst {n},\nthen {loss}\n", 9, "{loss} is not known"),
        ("---\n# T\n\n{doc:.2f}\n", 7, "which :.2f cannot write"),
        ("---\n# T\n\n{n:.2q}\n", 7, "{n:.2q}: '.2q' is no format of Python's; write for example .2f"),
        ("---\n# T\n\n{n:=^^3}\n", 7, "is no format of Python's"),
        ("---\n# T\n\n{n:999999999}\n", 7, "a width or a precision is at most 200"),
        ("---\n# T\n\n{n:.201f}\n", 7, "a width or a precision is at most 200"),
        ("---\n# T\n\n{n!x}\n", 7, "no conversion is called 'x'; write !r, !s or !a"),
        ("---\n# T\n\n{doc!r:.2f}\n", 7, "'.2f' is no format"),
        ("---\n# T\n\n{doc:08d}\n", 7, "is 'bo', which :08d cannot write"),
        ("---\n# T\n\n{learning_rate:d}\n", 7, "is 0.01, which :d cannot write"),  # instead of a wrong 0
        ("---\n# T\n\n{wte[0, 0] * 1e300:c}\n", 7, "which :c cannot write"),
        ("---\n# T\n\na\nb ![x](y.png)\n", 8, "a page cannot show an image"),
        ("---\n# T\n\n<div>\n<img src=a>\n</div>\n", 7, "a page cannot show the HTML tag <div>"),
        ("---\n# T\n\nsome <b>x</b>\n", 7, "a page cannot show the HTML tag <b>"),
        ("---\n# T\n\nsome\n<!-- x -->\n", 8, "a page cannot show a comment of HTML"),
        ("---\n# T\n\na\n<IMG src=a>\n", 8, "a page cannot show the HTML tag <IMG>"),
        ("---\n# T\n\na\n\n***\n", 9, "a page cannot show a horizontal rule"),
        ("---\n# T\n\n> a\n", 7, "a page cannot show a block quotation"),
        ("---\n# T\n\n[a](http://b/)\n", 7, "a page cannot show the address of a link"),
        ("notes: |\n  a\n\n  ![b](c)\n---\n# T\n", 7, "a page cannot show an image"),
        ("---\n# T\n\n| a |\n|---|\n| {loss} |\n", 9, "{loss} is not known"),
        ("---\n# T\n\n{nosuch}\n", 7, "nothing is called nosuch"),
        ("---\n# T\n\n{n @ step 99}\n", 7, "no step 99"),
        ("---\n# T\n\n{names(0)}\n", 7, "names(0)"),
        ("---\n# T\n\n{char(q[0])}\n", 7, "char takes the number of a token"),
        ("---\n# T\n\na { b\n", 7, "a single {"),
        ("ask: x\noptions: [y, z]\nanswer: target\n---\n# T\n", 6, "which is none of the options y, z"),
        ('ask: x\noptions: ["1", z]\nanswer: largest(2; 3)\n---\n# T\n', 6, "one option and the index of another"),
        ("ask: x\noptions: [y]\nanswer: 0\n---\n# T\n", 5, "two options or more"),
        ("ask: x\noptions: [y, z]\nanswer: nosuch\n---\n# T\n", 6, "nothing is called nosuch"),
        ("ask: x\nreveal: step 0\nmoment: step 1\n---\n# T\n", 5, "lies before the moment"),
        ("moment: step 1\nplay: step 0\n---\n# T\n", 5, "play stays within a step"),
        ("run: soon\n---\n# T\n", 4, "run is 'soon'"),
        ("moment: step 5\nrun: 2\n---\n# T\n", 5, "lies before the moment"),
        ("wait: nothing\n---\n# T\n", 4, "nothing is called nothing"),
        ("wait: step\n---\n# T\n", 4, "write a key, head, layer, or a condition"),
        ("wait: space\n---\n# T\n", 4, "belongs to the lecture itself"),
        ("wait: n\n---\n# T\n---\n---\n# U\n", 8, "give this one a moment"),
        ("moment: step 0\nwhat_if: |\n  wte = 0\n  wte[99] = 0\n---\n# T\n", 7, "wte[99] has an index 99"),
        ("moment: step 0\nwhat_if: q@pos=0 = 1\n---\n# T\n", 5, "q is written q[layer, index]"),
        ("moment: step 0\ninference: place=2\n---\n# T\n", 5, "is no setting of a sample"),
        ("moment: step 0\ninference: position=two\n---\n# T\n", 5, "position is 'two'"),
        ("moment: step 0\ninference: position=-1\n---\n# T\n", 5, "count from 0"),
        ("moment: step 0\ninference: show=all\n---\n# T\n", 5, "write one of bars, draw, attention"),
        ("moment: step 0\ninference: temperature=0\n---\n# T\n", 5, "temperature"),
        ("moment: step 0\ninference: prefix=x\n---\n# T\n", 5, "x"),
        ("moment: step 0\ninference: position=9\n---\n# T\n", 5, "this sample is over at position"),
        ("moment: step 0\ninference: position=0\nask: Q\nreveal: temperature=0\n---\n# T\n", 7, "temperature"),
        ("moment: step 0\ninference: position=0\nask: Q\nreveal: position=9\n---\n# T\n", 5, "this sample is over"),
        ("moment: step 0\nask: Q\nreveal: temperature=1\n---\n# T\n", 6, "temperature=1"),
        ("---\n# T\n\n{drawn(place=2)}\n", 7, "is no setting of a sample"),
        ("---\n# T\n\n{names_seen(0)}\n", 7, "write names_seen(5, 0.5)"),
        ("moment: step 0\n---\n# T\n\n{loss if wte = much}\n", 8, "the value 'much'"),
        ("moment: step 0\n---\n# T\n\n{loss if wte = 0}\n", 8, "is not known"),
        ("code: gpt: y = softmax(...)\n---\n# T\n", 4, "has no statement 'gpt: y = softmax(...)'"),
        ("code: |\n  loss = ...\n\n  gpd: ...\n---\n# T\n", 7, "has no function 'gpd'; there are gpt"),
        ("see: '...'\n---\n# T\n", 4, "names no statement"),
        ("why: |\n  a\n\n  {nosuch}\n---\n# T\n", 7, "nothing is called nosuch"),
        ("why: |\n  a\n\n  > b\n---\n# T\n", 7, "a page cannot show a block quotation"),
        ("why: |\n" + "  a\n\n" * 6 + "---\n# T\n", 5, "this has 11 lines in a window of 80 columns"),
        ("code: 'linear: ...'\n---\n# T\n" + "a\n\n" * 6, 2, "this page has 11 lines"),
        (
            "code: 'linear: ...'\nfigure: '1'\n---\n# T\n" + "a\n\n" * 5 + "- b\n- c\n",
            2,
            "9 beside 1 of code and 1 of the figure",
        ),
        ("moment: step 0\n---\n# " + "T " * 40 + "\n" + "a\n\n" * 5 + "- b\n- c\n- d\n", 2, "9 beside 2 of the title"),
        ("code: 'softmax: ...'\n---\n# T\n" + "a\n\n" * 5, 2, "has 9 lines in a window of 80 columns; 8 beside 3 of"),
    ],
)
def test_a_mistake_is_reported_with_its_line(tmp_path: Path, page: str, line: int, says: str) -> None:
    (found,) = mistakes(tmp_path, "---\n" + page)
    assert found.startswith(f":{line}: ")
    assert says in found


@pytest.mark.parametrize(
    ("header", "line", "says"),
    [
        ("config: n_head=3", 2, "config: n_head 3 does not divide n_embd 16"),
        ("config:\n  - n_layer=2\n  - n_heads=3", 4, "config: no setting is called 'n_heads'; there are n_layer"),
        ("chapter: A\nconfig:\n  - n_layer=2\n  - n_head=many", 5, "config: n_head is 'many'; write a whole number"),
        ("config: [n_layer=2,\n  val_fraction=2.0]", 3, "config: val_fraction is 2.0"),
        ("config: n_layer=1\ndata: nowhere.txt", 3, "data: there is no file "),
        ("chapter: A\ndata: .", 3, "is a folder"),
    ],
)
def test_a_run_that_cannot_be_had_is_reported_with_its_line(tmp_path: Path, header: str, line: int, says: str) -> None:
    file = tmp_path / "one.md"
    file.write_text(f"---\n{header}\n---\n# T\n", encoding="utf-8")
    _, (found,) = check_lecture(file, "en", lambda config, docs: opened(config, tuple(docs)), screen_names())
    assert str(found).startswith(f"{file}:{line}: ")
    assert says in str(found)


def test_a_page_that_is_too_long_is_reported(tmp_path: Path) -> None:
    (found,) = mistakes(tmp_path, "---\nmoment: step 0\n---\n# T\n\n" + "a line\n\n" * 6)
    assert "11 lines" in found


def test_quoted_numbers_are_those_of_the_engine(tmp_path: Path) -> None:
    text = (
        "---\nmoment: step 2 forward q@pos=1\nrun: 9\nthen: '{loss @ step 4 update}'\n---\n# T\n\n"
        "{q[0, 1]:+.6f} {n_params} {docs} {tokens} {n} {learning_rate:.5f} {{x}} {names(2) @ step 30} "
        "{m(wte[0, 0]):.3e} {scalars:d} {edges:d} {largest(1; 3; 2)} {char(1)} {q[0]:.1f}"
    )
    session = run(tmp_path)
    chapter = read_chapter(write(tmp_path, text))
    bound_pages, found = bind(chapter, scope(session), screen_names())
    assert not found
    rendered = render_page(bound_pages[0], session, Moment())

    plain = Session(session.config, ["anna", "bo", "eve"])
    plain.run(until=2)
    event = next(e for e in plain.events(2) if e.name == "q" and e.pos == 1)
    m, p = float(plain.m["wte"][0, 0]), plain.program
    body = without_literals(rendered.body)
    words = body.split(" ")
    assert words[0] == f"{event.data[1]:+.6f}"
    assert words[1:3] == [str(plain.recording.n_params), "3"]
    assert f"BOS {' '.join(p.doc)} BOS {p.n} {plain.config.learning_rate_at(2):.5f} {{x}}" in body
    assert f"{m:.3e} {p.ticks(Phase.FORWARD)} {p.ticks(Phase.BACKWARD) - 1} 1 {p.tokenizer.name(1)}" in body
    assert body.endswith(", ".join(f"{x:.1f}" for x in event.data))
    plain.run(until=9)
    assert float(without_literals(rendered.then)) == pytest.approx(plain.losses[4], abs=5e-5)  # four decimals of it
    assert rendered.end.step == 9
    assert rendered.start == Moment(2, Phase.FORWARD, event.last)


@pytest.mark.parametrize(
    ("quote", "expected"),
    [
        ("{learning_rate:.10f}", "0.0090000000"),
        ("{learning_rate:.17g}", format(0.01 * (1 - 3 / 30), ".17g")),
        ("{learning_rate!r}", repr(0.01 * (1 - 3 / 30))),
        ("{learning_rate * 1e9 :>+20,.3f}", "      +9,000,000.000"),
        ("{learning_rate:e>12.1E}", "eeeee9.0E-03"),
        ("{n_params:>8}", f"{264:>8}"),
        ("{n_params:08d}", "00000264"),
        ("{n_params * 1.0:#x}", "0x108"),
        ("{n_params:_^9}", "___264___"),
        ("{doc:>8}", "      bo"),
        ("{doc:*<8.2}", "bo******"),
        ("{doc!r:>8}", "    'bo'"),
        ('{doc != "a:b":>8}', "    true"),
        ('{doc == "a!r":d}', "0"),
        ("{len(wte[0]):3d}", "  4"),
        ("{largest(1; 3; 2) @ step 0:03d}", "001"),
        ("{learning_rate @ step 0 :.3f}", "0.010"),
        ("{n_params:.2%}", "26400.00%"),
        ("{n_params:}", "264"),
        ("{n_params * 1000:,}", "264,000"),
        ("{n_params * 1000:_d}", "264_000"),
        ("{n_params:b}", f"{264:b}"),
        ("{learning_rate * -0.0001:z.1f}", "0.0"),
        ("{learning_rate:#.3g}", f"{0.01 * (1 - 3 / 30):#.3g}"),
        ("{learning_rate: f}", f"{0.01 * (1 - 3 / 30): f}"),
        ("{learning_rate:=+12.4f}", f"{0.01 * (1 - 3 / 30):=+12.4f}"),
        ("{doc:^6s}", "  bo  "),
        ("{doc!s:.>5}", "...bo"),
        ("{doc!a}", "'bo'"),
    ],
)
def test_a_quote_has_a_format_as_in_python(tmp_path: Path, quote: str, expected: str) -> None:
    session = run(tmp_path)
    page = f"---\nmoment: step 3\n---\n# T\n\n{quote} is it\n"
    assert mistakes(tmp_path, page) == []
    bound_pages, _ = bind(read_chapter(tmp_path / "one.md"), scope(session), screen_names())
    rendered = render_page(bound_pages[0], session, Moment())
    (line,) = page_lines(rendered, 76)
    assert line.plain == f"{expected} is it"  # with its spaces, also at the start of a line


def scope(session: Session) -> Scope:
    return Scope(session.config, session.tokenizer)


def test_a_page_that_cannot_be_shown_shows_a_sentence(tmp_path: Path) -> None:
    session = run(tmp_path)
    chapter = read_chapter(write(tmp_path, "---\nmoment: step 0\n---\n# T\n\n{loss}\n---\nmoment: step 1\n---\n# U\n"))
    bound_pages, _ = bind(chapter, scope(session), screen_names())
    (_, first), (_, second) = render_pages(bound_pages, session)
    assert "cannot be shown" in first.body
    assert second.title == "U"


def test_the_page_that_is_wanted_comes_first_and_pages_are_the_same_in_any_order(tmp_path: Path) -> None:
    session = run(tmp_path)
    heads = "moment: step 0", "moment: step 1\nrun: 3", "spotlight: map", "moment: step 2", "spotlight: stage"
    written = "".join(f"---\n{head}\n---\n# {{wte[1, 2]:.17g}}\n\n{{step}}\n" for head in heads)
    bound_pages, _ = bind(read_chapter(write(tmp_path, written)), scope(session), screen_names())
    in_turn = dict(render_pages(bound_pages, session))
    for wanted, order in ((2, [1, 2, 3, 4, 0]), (3, [3, 4, 0, 1, 2]), (4, [3, 4, 0, 1, 2])):
        found = list(render_pages(bound_pages, session, lambda wanted=wanted: wanted))
        assert [place for place, _ in found] == order
        assert dict(found) == in_turn
    assert [page.start.step for _, page in sorted(in_turn.items())] == [0, 1, 3, 2, 2]


def test_lines_keep_to_their_width_in_any_script(tmp_path: Path) -> None:
    session = run(tmp_path)
    words = "어텐션은 이미 만들어진 키만 봅니다 and so on " * 9
    long = "eeny meeny miny moe " * 9
    head = f"ask: {words}\noptions: [가나, 다라, 마바, 사아, {words}, {long}]\nanswer: '2'"
    page = f"---\n{head}\n---\n# T\n\n{words}\n\n- {words}\n"
    bound_pages, _ = bind(read_chapter(write(tmp_path, page)), scope(session), screen_names())
    rendered = render_page(bound_pages[0], session, Moment())
    polls = None, Poll((1, 12, 3, 4, 5, 6), "31 answers"), Poll((1, 12, 3, 4, 5, 6), "31 answers", bars=False)
    for width, poll in itertools.product((20, 38, 76), polls):
        lines = page_lines(replace(rendered.revealed(), poll=poll), width)
        assert all(line.cell_len <= width for line in lines)
        shown = "".join(line.plain for line in lines).replace(" ", "")
        assert long.replace(" ", "") in shown  # an option is not cut
    assert any("✓ c) 마바" in line.plain for line in page_lines(rendered.revealed(), 76))


def test_a_quote_tells_what_would_be_with_changes(tmp_path: Path) -> None:
    zero = "; ".join(f"{name} = 0" for name in run(tmp_path).params)
    later = "{wte[0, 1] @ step 2 if wte[0, 1]@step=2 = 0.5; learning_rate = 0:.17g}"
    text = f"{{loss if {zero}:.17g}} {later} {{loss:.17g}}"
    session = run(tmp_path)
    page = f"---\nmoment: step 0 forward loss\n---\n# T\n\n{text}\n"
    assert mistakes(tmp_path, page) == []
    bound_pages, _ = bind(read_chapter(tmp_path / "one.md"), scope(session), screen_names())
    zeros, set_later, as_it_is = without_literals(render_page(bound_pages[0], session, Moment()).body).split()
    session.seek(Moment(1))
    assert float(as_it_is) == session.losses[0]
    changes = [parse(f"{name} = 0", scope(session)) for name in session.params]
    branch = session.branch(changes)
    branch.run(until=1)
    assert float(zeros) == branch.losses[0]
    assert float(set_later) == 0.5


def test_bars_and_samples_are_quoted(tmp_path: Path) -> None:
    session = run(tmp_path)
    text = "{bar(1)}|{bar(0.5):<14}|{bar(0)}|{drawn(position=1, temperature=2)}|{names_in_data(9)}|{names_seen(9)}"
    assert mistakes(tmp_path, f"---\nmoment: step 2\n---\n# T\n\n{text}\n") == []
    bound_pages, _ = bind(read_chapter(tmp_path / "one.md"), scope(session), screen_names())
    rendered = without_literals(render_page(bound_pages[0], session, Moment()).body)
    whole, half, none, drawn, known, seen = rendered.split("|")
    assert (whole, half, none) == ("█" * 24, "█" * 12 + "  ", "")
    session.seek(Moment(2))
    walk = SamplePlace(position=1, temperature=2.0).walk(session)
    assert drawn == session.tokenizer.name(walk.here.token_id)
    assert walk.here.pos == 1
    names = session.sample(9, 0.5, random.Random(f"{session.config.seed} 2"))
    assert int(known) == sum(name in session.docs for name in names)
    assert int(seen) == sum(name in session.docs[:2] for name in names)


def test_counts_are_those_of_a_plain_graph(tmp_path: Path) -> None:
    session = run(tmp_path)
    page = "---\nmoment: step 0\n---\n# T\n\n{scalars_reached:d} {params_reached:d} {edges:d} {gradient_terms:d}\n"
    assert mistakes(tmp_path, page) == []
    bound_pages, _ = bind(read_chapter(tmp_path / "one.md"), scope(session), screen_names())
    counts = without_literals(render_page(bound_pages[0], session, Moment()).body).split()
    plain = PlainGPT(["anna", "bo", "eve"], n_embd=4, n_head=2, block_size=4, num_steps=30)
    graph = post_order(plain.loss_of(plain.docs[0]))
    params = {id(p) for table in plain.tables.values() for row in table for p in row}
    made = [scalar for scalar in graph if scalar.below]
    known = params | {id(scalar) for scalar in made}
    edges = sum(id(lower) in known for scalar in made for lower in scalar.below)
    reached = sum(id(scalar) in params for scalar in graph)
    assert list(map(int, counts)) == [len(made), reached, edges, 1 + edges]  # the first is the loss's own


def test_losses_are_quoted_that_were_measured_before(tmp_path: Path) -> None:
    text = "{val_docs:d} {val_loss:.17g} {mean_loss:.17g} {mean_loss @ step 55 forward loss:.17g}"
    (tmp_path / "docs.txt").write_text("anna\nbo\neve\nab\n", encoding="utf-8")
    file = tmp_path / "one.md"
    head = "config: n_embd=4, n_head=2, block_size=4, num_steps=60, val_fraction=0.25\ndata: docs.txt\n"
    file.write_text(f"---\n{head}moment: step 55\n---\n# T\n\n{text}\n", encoding="utf-8")
    config = Config(n_embd=4, n_head=2, block_size=4, num_steps=60, val_fraction=0.25)
    session = Session(config, ["anna", "bo", "eve", "ab"])
    bound_pages, _ = bind(read_chapter(file), scope(session), screen_names())
    kept, measured, before, mean = without_literals(render_page(bound_pages[0], session, Moment()).body).split()
    session.seek(Moment(55))
    assert int(kept) == len(session.val_docs) == 1
    assert float(measured) == session.view().validations[50].loss
    assert float(before) == math.fsum(session.losses[5:55]) / 50
    session.seek(Moment(56))
    assert float(mean) == math.fsum(session.losses[6:56]) / 50  # as the training pane has it
