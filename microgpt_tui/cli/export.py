"""`microgpt-tui export`: the debugger's screen at a moment, as a picture in a file."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click
from click.core import ParameterSource

from engine.model.config import Config
from microgpt_tui.cli import _film
from microgpt_tui.cli._exit import Failure, print_result
from microgpt_tui.cli._options import (
    DATA,
    OUTPUT,
    FilePath,
    check_targets,
    examples,
    file_option,
    number_option,
    run_options,
    theme_option,
)
from microgpt_tui.cli._session import go_to, open_session
from microgpt_tui.cli.open import allow_only
from microgpt_tui.texts.say import say

if TYPE_CHECKING:
    from engine import Session
    from microgpt_tui.export.screenshot import Screenshot
    from microgpt_tui.storage.startup import Start

FORMATS = ("svg", "html", "txt")
GRAPH_FORMATS = ("svg", "dot")
GRAPH_LINES = 60  # what has more is folded


@click.command(
    help=say("cli.export.help"),
    epilog=examples(
        'microgpt-tui export --moment "step 500" -o step500.svg',
        'microgpt-tui export --moment "0 forward attn_weights@pos=2,head=1" --theme light -o weights.html',
        'microgpt-tui export --moment "99 update layer0.attn_wq" --pane adam --format txt',
        'microgpt-tui export --moment "0 backward q@pos=2" --graph "q[0,3]@pos=2" -o graph.dot',
        "microgpt-tui export --run names.safetensors --size 200x60 -o names.svg",
        'microgpt-tui export --from "0 forward logits@pos=0" --to "0 forward end" --pace 4 -o forward.cast',
        'microgpt-tui export --from "step 0" --to "step 999" --by "20 steps" --pane loss -o loss.svg',
    ),
)
@click.option("--moment", metavar="TEXT", help=say("cli.export.moment"), panel=DATA)
@click.option("--run", type=FilePath(), metavar="FILE.safetensors", help=say("cli.export.run"), panel=DATA)
@_film.film_options
@file_option("-o", say("cli.export.o"))
@click.option(
    "--format",
    "form",
    type=click.Choice((*FORMATS, "cast", "dot")),
    help=say("cli.export.format"),
    panel=OUTPUT,
)
@click.option("--size", default="120x36", show_default=True, metavar="WxH", help=say("cli.export.size"), panel=OUTPUT)
@theme_option
@click.option("--pane", metavar="NAME", help=say("cli.export.pane"), panel=OUTPUT)
@click.option("--graph", metavar="SCALAR", help=say("cli.export.graph"), panel=OUTPUT)
@number_option("--steps", default=2, text=say("cli.export.steps"), high=3, panel=OUTPUT)
@run_options
@click.pass_context
def export(
    ctx: click.Context,
    config: Config,
    moment: str | None,
    run: Path | None,
    o: Path | None,
    form: str | None,
    size: str,
    theme: str,
    pane: str | None,
    graph: str | None,
    steps: int,
    data: Path | None,
    split: str,
    begins: tuple[str, ...],
    ends: tuple[str, ...],
    by: tuple[str, ...],
    pace: tuple[str, ...],
    once: bool,
) -> None:
    """`microgpt-tui export`; its help is the text cli.export.help."""
    if run is not None:
        film_options = ("begins", "ends", "by", "pace", "once")
        allow_only(ctx, "run", "data", "moment", "o", "form", "size", "theme", "pane", "graph", "steps", *film_options)
    _check_graph(ctx, graph)
    stretches = _film.read_stretches(begins, ends, by, pace, once)
    if stretches and (graph is not None or moment is not None):
        raise click.UsageError(say("cli.film.no_still", flag="--graph" if moment is None else "--moment"))
    form = _form(o, form, graph is not None, bool(stretches))
    if once and form == "cast":
        raise click.UsageError(say("cli.film.cast_once"))
    check_targets({"--data": data, "--run": run}, {"-o": o}, replaced={"-o"})
    cells = _size(size)
    from microgpt_tui.panes.registry import ids

    if pane is not None and pane not in ids():
        raise click.UsageError(say("cli.export.no_pane", pane=pane, panes=", ".join(ids())))
    from microgpt_tui.storage.startup import from_file, from_seed

    start, theme_name = from_file(run, data) if run else from_seed(config, 0, data, split), f"microgpt-{theme}"
    if stretches:
        content = _film.make_film(start, stretches, cells, theme_name, pane, form, once).encode()
    elif graph is not None:
        content = _graph(_at(start, moment), graph, steps, theme_name, form).encode()
    else:
        content = _encoded(_picture(_at(start, moment), cells, theme_name, pane, form == "txt"), form)
    if o is None:
        sys.stdout.buffer.write(content)  # in UTF-8, which svg and html declare, whatever the terminal's encoding
        return
    from engine.atomic_write import write_whole

    try:
        write_whole(o, content)
    except OSError as error:
        raise Failure(say("cli.export.unwritable", o=o, strerror=error.strerror)) from None
    print_result(str(o))


def _form(path: Path | None, given: str | None, of_graph: bool, of_film: bool) -> str:
    """The format that is asked for, by --format or by the name of the file. Raises UsageError."""
    formats = GRAPH_FORMATS if of_graph else _film.FORMATS if of_film else FORMATS
    ending = path.suffix.removeprefix(".").lower() if path else ""
    form = given or (ending if path else formats[0])
    if form in (*FORMATS, "cast", "dot") and form not in formats:
        wrong = "graph_format" if of_graph else "film_format" if of_film else f"{form}_is_no_picture"
        raise click.UsageError(say(f"cli.export.wrong_format.{wrong}"))
    if form not in formats:
        *others, last = (f".{each}" for each in formats)
        raise click.UsageError(say("cli.export.no_format", path=path, others=", ".join(others), last=last))
    if ending in (*FORMATS, "cast", "dot") and ending != form:
        raise click.UsageError(say("cli.export.two_formats", path=path, form=form))
    return form


def _check_graph(ctx: click.Context, graph: str | None) -> None:
    def given(name: str) -> bool:
        return ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE

    if graph is None and given("steps"):
        raise click.UsageError(say("cli.export.steps_without_graph"))
    if graph is not None and (given("size") or given("pane")):
        raise click.UsageError(say("cli.export.graph_has_no_size"))


def _size(text: str) -> tuple[int, int]:
    from microgpt_tui.export.moment_picture import LARGEST
    from microgpt_tui.screens.debugger import SMALLEST

    read = re.fullmatch(r"(\d{1,4})[x×](\d{1,4})", text.strip(), re.ASCII | re.IGNORECASE)
    size = (int(read[1]), int(read[2])) if read else (0, 0)
    if not all(least <= n <= most for least, n, most in zip(SMALLEST, size, LARGEST, strict=True)):
        (least, low), (most, high) = SMALLEST, LARGEST
        raise click.UsageError(say("cli.export.wrong_size", text=text, least=least, low=low, most=most, high=high))
    return size


def _at(start: Start, moment: str | None) -> Session:
    """The run, at the moment. Raises for a moment that cannot be parsed before anything is computed."""
    from engine.checkpoint.checkpoint import take_up
    from microgpt_tui.storage.startup import at_moment

    start = at_moment(start, moment) if moment is not None else start
    session = open_session(start.config, start.docs)
    if start.run is not None:
        take_up(start.run, session)
    if start.address is not None:
        go_to(session, start.step)
    session.seek(start.address.moment(session.program) if start.address else start.moment(session.program))
    return session


def _picture(session: Session, size: tuple[int, int], theme: str, pane: str | None, signs: bool) -> Screenshot:
    import asyncio

    from microgpt_tui.export.moment_picture import moment_picture

    return asyncio.run(moment_picture(session, size, theme, pane, signs))


def _graph(session: Session, scalar: str, steps: int, theme: str, form: str) -> str:
    from engine import Address
    from microgpt_tui.cli.why_report import row_of
    from microgpt_tui.debugger.frame import Focus, Frame
    from microgpt_tui.debugger.graph import GraphBuilder
    from microgpt_tui.drawing.theme import THEMES
    from microgpt_tui.export.graph import dot_graph, svg_graph

    row = row_of(session.view(), scalar)
    frame = Frame(session.view(), Focus(session.moment, row))
    found = GraphBuilder(frame).around(row, (steps, steps), GRAPH_LINES)
    title = f"{scalar}: {Address.of(session.program, session.moment).text}"
    return dot_graph(found, title) if form == "dot" else svg_graph(found, title, THEMES[theme])


def _encoded(picture: Screenshot, form: str) -> bytes:
    from microgpt_tui.export.html import html
    from microgpt_tui.export.svg import svg

    return (svg(picture) if form == "svg" else html(picture) if form == "html" else picture.txt()).encode()
