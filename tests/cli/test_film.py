"""export --from --to: the moments of a film, and the screens that an asciicast and a moving SVG show."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from rich.cells import cell_len

from engine import Address, Config, Moment, Scope, Session, load_docs
from microgpt_tui.debugger import navigation
from microgpt_tui.export.cast import cast
from microgpt_tui.export.film import LAST, MOST, WAYS, FilmFrame, Stretch, film, schedule
from microgpt_tui.export.screenshot import Look, Screenshot
from tests.support.chromium import browser, needs_chromium
from tests.support.commands import SMALL, error_of, invoke, start
from tests.support.terminal import needs_tmux, terminal

CONFIG = Config(n_embd=4, n_head=2, block_size=4)
BEGIN, END = "2 forward probs@pos=3", "2 backward probs@pos=2"
WIDE = ["가나다라", "마바사아", "ab가", "나cd"]
SVG = "{http://www.w3.org/2000/svg}"


def export(*args: object) -> str:
    result = invoke("export", *SMALL, *args)
    assert result.exit_code == 0, result.output
    return result.stdout_bytes.decode()


def filmed(form: str, *args: object) -> str:
    return export("--from", BEGIN, "--to", END, "--format", form, *args)


def moment(session: Session, text: str) -> Moment:
    address = Address.parse(text, Scope(session.config, session.tokenizer))
    return address.moment(session.programs()(address.step))


def stretch(session: Session, begin: str, end: str, way: str = "event", count: int = 1, pace: float = 2) -> Stretch:
    return Stretch(moment(session, begin), moment(session, end), way, count, pace)


# Which moments.


@pytest.fixture(scope="module")
def session() -> Session:
    return Session(CONFIG, load_docs())


@pytest.mark.parametrize(
    ("way", "begin", "end"),
    [
        ("scalar", "1 forward end", "1 backward loss_t@pos=1"),
        ("event", "1 update end", "2 forward q@pos=1"),
        ("position", "1 forward q@pos=0", "1 forward q@pos=3"),
        ("position", "1 forward q@pos=1", "1 update wte"),  # beyond its last position
        ("phase", "1 forward q@pos=1", "3 backward end"),
        ("step", "1 update wte", "9 update wte"),
    ],
)
@pytest.mark.parametrize("count", [1, 3])
def test_a_stretch_goes_as_the_keys_go(session: Session, way: str, begin: str, end: str, count: int) -> None:
    wanted = stretch(session, begin, end, way, count)
    keys, here = [], wanted.start
    while here.key < wanted.end.key:  # what the key leads to, each time pressed once
        keys.append(here)
        to = WAYS[way](session.programs()(here.step), here)
        if to is None:
            break
        here = to.moment(session.programs()(to.step)) if isinstance(to, navigation.SameEvent) else to
    assert list(wanted.moments(session.programs())) == [*keys[::count], wanted.end]
    assert len(keys) > 2


def test_steps_keep_a_position_that_some_documents_have_not() -> None:
    session = Session(CONFIG, ["abc", "d"])
    wanted = stretch(session, "0 forward q@pos=3" if len(session.docs[0]) == 3 else "1 forward q@pos=3", "9", "step")
    found = [session.programs()(m.step).event_at(m).pos for m in wanted.moments(session.programs())][:-1]
    assert found == [len(session.docs[m.step % 2]) for m in wanted.moments(session.programs())][:-1]
    assert set(found) == {1, 3}


def test_a_schedule_has_each_moment_once_at_its_pace_and_rests_at_its_end(session: Session) -> None:
    first = stretch(session, "1 forward q@pos=1", "1 forward v@pos=1", pace=4)
    second = stretch(session, "1 forward v@pos=1", "3 forward v@pos=1", "step", pace=5)
    planned = schedule([first, second], session.programs())
    assert [m for m, _ in planned] == [*first.moments(session.programs()), *second.moments(session.programs())][:3] + [
        *second.moments(session.programs())
    ][1:]
    assert [seconds for _, seconds in planned] == [0.25, 0.25, 0.25, 0.2, LAST]


def test_a_schedule_without_end_is_given_up(session: Session) -> None:
    planned = schedule([stretch(session, "0", "1000", "scalar")], session.programs())
    assert len(planned) == MOST + 1


# Asciicast.


class Emulator:
    """A terminal that knows the sequences of `cast`, and no others; cells of (character, colours, kind)."""

    SEQUENCE = re.compile(r"\x1b\[(\??)([\d;]*)([A-Za-z])|[^\x1b]")

    def __init__(self, width: int, height: int) -> None:
        self.cells = [[("", "")] * width for _ in range(height)]
        self.cursor, self.style = True, [""] * 5

    def feed(self, sent: str) -> None:
        end = 0
        for found in self.SEQUENCE.finditer(sent):
            assert found.start() == end, sent[end : found.start()]
            end = found.end()
            private, numbers, kind = found.groups()
            if kind is None:
                self._write(found[0])
            elif private:
                assert numbers == "25"
                self.cursor = kind == "h"
            elif kind == "H":
                self.y, self.x = (int(n) - 1 for n in numbers.split(";"))
            elif kind == "m":
                self._set([int(n) for n in numbers.split(";")])
            else:
                assert (numbers, kind) == ("2", "J")
        assert end == len(sent)

    def _write(self, character: str) -> None:
        row, width, style = self.cells[self.y], cell_len(character), "".join(self.style)
        if not width:
            last = next(x for x in range(self.x - 1, -1, -1) if row[x][0])
            row[last] = row[last][0] + character, row[last][1]
            return
        row[self.x : self.x + width] = [(character, style), *[("", style)] * (width - 1)]
        self.x += width

    def _set(self, codes: list[int]) -> None:
        while codes:
            code = codes.pop(0)
            if code == 0:
                self.style = [""] * 5
            elif code in (38, 48):
                assert codes.pop(0) == 2
                self.style[0 if code == 38 else 1] = "#" + bytes(codes[:3]).hex()
                del codes[:3]
            else:
                self.style[{1: 2, 3: 3, 4: 4}[code]] = str(code)


def expected(shot: Screenshot) -> list[list[tuple[str, str]]]:
    """The cells of a screenshot, as `Emulator` has them."""

    def style(look: Look) -> str:
        kinds = [kind for kind, on in zip("134", (look.bold, look.italic, look.underlined), strict=True) if on]
        return "".join((look.colour, look.background, *kinds))

    rows: list[list[tuple[str, str]]] = []
    for line in shot.lines:
        row: list[tuple[str, str]] = []
        for piece in line:
            for character in piece.text:
                if cell_len(character):
                    row += [(character, style(piece.look)), *[("", style(piece.look))] * (cell_len(character) - 1)]
                else:
                    row[-1] = row[-1][0] + character, row[-1][1]
        rows.append(row)
    return rows


async def test_a_cast_shows_every_frame() -> None:
    session = Session(CONFIG, WIDE)
    stretches = [
        stretch(session, "0 forward probs@pos=2", "0 backward loss_t@pos=2"),
        stretch(session, "0 forward embed@pos=1", "7 forward embed@pos=1", "step"),
        stretch(session, "7 update wte scalar 1", "7 update wte", "scalar", 5),
    ]
    planned = schedule(stretches, session.programs())
    done: list[int] = []
    frames = await film(session, planned, (100, 30), "microgpt-dark", None, done.append)
    assert done == list(range(1, len(planned) + 1))
    header, *events = map(json.loads, cast("title", frames).splitlines())
    assert (header["version"], header["width"], header["height"], header["title"]) == (2, 100, 30, "title")
    assert len(header["theme"]["palette"].split(":")) == 8
    emulator = Emulator(100, 30)
    for frame, (seconds, kind, sent) in zip(frames, events[:-1], strict=True):
        emulator.feed(sent)
        assert (seconds, kind, emulator.cursor) == (round(frame.begin, 3), "o", False)
        assert emulator.cells == expected(frame.shot)
    emulator.feed(events[-1][2])
    assert emulator.cursor
    assert emulator.cells == expected(frames[-1].shot)
    assert all(a[0] < b[0] for a, b in pairwise(events))
    assert events[-1][0] == round(frames[-1].end, 3)
    assert any(cell[0] == "가" for row in emulator.cells for cell in row)


async def test_a_frame_that_changes_nothing_sends_nothing(session: Session) -> None:
    (frame,) = await film(session, [(Moment(1), 1.0)], (80, 24), "microgpt-dark", None, int)
    lines = cast("", [frame, FilmFrame(frame.shot, 1.0, 2.0)]).splitlines()
    assert json.loads(lines[2]) == [1.0, "o", ""]


@needs_tmux
def test_a_terminal_shows_the_last_moment_of_a_cast(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")  # the sign of a cell is its colour in one, a character in the other
    _, *events = map(json.loads, filmed("cast").splitlines())
    sent = tmp_path / "sent"
    sent.write_text("".join(event[2] for event in events), encoding="utf-8")
    shown = export("--moment", END, "--format", "txt").splitlines()
    with terminal(["sh", "-c", f"cat {shlex.quote(str(sent))}; read line"]) as screen:
        screen.wait(lambda text: [line.rstrip() for line in text.splitlines()] == shown)


# SVG.


Drawn = tuple[str, ...]


class Moving:
    """A moving SVG, as a browser reads it."""

    def __init__(self, text: str) -> None:
        self.root = ET.fromstring(text)
        style = self.root.findtext(f".//{SVG}style") or ""
        found = re.search(r"animation:([\d.]+)s step-end (infinite|1 forwards)", style)
        assert found
        self.seconds, self.loops = float(found[1]), found[2] == "infinite"
        self.keys: dict[str, list[tuple[float, bool]]] = {}
        for name, body in re.findall(r"@keyframes (\w+)\{((?:[^{}]+\{[^{}]+\})+)\}", style):
            keys = re.findall(r"([^{}]+)\{visibility:(visible|hidden)\}", body)
            self.keys[name] = sorted((float(at[:-1]), on == "visible") for ats, on in keys for at in ats.split(","))

    def at(self, seconds: float) -> set[Drawn]:
        """What is seen at a time."""
        share = 100 * seconds / self.seconds
        return set(
            drawn(self.root, {name: [on for at, on in keys if at <= share][-1] for name, keys in self.keys.items()})
        )


def drawn(element: ET.Element, seen: dict[str, bool], look: Drawn = ()) -> Iterator[Drawn]:
    """Everything drawn below an element: its look and place; nothing of a class that is not seen."""
    name = element.get("class")
    if name is not None and not seen[name]:
        return
    if element.tag == f"{SVG}path":
        yield from ((element.attrib["stroke"], part) for part in re.findall(r"M[^M]+", element.attrib["d"]))
    elif element.tag in (f"{SVG}text", f"{SVG}rect"):
        yield (*look, element.tag, element.text or "", *(f"{k}={v}" for k, v in element.attrib.items()))
    elif element.tag not in (f"{SVG}style", f"{SVG}title"):
        own = tuple(f"{k}={v}" for k, v in element.attrib.items() if k != "class")
        for child in element:
            yield from drawn(child, seen, own if "fill" in element.attrib else ())


@pytest.mark.parametrize("more", [(), ("--once", "--theme", "light", "--size", "90x28", "--pane", "stage")])
def test_a_moving_svg_shows_at_each_time_what_export_shows_at_the_moment(more: tuple[str, ...]) -> None:
    moving = Moving(filmed("svg", "--pace", "8", *more))
    how = [word for word in more if word != "--once"]
    session = Session(CONFIG, load_docs())
    moments = list(stretch(session, BEGIN, END).moments(session.programs()))
    assert moving.seconds == (len(moments) - 1) / 8 + LAST
    assert moving.loops == (not more)
    for place in (0, 1, len(moments) // 2, len(moments) - 1):
        session.seek(moments[place])
        text = Address.of(session.program, moments[place]).text
        still = ET.fromstring(export("--moment", text, "--format", "svg", *how))
        assert moving.at(place / 8 + 0.01) == set(drawn(still, {}))
    assert moving.at(moving.seconds) == moving.at(moving.seconds - 0.01)  # where it stays, played once
    first = {name: keys[0][1] for name, keys in moving.keys.items()}  # what is seen where nothing moves
    style = moving.root.findtext(f".//{SVG}style") or ""
    assert first == {name: f".{name}{{visibility:hidden;" not in style for name in moving.keys}


def test_a_moving_svg_loads_nothing_and_holds_what_stays_once() -> None:
    text = filmed("svg")
    assert text.count("http") == text.count('xmlns="http://www.w3.org/2000/svg"') == 1
    assert not re.search(r"url\(|@import|<script|<image|href=|\bid=", text)
    assert f"<title>microgpt-tui: {BEGIN} – {END}</title>" in text
    assert text.count(">scalar</text>") <= 1
    stills = len(Moving(text).keys)
    assert stills
    frames = len(set(re.findall(r"[\d.]+(?=%)", text))) - 1
    assert len(text) < frames * len(export("--moment", BEGIN, "--format", "svg")) / 2


def test_a_film_of_one_moment_is_its_picture() -> None:
    still = ET.fromstring(export("--moment", BEGIN, "--format", "svg"))
    film = ET.fromstring(export("--from", BEGIN, "--to", BEGIN))
    assert set(drawn(film, {})) == set(drawn(still, {}))


SEEN = """
document.querySelector('text') && document.readyState === 'complete' &&
[...document.querySelectorAll('text, rect, path')].flatMap(each => {
  const look = getComputedStyle(each), place = ['x', 'y', 'width', 'height'].map(name => each.getAttribute(name));
  if (look.visibility !== 'visible') return [];
  if (each.tagName === 'path') return each.getAttribute('d').slice(1).split('M').map(part => look.stroke + part);
  return [[each.tagName, each.textContent, look.fill, look.fontWeight, ...place].join(' ')];
}).sort().join('\\n')
"""  # all that is seen, but for its order: where two characters touch, that may show at their edges


@needs_chromium
async def test_a_browser_shows_the_last_moment(tmp_path: Path) -> None:
    for name, how in (("film", ("--from", BEGIN, "--to", END, "--once")), ("still", ("--moment", END))):
        await asyncio.to_thread(export, *how, "-o", tmp_path / f"{name}.svg")
    async with browser(tmp_path / "profile") as page:
        await page.go((tmp_path / "still.svg").as_uri())
        still = await page.wait("text ", script=SEEN)
        await page.go((tmp_path / "film.svg").as_uri())
        begin = await page.wait("text ", script=f"document.getAnimations().length > 0 && {SEEN.strip()}")
        await page.tell("document.getAnimations().forEach(each => each.finish())")
        assert await page.wait("text ", script=SEEN) == still != begin


# The command.


@pytest.mark.parametrize("form", ["svg", "cast"])
def test_two_films_have_the_same_bytes(form: str) -> None:
    args = ("--from", BEGIN, "--to", BEGIN.replace("probs", "loss_t"), "--format", form)
    with start("export", *SMALL, *args) as process:  # another process: other hashes, other addresses
        out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    assert out == export(*args)


def test_the_film_of_a_saved_run(tmp_path: Path) -> None:
    saved, target = tmp_path / "run.safetensors", tmp_path / "film.CAST"
    assert invoke("train", "--until", 5, "--save", saved, *SMALL).exit_code == 0
    args = ("--from", BEGIN, "--to", BEGIN, "-o", target)
    assert invoke("export", "--run", saved, *args).stdout.strip() == str(target)
    assert json.loads(target.read_text(encoding="utf-8").splitlines()[0])["version"] == 2


TWO = ["--from", "1", "--to", "2"]


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--from", "3", "--to", "2"], "--to is '2', which is before --from, '3'; exchange them"),
        (["--from", "3"], "--from and --to belong together"),
        ([*TWO, "--to", "3"], "here there are 1 and 2"),
        (["--by", "step"], "--by is for a film; say with --from and --to what it shows"),
        (["--pace", "2"], "--pace is for a film"),
        (["--once"], "--once is for a film"),
        ([*TWO, "--moment", "3"], "--moment does not go with --from and --to"),
        ([*TWO, "--graph", "q[0]"], "--graph does not go with --from and --to"),
        ([*TWO, "--by", "year"], "--by is 'year'; give one of scalar, event, position, phase, step, or"),
        ([*TWO, "--by", "0 steps"], "--by is '0 steps'"),
        ([*TWO, "--by", "10000 scalars"], "or a number of them up to 9999"),
        ([*TWO, "--by", "step", "--by", "event"], "--by is given 2 times; give it once, or as often as"),
        ([*TWO, "--pace", "fast"], "--pace is 'fast'; give pictures a second, from 0.1 to 30"),
        ([*TWO, "--pace", "31"], "--pace is '31'"),
        ([*TWO, "--pace", "0"], "--pace is '0'"),
        ([*TWO, "--pace", "nan"], "--pace is 'nan'"),
        ([*TWO, "--by", "scalar"], 'more than 1,000 pictures; give a shorter stretch, or larger steps, such as'),
        ([*TWO, "--format", "html"], "a film is written as svg or cast"),
        ([*TWO, "-o", "film.txt"], "a film is written as svg or cast"),
        ([*TWO, "-o", "film.mp4"], "end it in .svg or .cast"),
        ([*TWO, "-o", "film.svg", "--format", "cast"], "-o is film.svg and --format is cast; let the name"),
        ([*TWO, "-o", "film.cast", "--once"], "--once is for svg"),
        (["-o", "film.cast"], "cast is a format of films alone"),
        (["-o", "page.html", "--format", "txt"], "-o is page.html and --format is txt"),
        (["--from", "yesterday", "--to", "2"], "no event is called 'yesterday'"),
        (["--from", "0 forward q@pos=0", "--to", "0 forward q@pos=99"], "pos is 99"),
        (["--from", "1", "--to", "3", "--learning-rate", "50", "--by", "step"], "training stopped at step "),
    ],
)  # fmt: skip
def test_bad_options_of_a_film_are_refused(args: list[str], says: str) -> None:
    assert says in error_of(invoke("export", *SMALL, *args))
