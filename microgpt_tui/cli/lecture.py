"""`microgpt-tui lecture`: guided tours of the running program, the ones that come with it and a lecturer's own."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import rich_click as click
from click.exceptions import Exit

from engine.config import Config
from microgpt_tui.cli.debugging import in_terminal, run_debugger
from microgpt_tui.cli.ending import BAD, Failure, printable
from microgpt_tui.cli.options import examples
from microgpt_tui.cli.running import open_session

if TYPE_CHECKING:
    from engine.session import Session

LANGUAGES = ("en", "ko")


@click.command(
    epilog=examples(
        "microgpt-tui lecture",
        "microgpt-tui lecture attention --lang ko",
        "microgpt-tui lecture my_course.md",
        "microgpt-tui lecture --check my_course.md",
        "microgpt-tui lecture --notes",
    )
)
@click.argument("wanted", required=False, metavar="[NAME|FILE.md]")
@click.option("--lang", type=click.Choice(LANGUAGES), default="en", show_default=True, help="In which language.")
@click.option("--list", "listed", is_flag=True, help="Print the chapters.")
@click.option(
    "--check",
    is_flag=True,
    help="Show nothing; go through every page, and say where a moment does not exist or a number is not known. "
    "Exit status 2 if there is a mistake.",
)
@click.option(
    "--notes",
    is_flag=True,
    help="Show the speaker notes of the lecture that is given in another terminal, turned with its pages.",
)
def lecture(wanted: str | None, lang: str, listed: bool, check: bool, notes: bool) -> None:
    """Go through a lecture.

    NAME is a chapter of the course that comes with the program, by its number or name; without it, the course begins
    at the beginning. FILE.md, or a folder of such files, is a lecture of your own; the README says how to write one.
    """
    if notes:
        if wanted or listed or check:
            raise click.UsageError("--notes follows whatever lecture is given; leave out all else but --lang")
        _follow(lang)
    elif listed:
        _list(wanted, lang)
    elif check:
        _check(wanted, lang)
    else:
        _give(wanted, lang)


def _give(wanted: str | None, lang: str) -> None:
    from microgpt_tui.lectures.giving import Lecture
    from microgpt_tui.lectures.library import find
    from microgpt_tui.start import Start

    lecture = Lecture(*find(wanted, lang))
    run_debugger(Start(*lecture.run), lecture)


def _follow(lang: str) -> None:
    if not in_terminal():
        raise Failure("the notes need a terminal for their input and output; run this in one")
    from microgpt_tui.screens.notes import show_notes

    status = show_notes(lang)
    if status:
        raise Exit(status)


def _list(wanted: str | None, lang: str) -> None:
    from microgpt_tui.lectures.library import find

    course, _ = find(wanted, lang)
    for number, chapter in enumerate(course.chapters, 1):
        click.echo(f"{number:2d}  {chapter.name.partition('-')[2] or chapter.name:<14}{printable(chapter.title)}")


def _check(wanted: str | None, lang: str) -> None:
    from microgpt_tui.lectures.checking import check
    from microgpt_tui.lectures.library import files

    @cache
    def opened(config: Config, docs: tuple[str, ...]) -> Session:
        return open_session(config, docs)

    wrong = False
    for path in files(wanted, lang):
        chapter, mistakes = check(path, lang, lambda config, docs: opened(config, tuple(docs)))
        for mistake in mistakes:
            click.echo(printable(str(mistake)))
        wrong = wrong or bool(mistakes)
        if chapter is not None and not mistakes:
            click.echo(f"{path}: {len(chapter.pages)} pages, every moment and number in them resolves")
    if wrong:
        raise Exit(BAD)
