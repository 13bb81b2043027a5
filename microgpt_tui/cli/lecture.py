"""`microgpt-tui lecture`: guided tours of the running program, the ones that come with it and a lecturer's own."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click
from click.core import ParameterSource
from click.exceptions import Exit

from engine.language.chosen import LANGUAGES, language
from engine.model.config import Config
from microgpt_tui.cli._exit import BAD, Failure, print_result
from microgpt_tui.cli._options import FilePath, LecturePath, examples, theme_option
from microgpt_tui.cli._progress import Waiting
from microgpt_tui.cli._session import compile_loops, open_session
from microgpt_tui.cli.open import in_terminal, open_debugger

if TYPE_CHECKING:
    from engine.run.session import Session
    from microgpt_tui.lectures.outline import CodeFinder

INSTEAD = "Instead of giving it"


@click.command(
    epilog=examples(
        "microgpt-tui lecture",
        "microgpt-tui lecture attention --lang ko --theme contrast",
        "microgpt-tui lecture my_course.md",
        "microgpt-tui lecture --check my_course.md",
        "microgpt-tui lecture attention --handout .",
        "microgpt-tui lecture --notes",
    )
)
@click.argument("wanted", type=LecturePath(), required=False, metavar="[NAME|FILE.md]")
@click.option(
    "--lang",
    type=click.Choice(LANGUAGES),
    help="In which language. Without it: the terminal's, if there is a course in it, else English.",
)
@click.option("--page", type=click.IntRange(min=1), default=1, show_default=True, metavar="N", help="Where to begin.")
@click.option(
    "--big",
    is_flag=True,
    help="For the last row of a hall: the text of a page and its picture take turns, each as large as the window, in "
    "the theme for projectors. Make the letters of your terminal larger first, down to 80 columns and 24 lines.",
)
@click.option(
    "--source",
    type=FilePath(),
    metavar="FILE",
    help="Your copy of microgpt.py, whose lines the pages then show; as without a command.",
)
@theme_option
@click.option("--list", "listed", is_flag=True, help="Print the chapters.", panel=INSTEAD)
@click.option(
    "--check",
    is_flag=True,
    help="Go through every page, and say where a moment does not exist or a number is not known, and what is too long "
    "for a small window. Exit status 2 if there is a mistake.",
    panel=INSTEAD,
)
@click.option(
    "--handout",
    type=FilePath(written=True),
    metavar="DIR",
    help="Write every page as text with its picture to one HTML file in this folder.",
    panel=INSTEAD,
)
@click.option(
    "--notes",
    is_flag=True,
    help="Show the speaker notes of the lecture that is given in another terminal, turned with its pages.",
    panel=INSTEAD,
)
@click.pass_context
def lecture(
    ctx: click.Context,
    wanted: str | None,
    lang: str | None,
    page: int,
    big: bool,
    source: Path | None,
    theme: str,
    listed: bool,
    check: bool,
    handout: Path | None,
    notes: bool,
) -> None:
    """Go through a lecture.

    NAME is a chapter of the course that comes with the program, by its number or name; without it, the course begins
    at the beginning. FILE.md, or a folder of such files, is a lecture of your own; the README says how to write one.
    """

    lang = lang or language()
    if notes:
        allowed = ("notes", "lang", "theme")
        if any(ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE for name in ctx.params.keys() - allowed):
            raise click.UsageError(
                "--notes follows whatever lecture is given; leave out all but --lang and --theme", ctx
            )
        if not in_terminal():
            raise Failure("the notes need a terminal for their input and output; run this in one")
        from microgpt_tui.speaker_app import show_notes

        if status := show_notes(lang, theme):
            raise Exit(status)
    elif listed:
        from microgpt_tui.lectures.library import find

        for number, chapter in enumerate(find(wanted, lang)[0].chapters, 1):
            print_result(f"{number:2d}  {chapter.name.partition('-')[2] or chapter.name:<14}{chapter.title}")
    elif check:
        _check(wanted, lang, source)
    elif handout is not None:
        _hand_out(wanted, lang, handout, source)
    else:
        if big and ctx.get_parameter_source("theme") is ParameterSource.DEFAULT:
            theme = "contrast"
        _give(wanted, lang, page, theme, big, source)


def _give(wanted: str | None, lang: str, page: int, theme: str, big: bool, source: Path | None) -> None:
    from microgpt_tui.lectures.lecture import Lecture
    from microgpt_tui.lectures.library import find
    from microgpt_tui.panes.registry import screen_names
    from microgpt_tui.storage.startup import Start

    lecture = Lecture(*find(wanted, lang), big=big)
    pages = len(lecture.chapter.pages)
    if page > pages:
        raise Failure(f"--page is {page}, and {lecture.chapter.title!r} has pages 1 to {pages}; give one of them")
    lecture.page, lecture.code = page - 1, _code(source)
    open_debugger(Start(*lecture.run(screen_names())), lecture, theme)


def _code(source: Path | None) -> CodeFinder:
    """Finds statements in a copy of microgpt.py: the given one, which may have to be run, or one that is at hand."""
    from microgpt_tui.lectures.outline import CodeFinder
    from microgpt_tui.storage import original

    if source is None:
        return CodeFinder(original.lines_at_hand())
    if (kept := original.kept_lines(source)) is not None:
        return CodeFinder(kept)
    compile_loops()
    with Waiting(f"Looking at {source.name}") as waiting:

        def tell(what: str, done: int, of: int) -> None:
            waiting.update(done, f"{done:,} of {of:,}" if of else "", float(of) or None, what.capitalize())

        return CodeFinder(original.make_lines(source, tell))


@cache
def _opened(config: Config, docs: tuple[str, ...]) -> Session:
    """A run, which chapters of one configuration share."""
    return open_session(config, docs)


def _check(wanted: str | None, lang: str, source: Path | None) -> None:
    from microgpt_tui.lectures.check import check_lecture
    from microgpt_tui.lectures.file_map import map_mistakes
    from microgpt_tui.lectures.library import files, find
    from microgpt_tui.panes.registry import screen_names

    failed, code = False, _code(source)
    for path in files(wanted, lang):
        chapter, mistakes = check_lecture(
            path, lang, lambda config, docs: _opened(config, tuple(docs)), screen_names(), code
        )
        for mistake in mistakes:
            print_result(str(mistake))
        failed = failed or bool(mistakes)
        if chapter is not None and not mistakes:
            pages = len(chapter.pages)
            print_result(f"{path}: {pages} page{'s' if pages > 1 else ''}; every moment and number resolves")
    for mistake in map_mistakes(find(wanted, lang)[0]) if not failed else ():
        print_result(str(mistake))
        failed = True
    if failed:
        raise Exit(BAD)


def _hand_out(wanted: str | None, lang: str, folder: Path, source: Path | None) -> None:
    import asyncio

    from engine.atomic_write import write_whole
    from microgpt_tui.export.handout import handout, printed
    from microgpt_tui.lectures.lecture import Lecture
    from microgpt_tui.lectures.library import find
    from microgpt_tui.panes.registry import screen_names

    course, place = find(wanted, lang)
    places = range(len(course.chapters)) if wanted is None or Path(wanted).is_dir() else [place]
    code = _code(source)
    lectures = [Lecture(course, place, clock=lambda: 0.0, code=code) for place in places]
    runs = [lecture.run(screen_names()) for lecture in lectures]  # raises for mistakes before anything is drawn
    chapters = []
    with Waiting("Drawing the pages", total=len(lectures)) as waiting:
        for done, (lecture, (config, docs)) in enumerate(zip(lectures, runs, strict=True)):
            waiting.update(done, lecture.chapter.title)
            chapters.append(asyncio.run(printed(lecture, _opened(config, tuple(docs)).restart_copy())))
    first = lectures[0]
    name = course.title if len(chapters) > 1 else first.chapter.name
    title = " ".join(name.split("-")) if len(chapters) > 1 else first.chapter.title
    target = folder / f"{name}-{first.chapter.language}.html"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(target, handout(title, first.chapter.language, first.words, chapters).encode())
    except OSError as error:
        raise Failure(f"--handout: {target} cannot be written ({error.strerror}); give another folder") from None
    print_result(str(target))
