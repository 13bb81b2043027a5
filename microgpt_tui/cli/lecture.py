"""`microgpt-tui lecture`: guided tours of the running program, the ones that come with it and a lecturer's own."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click
from click.core import ParameterSource
from click.exceptions import Exit

from engine.language.chosen import language
from engine.model.config import Config
from microgpt_tui.cli._audience import audience_of, audience_options, refuse_network
from microgpt_tui.cli._exit import BAD, Failure, print_result
from microgpt_tui.cli._options import FilePath, LecturePath, examples, number_option, theme_option
from microgpt_tui.cli._progress import Waiting
from microgpt_tui.cli._session import compile_loops, open_session
from microgpt_tui.cli.open import in_terminal, need_terminal, open_debugger
from microgpt_tui.texts.say import say

if TYPE_CHECKING:
    from engine.run.session import Session
    from microgpt_tui.audience.audience import LiveAudience
    from microgpt_tui.audience.results import Results
    from microgpt_tui.lectures.outline import CodeFinder

INSTEAD = say("cli.panel.instead")


@click.command(
    help=say("cli.lecture.help"),
    epilog=examples(
        "microgpt-tui lecture",
        "microgpt-tui lecture attention --lang ko --theme contrast",
        "microgpt-tui lecture my_course.md",
        "microgpt-tui lecture --check my_course.md",
        "microgpt-tui lecture attention --handout .",
        "microgpt-tui lecture --notes",
        "microgpt-tui lecture attention --audience",
    ),
)
@click.argument("wanted", type=LecturePath(), required=False, metavar="[NAME|FILE.md]")
@number_option("--page", default=1, text=say("cli.lecture.page"))
@click.option("--big", is_flag=True, help=say("cli.lecture.big"))
@click.option("--source", type=FilePath(), metavar="FILE", help=say("cli.lecture.source"))
@theme_option
@audience_options
@click.option("--list", "listed", is_flag=True, help=say("cli.lecture.list"), panel=INSTEAD)
@click.option("--check", is_flag=True, help=say("cli.lecture.check"), panel=INSTEAD)
@click.option(
    "--handout",
    type=FilePath(written=True),
    metavar="DIR",
    help=say("cli.lecture.handout"),
    panel=INSTEAD,
)
@click.option("--notes", is_flag=True, help=say("cli.lecture.notes"), panel=INSTEAD)
@click.pass_context
def lecture(
    ctx: click.Context,
    /,
    wanted: str | None,
    page: int,
    big: bool,
    source: Path | None,
    theme: str,
    listed: bool,
    check: bool,
    handout: Path | None,
    notes: bool,
    audience: bool,
    results: Path | None,
    **network: Any,
) -> None:
    """`microgpt-tui lecture`; its help is the text cli.lecture.help."""
    if not audience:
        refuse_network(ctx)
    for flag, instead in (("--list", listed), ("--check", check), ("--handout", handout)):
        if audience and instead:
            raise click.UsageError(say("cli.lecture.audience_alone", flag=flag), ctx)
    if notes:
        allowed = ("notes", "theme")
        if any(ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE for name in ctx.params.keys() - allowed):
            raise click.UsageError(say("cli.lecture.notes_alone"), ctx)
        if not in_terminal():
            raise Failure(say("cli.lecture.notes_need_terminal"))
        from microgpt_tui.speaker_app import show_notes

        if status := show_notes(language(), theme):
            raise Exit(status)
    elif listed:
        from microgpt_tui.lectures.library import find

        for number, chapter in enumerate(find(wanted, language())[0].chapters, 1):
            print_result(f"{number:2d}  {chapter.name.partition('-')[2] or chapter.name:<14}{chapter.title}")
    elif check:
        _check(wanted, source)
    elif handout is not None:
        _hand_out(wanted, handout, source, results)
    else:
        if big and ctx.get_parameter_source("theme") is ParameterSource.DEFAULT:
            theme = "contrast"
        open_audience = None
        if audience:
            need_terminal()
            open_audience = audience_of(ctx, results=results, **network)
        _give(wanted, page, theme, big, source, open_audience)


def _give(
    wanted: str | None,
    page: int,
    theme: str,
    big: bool,
    source: Path | None,
    open_audience: AbstractContextManager[LiveAudience] | None,
) -> None:
    from microgpt_tui.lectures.lecture import Lecture
    from microgpt_tui.lectures.library import find
    from microgpt_tui.panes.registry import screen_names
    from microgpt_tui.storage.startup import Start

    lecture = Lecture(*find(wanted, language()), big=big)
    pages = len(lecture.chapter.pages)
    if page > pages:
        raise Failure(say("cli.lecture.no_page", page=page, title=lecture.chapter.title, pages=pages))
    lecture.page, lecture.code = page - 1, _code(source)
    start = Start(*lecture.run(screen_names()))
    if open_audience is None:
        open_debugger(start, lecture, theme)
    else:
        with open_audience as audience:
            open_debugger(start, lecture, theme, audience)


def _code(source: Path | None) -> CodeFinder:
    """Finds statements in a copy of microgpt.py: the given one, which may have to be run, or one that is at hand."""
    from microgpt_tui.lectures.outline import CodeFinder
    from microgpt_tui.storage import original

    if source is None:
        return CodeFinder(original.lines_at_hand())
    if (kept := original.kept_lines(source)) is not None:
        return CodeFinder(kept)
    compile_loops()
    with Waiting(say("cli.lecture.looking", name=source.name)) as waiting:
        return CodeFinder(original.make_lines(source, waiting.tell))


@cache
def _opened(config: Config, docs: tuple[str, ...]) -> Session:
    """A run, which chapters of one configuration share."""
    return open_session(config, docs)


def _check(wanted: str | None, source: Path | None) -> None:
    from microgpt_tui.lectures.check import check_lecture
    from microgpt_tui.lectures.file_map import map_mistakes
    from microgpt_tui.lectures.library import files, find
    from microgpt_tui.panes.registry import screen_names

    failed, code, lang = False, _code(source), language()
    for path in files(wanted, lang):
        chapter, mistakes = check_lecture(
            path, lang, lambda config, docs: _opened(config, tuple(docs)), screen_names(), code
        )
        for mistake in mistakes:
            print_result(str(mistake))
        failed = failed or bool(mistakes)
        if chapter is not None and not mistakes:
            print_result(say("cli.lecture.checked", path=path, n=len(chapter.pages)))
    for mistake in map_mistakes(find(wanted, lang)[0]) if not failed else ():
        print_result(str(mistake))
        failed = True
    if failed:
        raise Exit(BAD)


def _read_results(path: Path | None) -> Results | None:
    """The results in a file, if there is one. Raises ResultsError; Failure if there is no such file."""
    from microgpt_tui.audience.results import Results

    try:
        return None if path is None else Results.read(path)
    except FileNotFoundError:
        raise Failure(say("cli.lecture.no_results", path=path)) from None


def _hand_out(wanted: str | None, folder: Path, source: Path | None, results: Path | None) -> None:
    import asyncio

    from engine.atomic_write import write_whole
    from microgpt_tui.export.handout import handout, printed
    from microgpt_tui.lectures.lecture import Lecture
    from microgpt_tui.lectures.library import find
    from microgpt_tui.panes.registry import screen_names

    votes = _read_results(results)
    course, place = find(wanted, language())
    places = range(len(course.chapters)) if wanted is None or Path(wanted).is_dir() else [place]
    if votes is not None and not any(votes.has(course.chapters[each].name) for each in places):
        raise Failure(say("cli.lecture.other_results", path=results))
    code = _code(source)
    lectures = [Lecture(course, place, clock=lambda: 0.0, code=code) for place in places]
    runs = [lecture.run(screen_names()) for lecture in lectures]  # raises for mistakes before anything is drawn
    chapters = []
    with Waiting(say("cli.lecture.drawing"), total=len(lectures)) as waiting:
        for done, (lecture, (config, docs)) in enumerate(zip(lectures, runs, strict=True)):
            waiting.update(done, lecture.chapter.title)
            chapters.append(asyncio.run(printed(lecture, _opened(config, tuple(docs)).restart_copy())))
    first = lectures[0]
    name = course.title if len(chapters) > 1 else first.chapter.name
    title = " ".join(name.split("-")) if len(chapters) > 1 else first.chapter.title
    target = folder / f"{name}-{first.chapter.language}.html"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(target, handout(title, first.chapter.language, first.words, chapters, votes).encode())
    except OSError as error:
        raise Failure(say("cli.lecture.unwritable", target=target, strerror=error.strerror)) from None
    print_result(str(target))
