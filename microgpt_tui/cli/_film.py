"""Films of `export`: the options on them, and making one."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import rich_click as click

from engine.immutable import immutable
from microgpt_tui.cli._options import DATA, OUTPUT
from microgpt_tui.cli._progress import Waiting
from microgpt_tui.cli._session import go_to, open_session
from microgpt_tui.texts.say import say

if TYPE_CHECKING:
    from microgpt_tui.storage.startup import Start

F = TypeVar("F", bound=Callable[..., Any])

FORMATS = ("svg", "cast")
FASTEST, SLOWEST = 30, 0.1  # frames a second
BY, PACE = "event", "2"


def film_options(command: F) -> F:
    """Give a command the options on a film: `begins`, `ends`, `by`, `pace` and `once`."""
    command = click.option("--once", is_flag=True, help=say("cli.film.option.once"), panel=OUTPUT)(command)
    for flag, name, metavar, panel in (
        ("--pace", "pace", "N", OUTPUT),
        ("--by", "by", "TEXT", OUTPUT),
        ("--to", "ends", "MOMENT", DATA),
        ("--from", "begins", "MOMENT", DATA),
    ):
        text = say(f"cli.film.option.{name}")
        command = click.option(flag, name, multiple=True, metavar=metavar, help=text, panel=panel)(command)
    return command


@immutable
class Wanted:
    """A stretch as it was asked for: the texts of its two moments, and in what steps and how fast it goes."""

    begin: str
    end: str
    way: str
    count: int
    pace: float


def read_stretches(
    begins: Sequence[str], ends: Sequence[str], by: Sequence[str], pace: Sequence[str], once: bool
) -> list[Wanted]:
    """What the options ask for; nothing if they are not given. Raises UsageError."""
    if not (begins or ends):
        if by or pace or once:
            raise click.UsageError(say("cli.film.no_stretch", flag="--by" if by else "--pace" if pace else "--once"))
        return []
    if len(begins) != len(ends):
        raise click.UsageError(say("cli.film.unpaired", begins=len(begins), ends=len(ends)))
    ways = [_way(text) for text in _for_each(by or [BY], len(begins), "--by")]
    paces = [_pace(text) for text in _for_each(pace or [PACE], len(begins), "--pace")]
    return [Wanted(begin, end, *way, speed) for begin, end, way, speed in zip(begins, ends, ways, paces, strict=True)]


def _for_each(given: Sequence[str], stretches: int, flag: str) -> Sequence[str]:
    if len(given) not in (1, stretches):
        raise click.UsageError(say("cli.film.not_for_each", flag=flag, given=len(given), stretches=stretches))
    return given if len(given) == stretches else [given[0]] * stretches


def _way(text: str) -> tuple[str, int]:
    from microgpt_tui.export.film import WAYS

    read = re.fullmatch(rf"(?:(\d{{1,4}}) +)?({'|'.join(WAYS)})s?", text.strip().lower(), re.ASCII)
    if read is None or (read[1] and int(read[1]) == 0):
        raise click.UsageError(say("cli.film.wrong_by", text=text, ways=", ".join(WAYS)))
    return read[2], int(read[1] or 1)


def _pace(text: str) -> float:
    pace = float(text) if re.fullmatch(r"\d{1,4}(\.\d{1,4})?|\.\d{1,4}", text.strip(), re.ASCII) else 0
    if not SLOWEST <= pace <= FASTEST:
        raise click.UsageError(say("cli.film.wrong_pace", text=text, slowest=SLOWEST, fastest=FASTEST))
    return pace


def make_film(
    start: Start, wanted: Sequence[Wanted], size: tuple[int, int], theme: str, pane: str | None, form: str, once: bool
) -> str:
    """The file. Raises UsageError for too long a film, AddressError for a text that is no moment of the run."""
    import asyncio

    from engine import Address, Scope
    from engine.checkpoint.checkpoint import take_up
    from engine.model.tokenizer import Tokenizer
    from microgpt_tui.export.animated_svg import animated_svg
    from microgpt_tui.export.cast import cast
    from microgpt_tui.export.film import MOST, Stretch, film, schedule

    scope = Scope(start.config, Tokenizer(start.docs))
    addresses = [(Address.parse(each.begin, scope), Address.parse(each.end, scope)) for each in wanted]
    session = open_session(start.config, start.docs)
    program_of = session.programs()
    stretches = []
    for each, pair in zip(wanted, addresses, strict=True):
        begin, end = (address.moment(program_of(address.step)) for address in pair)
        if end.key < begin.key:
            raise click.UsageError(say("cli.film.backwards", begin=each.begin, end=each.end))
        stretches.append(Stretch(begin, end, each.way, each.count, each.pace))
    planned = schedule(stretches, program_of)
    if len(planned) > MOST:
        raise click.UsageError(say("cli.film.too_long", most=MOST, way=wanted[0].way))
    if start.run is not None:
        take_up(start.run, session)
    go_to(session, planned[0][0].step)
    with Waiting(say("cli.film.drawing"), total=len(planned)) as waiting:
        frames = asyncio.run(film(session, planned, size, theme, pane, waiting.update))
    title = f"microgpt-tui: {wanted[0].begin} – {wanted[-1].end}"
    return cast(title, frames) if form == "cast" else animated_svg(title, frames, once)
