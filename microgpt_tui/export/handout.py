"""A handout: chapters of a lecture as one HTML file, each page as text with its picture. It opens anywhere.

The pictures are of the running program, at the moment of the page, or where what the page plays or trains ends.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from html import escape
from textwrap import dedent

from engine import Run
from engine.immutable import immutable
from microgpt_tui.audience.results import AskedQuestion, Results, ResultsError
from microgpt_tui.drawing.markdown import parser, without_literals
from microgpt_tui.explanations.glossary import terms_in
from microgpt_tui.export.headless import screenshots
from microgpt_tui.export.screenshot import Screenshot
from microgpt_tui.export.svg import FONTS, svg
from microgpt_tui.lectures.file_map import FileMap
from microgpt_tui.lectures.lecture import Lecture
from microgpt_tui.lectures.outline import CodeLines
from microgpt_tui.lectures.page import Play, Train
from microgpt_tui.lectures.rendered_page import LETTERS, RenderedPage
from microgpt_tui.panes.arrangement import Arrangement
from microgpt_tui.screens.lecture import LectureScreen
from microgpt_tui.texts.say import say

SIZE = (100, 28)  # of a picture; half a page of paper wide, and it can still be read
THEME = "microgpt-light"
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # HTML has none, whatever the author's file holds
STYLE = f"""
body {{ font: 17px/1.55 'Noto Sans', 'Noto Sans CJK KR', 'Malgun Gothic', 'Apple SD Gothic Neo', system-ui, sans-serif;
  color: #222; background: #fff; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }}
h1 {{ font-size: 2rem; margin-top: 3rem; }} h2 {{ font-size: 1.35rem; margin-bottom: .3rem; }}
article {{ break-inside: avoid; border-top: 1px solid #ddd; padding: .4rem 0 1.2rem; }}
figure {{ margin: .8rem 0 0; }} svg {{ width: 100%; height: auto; border: 1px solid #ccc; border-radius: 4px; }}
code {{ font-family: {FONTS}; font-size: .92em; background: #f2f2ee; padding: 0 .2em; border-radius: 3px; }}
pre.code {{ font-family: {FONTS}; font-size: .85em; background: #fdf6e3; padding: .4rem .6rem; white-space: pre-wrap; }}
pre.code span {{ color: #888; }} .why {{ border-left: 3px solid #888; padding-left: .8rem; color: #444; }}
.ask {{ font-weight: 600; }} ol.options {{ list-style: lower-alpha; margin: .2rem 0; }}
.then {{ border-left: 3px solid #8a5a00; padding-left: .8rem; }} .figure {{ font-size: 2.6rem; margin: .2rem 0; }}
table {{ border-collapse: collapse; }} th, td {{ padding: .1rem .6rem; border-bottom: 1px solid #ddd; }}
.votes {{ margin-bottom: 0; }} .bar {{ height: .8rem; background: #8a5a00; print-color-adjust: exact; }}
dt {{ font-weight: 600; }} dd {{ margin: 0 0 .3rem 1.2rem; }}
nav li {{ margin: .1rem 0; }} .number {{ color: #888; font-weight: normal; }}
@media print {{ body {{ margin: 0; max-width: none; font-size: 11pt; }} h1 {{ break-before: page; }} }}
"""


@immutable
class Printed:
    """A chapter for a handout: its name and title, and its pages with their pictures."""

    name: str
    title: str
    pages: tuple[tuple[RenderedPage, Screenshot], ...]


async def printed(lecture: Lecture, session: Run) -> Printed:
    """The present chapter of a lecture, drawn on a run of it. Raises LectureError for a mistake in it."""
    rendered_pages: list[RenderedPage] = []

    def make() -> LectureScreen:
        screen = LectureScreen(session, lecture)
        screen.grid.arrangement = Arrangement()
        screen.add_class("-panes-only")
        return screen

    async def turn(screen: LectureScreen) -> AsyncIterator[str]:
        for place, bound in enumerate(screen.player.bound_pages):
            screen.open_page(place)
            if isinstance(bound.page.act, Play | Train):
                screen.finish()
            rendered_pages.append(screen.player.rendered_pages[place])
            yield without_literals(rendered_pages[-1].title)

    pictures = await screenshots(make, turn, SIZE, THEME)
    return Printed(lecture.chapter.name, lecture.chapter.title, tuple(zip(rendered_pages, pictures, strict=True)))


def handout(
    title: str, language: str, words: Mapping[str, str], chapters: Sequence[Printed], results: Results | None = None
) -> str:
    """The whole file. `words` are those of a lecture besides its pages, in its language.

    `results` are printed with their questions. Raises ResultsError for those of questions with other options.
    """
    contents = "".join(f'<li><a href="#c{i}">{escape(c.title)}</a></li>' for i, c in enumerate(chapters, 1))
    body = "".join(_chapter(i, chapter, words, results or Results()) for i, chapter in enumerate(chapters, 1))
    terms = _terms(chapters, language, words)
    page = f"""<!DOCTYPE html>
<html lang="{escape(language)}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{STYLE}</style>
</head>
<body>
{f"<nav><ol>{contents}</ol></nav>" if len(chapters) > 1 else ""}
{body}
{terms}
</body>
</html>
"""
    return CONTROL.sub("�", page)


def _chapter(number: int, chapter: Printed, words: Mapping[str, str], results: Results) -> str:
    pages = "".join(
        _page(place, rendered, shot, words, results.of(chapter.name, place))
        for place, (rendered, shot) in enumerate(chapter.pages, 1)
    )
    return f'<h1 id="c{number}">{escape(chapter.title)}</h1>\n{pages}'


def _page(
    place: int, rendered: RenderedPage, shot: Screenshot, words: Mapping[str, str], asked: AskedQuestion | None
) -> str:
    parts = [f'<h2><span class="number">{place}.</span> {_inline(rendered.title)}</h2>']
    if rendered.figure:
        parts.append(f'<p class="figure">{escape(rendered.figure)}</p>')
    parts += [_code(block) for block in rendered.code]
    if rendered.map is not None:
        parts.append(_map(rendered.map))
    parts.append(parser().render(rendered.body))
    if rendered.question:
        parts.append(f'<p class="ask">{_inline(rendered.question)}</p>')
    if rendered.options:
        parts.append(f'<ol class="options">{"".join(f"<li>{escape(each)}</li>" for each in rendered.options)}</ol>')
    if asked is not None:
        parts.append(_votes(rendered, asked, words))
    parts.append(f"<figure>{svg(shot)}</figure>")
    if rendered.right is not None:
        parts.append(f"<p><strong>{escape(words['answer'])}:</strong> {escape(rendered.right_option)}</p>")
    if rendered.then:
        parts.append(f'<div class="then">{parser().render(rendered.then)}</div>')
    if rendered.why:
        parts.append(
            f'<div class="why"><p><strong>{escape(words["why"])}</strong></p>{parser().render(rendered.why)}</div>'
        )
    return f"<article>{''.join(parts)}</article>\n"


def _votes(rendered: RenderedPage, asked: AskedQuestion, words: Mapping[str, str]) -> str:
    """What an audience has answered: a table for each time that it was asked."""
    if len(rendered.options) != len(asked.options):
        raise ResultsError(say("export.handout.other_options", page=asked.page, chapter=asked.chapter))
    tables = []
    for number, vote in enumerate(asked.votes, 1):
        title = words["results"] if len(asked.votes) == 1 else words["results_again"].format(number=number)
        rows = (
            f"<tr><td>{LETTERS[place]}) {escape(option)}</td><td>{count}</td><td>{count / max(sum(vote), 1):.0%}</td>"
            f'<td><div class="bar" style="width:{12 * count / max(*vote, 1):.2f}rem"></div></td></tr>'
            for place, (option, count) in enumerate(zip(rendered.options, vote, strict=True))
        )
        tables.append(f'<p class="votes">{escape(title)}: {sum(vote)}</p><table>{"".join(rows)}</table>')
    return "".join(tables)


def _map(shown: FileMap) -> str:
    """The map of the file, as a table."""
    rows = (
        f"<tr><td>{escape(chapter.lines) if shown.has_lines else ''}</td>"
        f"<td><code>{escape(chapter.largest.label)}</code></td>"
        f"<td>{chapter.place + 1}. {escape(chapter.title)}</td></tr>"
        for chapter in shown.chapters
    )
    return f"<table>{''.join(rows)}</table>"


def _code(block: CodeLines) -> str:
    """Lines of code with their numbers, below the file that they stand in."""
    texts = block.code.text.split("\n")
    dedented = dedent("\n".join(texts[number - 1] for number in block.lines)).split("\n")
    lines = (
        f"<span>{escape(block.code.label(number))}</span> {escape(text)}"
        for number, text in zip(block.lines, dedented, strict=True)
    )
    return f'<pre class="code" title="{escape(block.label)}">{chr(10).join(lines)}</pre>'


def _terms(chapters: Sequence[Printed], language: str, words: Mapping[str, str]) -> str:
    """What the terms mean that the chapters speak of."""
    pages = [rendered for chapter in chapters for rendered, _ in chapter.pages]
    found = terms_in((text for page in pages for text in (page.title, page.body, page.then, page.why)), language)
    rows = (
        f"<dt>{escape(term.word)}{f' · {escape(term.english)}' if term.english != term.word else ''}</dt>"
        f"<dd>{escape(term.meaning)}</dd>"
        for term in found
    )
    return f'<h1 id="terms">{escape(words["terms"])}</h1>\n<dl>{"".join(rows)}</dl>' if found else ""


def _inline(text: str) -> str:
    return str(parser().renderInline(text))
