"""Reads a chapter from its Markdown file: headers between lines of ---, and below each the text of a page.

Mistakes are gathered, each with file and line, so that an author sees all of them at once.
"""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from engine.atomic_write import read_whole
from engine.hangul import SPLITS, SYLLABLES
from engine.model.dataset import BUNDLED, bundled_path
from engine.text import wide_encoding
from microgpt_tui.lectures.page import Ask, Chapter, LectureError, Page, PageAction, Play, SourceText, Train, Wait
from microgpt_tui.storage.paths import PathError, typed_path
from microgpt_tui.texts.say import say

if TYPE_CHECKING:  # imported where a header is read, since the debugger's first frame needs none
    import yaml

OF_CHAPTER = ("chapter", "lang", "config", "data", "split")
ACTS = ("ask", "wait", "play", "run")
OF_ASK = ("options", "answer", "reveal", "results")
RESULTS = ("shown", "hidden")  # to the audience, before the reveal
OF_CODE = ("code", "see")
SHOWN = ("moment", "what_if", "focus", "spotlight", "inference", *OF_CODE)
OF_PAGE = (*SHOWN, "speed", "figure", *ACTS, *OF_ASK, "then", "why", "notes")
LINES = (*OF_CODE, "what_if")
LISTS = ("focus", "spotlight", "inference", "options", "config", *LINES)
LARGEST = 1_000_000  # bytes of a file; a chapter has some thousands
LONGEST = 10_000  # characters of a header, and of the text of a page
MOST_PAGES = 1000
SLOWEST = 0.001  # events or steps a second
TITLE = re.compile(r"\s*# +(?P<title>\S.*)")
FENCE = re.compile(r" {0,3}(```|~~~)")
BARE_CODE = re.compile(rf"(?P<key>(?:{'|'.join(OF_CODE)}): +)(?P<text>[^\s\[\"'|>].*?)\s*")
HALF = re.compile("[\ud800-\udfff]")  # of a character, which no file or terminal takes


@dataclass
class Header:
    """The values of one header by key, each a list of texts, and the text below it."""

    head: SourceText
    values: dict[str, list[SourceText]] = field(default_factory=dict)
    body: list[str] = field(default_factory=list)

    def one(self, key: str) -> SourceText | None:
        """The value of a key; None if it is not there."""
        return self.values[key][0] if self.values.get(key) else None

    def all(self, key: str) -> tuple[SourceText, ...]:
        return tuple(self.values.get(key, ()))


def read_chapter(path: Path, language: str = "en") -> Chapter:
    """The chapter in a file. Raises LectureError, the first of its mistakes."""
    chapter, mistakes = read_all(path, language)
    if mistakes or chapter is None:
        raise mistakes[0]
    return chapter


def read_all(path: Path, language: str = "en") -> tuple[Chapter | None, list[LectureError]]:
    """The chapter in a file as far as it can be read, and every mistake in it."""
    file, reason = str(path), say("lectures.parser.not_utf8")
    try:
        raw = read_whole(path, LARGEST)
        wide = wide_encoding(raw)
        if not wide:
            return _chapter(raw.decode("utf-8-sig"), path, language)
        reason = say("lectures.parser.wide", wide=wide)
    except UnicodeDecodeError as error:
        return None, [LectureError(reason, file, raw.count(b"\n", 0, error.start) + 1)]
    except OSError as error:
        reason = say("lectures.parser.unreadable", reason=error.strerror)
    except ValueError:
        file, reason = repr(file), say("lectures.parser.no_path")
    return None, [LectureError(reason, file)]


def _chapter(text: str, path: Path, language: str) -> tuple[Chapter | None, list[LectureError]]:
    mistakes: list[LectureError] = []
    headers = list(islice(_headers(text, str(path), mistakes), MOST_PAGES + 1))
    if len(headers) > MOST_PAGES:
        fault = headers.pop().head.fault(say("lectures.parser.many_pages", number=MOST_PAGES + 1, most=MOST_PAGES))
        return None, [*mistakes, fault]
    pages = [_page(header, mistakes) for header in headers]
    if not headers:
        mistakes.append(LectureError(say("lectures.parser.no_page"), str(path), 1))
        return None, mistakes
    first = headers[0]
    mistakes += (
        source.fault(say("lectures.parser.of_chapter", name=key))
        for header in headers[1:] for key in OF_CHAPTER for source in header.all(key)
    )  # fmt: skip
    title, lang, data = first.one("chapter"), first.one("lang"), first.one("data")
    file, split = None, first.one("split")
    if data and data.text in BUNDLED:
        file = bundled_path(data.text)
    elif data:
        try:
            file = path.parent / typed_path(data.text)
        except PathError as error:
            mistakes.append(data.fault(say("lectures.parser.data_wrong", error=error)))
    if split and split.text not in SPLITS:
        mistakes.append(split.fault(say("lectures.parser.split_wrong", split=split.text, splits=", ".join(SPLITS))))
    options = []
    for source in first.all("config"):
        key, equals, value = (part.strip() for part in source.text.partition("="))
        if not (key and equals and value):
            reason = say("lectures.parser.no_setting", text=source.text)
            mistakes.append(source.fault(reason))
        options.append((key, value))
    chapter = Chapter(
        name=path.stem,
        title=title.text if title else pages[0].title.text,
        pages=tuple(pages),
        language=lang.text if lang else language,
        file=str(path),
        options=tuple(options),
        data=file,
        split=split.text if split else SYLLABLES,
        sources=(*first.all("config"), *first.all("data")),
    )
    return chapter, sorted(mistakes, key=lambda mistake: mistake.line)


def _headers(text: str, file: str, mistakes: list[LectureError]) -> Iterator[Header]:
    """The headers of a file with the lines below each."""
    header: Header | None = None
    inside: list[str] | None = None  # the lines of a header that is not closed yet
    fence, fenced, opened = "", 0, 0
    for number, line in enumerate(text.splitlines(), 1):
        mark = FENCE.match(line)
        if mark and inside is None:
            fenced = fenced if fence else number
            fence = "" if fence == mark[1] else fence or mark[1]
        if line.rstrip() != "---" or fence:
            if inside is not None:
                inside.append(line)
            elif header is not None:
                header.body.append(line)
            elif line.strip():
                mistakes.append(LectureError(say("lectures.parser.above_header"), file, number))
                return
        elif inside is None:
            if header is not None:
                yield header
            header, inside, opened = None, [], number
        else:
            header = Header(SourceText("\n".join(inside), file, opened + 1))
            _values(header, mistakes)
            inside = None
    if fence:
        mistakes.append(LectureError(say("lectures.parser.open.code", fence=fence), file, fenced))
    if inside is not None:
        mistakes.append(LectureError(say("lectures.parser.open.header"), file, opened))
    if header is not None:
        yield header


def _values(header: Header, mistakes: list[LectureError]) -> None:
    """Read the YAML of a header. Nothing but texts and lists of texts is accepted."""
    import yaml

    head = header.head
    if len(head.text) > LONGEST:
        mistakes.append(head.fault(say("lectures.parser.header.long", length=len(head.text), most=LONGEST)))
        return
    try:
        node = yaml.compose(_quoted_code(head.text), Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line if error.problem_mark else 0
        reason = say("lectures.parser.header.wrong", problem=error.problem)
        mistakes.append(LectureError(reason, head.file, head.line + line))
        return
    except (yaml.YAMLError, RecursionError, ValueError, OverflowError) as error:  # the last two: no such character
        mistakes.append(head.fault(say("lectures.parser.header.unreadable", reason=str(error).splitlines()[0])))
        return
    if node is None:
        return
    if not isinstance(node, yaml.MappingNode):
        mistakes.append(head.fault(say("lectures.parser.header.empty")))
        return
    for key_node, value in node.value:
        key = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else "?"
        key_text = SourceText(key, head.file, head.line + key_node.start_mark.line)
        if key not in (*OF_CHAPTER, *OF_PAGE):
            near = difflib.get_close_matches(key, (*OF_CHAPTER, *OF_PAGE), n=1)
            if near:
                reason = say("lectures.parser.no_header.near", name=key, near=near[0])
            else:
                reason = say("lectures.parser.no_header.listed", name=key, known=", ".join((*OF_CHAPTER, *OF_PAGE)))
            mistakes.append(key_text.fault(reason))
        elif key in header.values:
            mistakes.append(key_text.fault(say("lectures.parser.twice", name=key)))
        else:
            header.values[key] = list(_texts(key, value, head, mistakes))
            if isinstance(value, yaml.ScalarNode) and not header.values[key]:
                mistakes.append(key_text.fault(say("lectures.parser.value_empty", name=key)))
            halves = (source for source in header.values[key] if HALF.search(source.text))
            mistakes.extend(source.fault(say("lectures.parser.half_character", name=key)) for source in halves)


def _quoted_code(text: str) -> str:
    """A header with quotes around code on one line: its colons and number signs are none of YAML's."""
    lines = ((BARE_CODE.fullmatch(line), line) for line in text.split("\n"))
    return "\n".join(f"{bare['key']}{json.dumps(bare['text'])}" if bare else line for bare, line in lines)


def _texts(key: str, node: yaml.Node, head: SourceText, mistakes: list[LectureError]) -> Iterator[SourceText]:
    import yaml

    line = head.line + node.start_mark.line
    if isinstance(node, yaml.ScalarNode):
        block = node.style in ("|", ">")
        if key in LINES:
            for place, statement in enumerate(str(node.value).split("\n"), line + block):
                if statement.strip():
                    yield SourceText(statement.strip(), head.file, place)
            return
        texts = str(node.value).split(",") if key in LISTS and not block and "[" not in node.value else [node.value]
        for text in texts:
            if text.strip():
                yield SourceText(str(text).strip(), head.file, line + block)
    elif isinstance(node, yaml.SequenceNode) and key in LISTS:
        for item in node.value:
            if isinstance(item, yaml.ScalarNode):
                yield SourceText(str(item.value), head.file, head.line + item.start_mark.line)
            else:
                mistakes.append(
                    LectureError(
                        say("lectures.parser.list_of_texts", name=key), head.file, head.line + item.start_mark.line
                    )
                )
    else:
        mistakes.append(LectureError(say("lectures.parser.one_text", name=key), head.file, line))


def _page(header: Header, mistakes: list[LectureError]) -> Page:
    head, lines = header.head, header.body
    start = head.line + head.text.count("\n") + (2 if head.text else 1)
    at = next((i for i, line in enumerate(lines) if line.strip()), None)
    titled = TITLE.fullmatch(lines[at]) if at is not None else None
    if at is None or titled is None:
        mistakes.append(LectureError(say("lectures.parser.no_title"), head.file, start))
    if (size := sum(map(len, lines))) > LONGEST:
        mistakes.append(head.fault(say("lectures.parser.long_page", size=size, most=LONGEST)))
    speed = header.one("speed")
    return Page(
        head=head,
        title=SourceText(titled["title"].strip() if titled else "", head.file, start + (at or 0)),
        body=_block(lines[(at or 0) + 1 :], head.file, start + (at or 0) + 1),
        moment=header.one("moment"),
        focus=header.all("focus"),
        spotlight=header.all("spotlight"),
        speed=_speed(speed, mistakes) if speed else None,
        figure=header.one("figure"),
        act=_act(header, mistakes),
        then=header.one("then"),
        notes=header.one("notes"),
        code=header.all("code"),
        see=header.all("see"),
        why=header.one("why"),
        inference=header.all("inference"),
        what_if=header.all("what_if"),
    )


def _block(lines: list[str], file: str, line: int) -> SourceText:
    """A text without the empty lines around it."""
    first = next((i for i, text in enumerate(lines) if text.strip()), len(lines))
    return SourceText("\n".join(lines[first:]).rstrip(), file, line + first)


def _speed(source: SourceText, mistakes: list[LectureError]) -> float | None:
    try:
        speed = float(source.text)
    except ValueError:
        speed = math.nan
    if speed == 0 or SLOWEST <= speed <= 1000:  # nan is neither
        return speed
    reason = say("lectures.parser.speed", text=source.text, least=SLOWEST)
    mistakes.append(source.fault(reason))
    return None


def _act(header: Header, mistakes: list[LectureError]) -> PageAction | None:
    kinds = [kind for kind in ACTS if header.one(kind)]
    kind = kinds[0] if kinds else ""
    wrong = [(other, say("lectures.parser.one_act", kind=kind)) for other in kinds[1:]]
    if kind != "ask":
        wrong += [(key, say("lectures.parser.of_ask", name=key)) for key in OF_ASK]
    if not kind:
        wrong.append(("then", say("lectures.parser.then_alone")))
    mistakes += (source.fault(reason) for key, reason in wrong if (source := header.one(key)))
    source = header.one(kind)
    if source is None:
        return None
    if kind == "ask":
        options, answer = header.all("options"), header.one("answer")
        if bool(options) != bool(answer):
            mistakes.append(source.fault(say("lectures.parser.options_and_answer")))
        if len(options) == 1:
            mistakes.append(options[0].fault(say("lectures.parser.one_option")))
        results = header.one("results")
        if results is not None and results.text not in RESULTS:
            known = ", ".join(RESULTS)
            mistakes.append(results.fault(say("lectures.parser.results", results=results.text, known=known)))
        elif results is not None and not options:
            mistakes.append(results.fault(say("lectures.parser.results_of_options")))
        hidden = results is not None and results.text == "hidden"
        return Ask(source, options, answer, header.one("reveal"), hidden)
    return Wait(source) if kind == "wait" else Play(source) if kind == "play" else Train(source)
