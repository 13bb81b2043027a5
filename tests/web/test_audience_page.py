"""The page of an audience in a real browser, on a phone, a tablet and a desktop."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from rich.cells import cell_len

from engine import Session
from microgpt_tui.export.headless import screenshots
from microgpt_tui.panes.arrangement import Arrangement
from microgpt_tui.panes.base import Pane
from microgpt_tui.screens.debugger import DebuggerScreen
from tests.support.audience_process import NETWORK, AudienceProcess, audience_process
from tests.support.chromium import Page, browser, needs_chromium
from tests.support.commands import SMALL as SMALL_RUN
from tests.support.frames import rows
from tests.support.harness import DOCS, SMALL
from tests.support.proxy import certificate, needs_openssl, proxy
from tests.support.wait import PATIENCE

pytestmark = needs_chromium

PAGES = 10
SIZES = {"phone": (390, 844, True), "tablet": (820, 1180, True), "desktop": (1280, 800, False)}
QUESTION = {"id": "6/2", "text": "Which token comes next?", "options": ["a", "b", "BOS"], "open": True,
            "hidden": True, "right": None, "counts": None}  # fmt: skip
at_all_sizes = pytest.mark.parametrize("size", SIZES)

SCREEN = "[...document.querySelectorAll('#screen .row')].map((row) => row.textContent.trimEnd()).join('\\n')"
TITLE = "document.querySelector('#title')?.textContent"
STATE = "document.body?.dataset.state"
VERDICT = "document.querySelector('#verdict')?.textContent"
WIDER = "document.documentElement.scrollWidth > window.innerWidth"
CLICK = "document.querySelectorAll('#options button')[{}].click()"

Frames = list[dict[str, Any]]


@pytest.fixture(scope="module")
def frames() -> Frames:
    """The screens of a debugger that goes from event to event, and which panes a page is about."""
    panes: list[list[dict[str, Any]]] = []

    async def pages(screen: DebuggerScreen) -> AsyncIterator[str]:
        for _ in range(PAGES):
            screen.navigator.move("next_event")
            yield "a page"
            seen = [pane for pane in screen.query(Pane) if pane.id in ("stage", "inspector") and pane.region.height]
            panes.append([
                {"id": pane.id, "title": pane.id, "x": pane.region.x, "y": pane.region.y, "width": pane.region.width,
                 "height": pane.region.height}
                for pane in sorted(seen, key=lambda pane: pane.id != "stage")
            ])  # fmt: skip

    def make() -> DebuggerScreen:
        return DebuggerScreen(Session(SMALL, DOCS), arrangement=Arrangement())

    shots = asyncio.run(screenshots(make, pages, (120, 36), "microgpt-dark"))
    return [
        rows(shot) | {"panes": places, "page": text(number)}
        for number, (shot, places) in enumerate(zip(shots, panes, strict=True), 1)
    ]


def text(number: int, language: str = "en") -> dict[str, Any]:
    body = [
        {"kind": "p", "runs": [["Look at ", ""], ["q", "c"], [" <b>&amp;</b> ", ""], ["now", "b"]]},
        {"kind": "p", "runs": [["• ", ""], ["an item", ""]]},
        {"kind": "code", "runs": [["x = 1\n  y = 2", ""]]},
    ]
    return {"chapter": "Small steps", "title": f"Page number {number}", "number": number, "pages": PAGES, "body": body,
            "then": [], "language": language}  # fmt: skip


def shown(frame: dict[str, Any]) -> str:
    """The screen of a frame as text."""
    lines = ("".join(run[0] for run in frame[f"row/{y}"]) for y in range(frame["size"][1]))
    return "\n".join(line.rstrip() for line in lines)


@asynccontextmanager
async def opened(folder: Path, size: str) -> AsyncIterator[Page]:
    """A browser with a window of this size."""
    async with browser(folder / "profile") as page:
        width, height, phone = SIZES[size]
        settings = {"width": width, "height": height, "deviceScaleFactor": 3 if phone else 1, "mobile": phone}
        await page.call("Emulation.setDeviceMetricsOverride", **settings)
        yield page


async def taken(audience: AudienceProcess, key: str) -> None:
    """Wait until the server hands out a key."""
    async with ClientSession() as session, asyncio.timeout(PATIENCE):
        async with session.get(f"{audience.address}/session") as answer:
            name = (await answer.json())["session"]
        changes: dict[str, Any] = {}
        while key not in changes:
            async with session.get(f"{audience.address}/frames/{name}/0") as answer:
                changes = (await answer.json())["changes"]


async def click(page: Page, selector: str) -> None:
    """Click with the mouse, as some things are only allowed after a person's click."""
    box = await page.tell(f"document.querySelector('{selector}').getBoundingClientRect().toJSON()")
    where = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2, "button": "left", "clickCount": 1}
    for kind in ("mousePressed", "mouseReleased"):
        await page.call("Input.dispatchMouseEvent", type=kind, **where)


async def turned(audience: AudienceProcess, page: Page, frame: dict[str, Any]) -> None:
    """Send a frame, and wait until the page shows all of it."""
    await audience.send(**frame)
    await page.wait(frame["page"]["title"], script=TITLE)
    await page.wait(shown(frame), script=SCREEN)


@at_all_sizes
async def test_a_viewer_comes_in_by_the_code_follows_ten_pages_and_answers(
    size: str, frames: Frames, tmp_path: Path
) -> None:
    async with audience_process(**NETWORK) as audience, opened(tmp_path, size) as page:
        await page.go(audience.address)
        await page.wait("Type the code", script="document.body?.innerText")
        await page.tell("document.querySelector('input').value = 'abc 234'; document.forms[0].submit()")
        await page.wait("waiting", script=STATE)
        for frame in frames:
            await turned(audience, page, frame)
        assert "Look at q <b>&amp;</b> now" in await page.tell("document.querySelector('#body').innerText")
        assert await page.tell("document.querySelector('#body .item').innerText") == "• an item"
        assert await page.tell("document.querySelector('#body pre').innerText") == "x = 1\n  y = 2"
        assert not await page.tell(WIDER)
        phone = size == "phone"
        stage, inspector = await page.tell("[...document.querySelectorAll('#panes .view')].map((v) => v.clientWidth)")
        assert (stage > 350, inspector > 350) == (phone, phone)
        assert await page.tell("document.querySelector('#screen .view').clientWidth") > 350
        await turned_to_a_question(audience, page)
        assert all(asked.startswith((audience.address, "ws:", "data:")) for asked in page.addresses)


async def turned_to_a_question(audience: AudienceProcess, page: Page) -> None:
    """The page asks, the viewer answers twice, and is told."""
    await audience.send(question=QUESTION)
    await page.wait("Choose an answer", script=VERDICT)
    assert await page.tell("document.querySelector('#options button').getBoundingClientRect().height") >= 44
    await page.tell(CLICK.format(0))
    await audience.say("counts", {"question": "6/2", "counts": [1, 0, 0]})
    await page.wait("Your answer: a) a.", script=VERDICT)
    await page.tell(CLICK.format(2))
    await audience.say("counts", {"question": "6/2", "counts": [0, 0, 1]})
    await page.wait("Your answer: c) BOS.", script=VERDICT)
    # The two answers alone: a question that comes up costs no request, or all viewers would send one at once.
    assert page.addresses.count(f"{audience.address}/answer") == 2
    await page.go(audience.address)  # a page that is loaded anew knows its answer
    await page.wait("Your answer: c) BOS.", script=VERDICT)
    await audience.send(question=QUESTION | {"open": False, "right": 2, "counts": [0, 0, 1]})
    await page.wait("Right! It is c) BOS.", script=VERDICT)
    assert await page.tell("[...document.querySelectorAll('#options button')].every((button) => button.disabled)")
    await audience.send(question=QUESTION | {"id": "6/3", "open": False, "right": 0, "counts": [0, 0, 0]})
    await page.wait("It is a) a. You have not answered.", script=VERDICT)
    await audience.send(question=None)
    await page.wait("gone", script="document.querySelector('#question').hidden ? 'gone' : ''")


@at_all_sizes
async def test_a_server_that_is_started_again_is_found_by_the_page(size: str, frames: Frames, tmp_path: Path) -> None:
    """Without a word from the viewer, whose answer counts again."""
    async with audience_process(**NETWORK) as audience, opened(tmp_path, size) as page:
        await page.go(f"{audience.address}/?code=ABC-234")
        await page.wait("waiting", script=STATE)
        await turned(audience, page, frames[0])
        await audience.send(question=QUESTION)
        await page.wait("Choose an answer", script=VERDICT)
        await page.tell(CLICK.format(1))
        await page.wait("Your answer: b) b.", script=VERDICT)
        await audience.kill()
        await page.wait("lost", script=STATE)
        assert "The connection is lost. Trying again" in await page.tell("document.querySelector('#banner').innerText")
        async with audience_process(**NETWORK, port=audience.port) as again:
            await again.send(**frames[1], question=QUESTION)
            await page.wait("live", script=STATE)
            await page.wait(shown(frames[1]), script=SCREEN)
            await again.say("counts", {"question": "6/2", "counts": [0, 1, 0]})
            await again.end()
            await page.wait("ended", script=STATE)
            assert "The lecture has ended." in await page.tell("document.querySelector('#banner').innerText")


TYPE = "dispatchEvent(new KeyboardEvent('keydown', {}))"


async def test_a_letter_chooses_its_option_while_the_question_is_open(frames: Frames, tmp_path: Path) -> None:
    """As its button does; not with Ctrl, not while the screen is blank, and not once the answer is told."""
    async with audience_process() as audience, opened(tmp_path, "desktop") as page:
        await page.go(audience.address)
        await turned(audience, page, frames[0] | {"question": QUESTION})
        await page.wait("Choose an answer", script=VERDICT)
        for init in ('{key: "d"}', '{key: "a", ctrlKey: true}', '{key: "a", repeat: true}', '{key: "Enter"}'):
            await page.tell(TYPE.format(init))
        await page.press("c")
        await page.wait("Your answer: c) BOS.", script=VERDICT)
        sent = page.addresses.count(f"{audience.address}/answer")  # twice, as the first makes the viewer known
        await page.tell(TYPE.format('{key: "ㅁ", code: "KeyA"}'))  # the key of an a, in Korean
        await page.wait("Your answer: a) a.", script=VERDICT)
        assert await page.tell("document.querySelector('#options .chosen .text').textContent") == "a"
        await audience.send(blank=True)
        await page.wait("hidden", script="document.querySelector('#page').hidden ? 'hidden' : ''")
        await page.press("b")
        await audience.send(blank=None)
        await page.wait("live", script=STATE)
        await audience.send(question=QUESTION | {"open": False, "right": 2, "counts": [1, 0, 0]})
        await page.wait("Not quite. You chose a) a; it is c) BOS.", script=VERDICT)
        await page.press("b")
        await audience.send(question=QUESTION | {"id": "6/3"})  # another one
        await page.wait("Choose an answer", script=VERDICT)
        await page.press("B")
        await page.wait("Your answer: b) b.", script=VERDICT)
        assert page.addresses.count(f"{audience.address}/answer") == sent + 2


SEEN = "document.body.innerText"


@at_all_sizes
async def test_after_the_lecture_has_ended_only_the_last_screen_is_left(
    size: str, frames: Frames, tmp_path: Path
) -> None:
    """Nothing to press, and nothing of the page."""
    moment = {"arguments": [*SMALL_RUN], "command": "microgpt-tui"}
    pressable = "[...document.querySelectorAll('a, button')].filter((each) => each.checkVisibility()).length"
    async with audience_process(visitors=1) as audience, opened(tmp_path, size) as page:
        await page.go(audience.address)
        await turned(audience, page, frames[0] | {"question": QUESTION, "explore": moment})
        await page.wait("Choose an answer", script=SEEN)
        assert await page.tell(pressable) == 4
        await audience.end()
        await page.wait("ended", script=STATE)
        await page.wait("0", script=f"String({pressable})")
        seen = await page.tell(SEEN)
        assert "The lecture has ended." in seen
        assert "Choose an answer" not in seen
        assert "Page number" not in seen
        assert shown(frames[0]) == await page.tell(SCREEN)
        assert await page.tell("document.querySelector('#screen .row').checkVisibility()")


@pytest.mark.parametrize("way", ["websocket", "requests"])
async def test_a_connection_that_is_gone_for_a_while_comes_back(way: str, frames: Frames, tmp_path: Path) -> None:
    """No byte comes through, and nobody says so, until the page has noticed; then the latest frame is there."""
    async with (
        proxy(None, "/", strips=False) as between,
        audience_process(public_url=f"http://localhost:{between.port}/") as audience,
        opened(tmp_path, "phone") as page,
    ):
        between.target = audience.port
        if way == "requests":
            await page.call("Page.addScriptToEvaluateOnNewDocument", source="delete window.DecompressionStream")
        await page.go(f"http://localhost:{between.port}/")
        await turned(audience, page, frames[0])
        await audience.send(question=QUESTION)
        await page.wait("Choose an answer", script=VERDICT)
        await page.tell(CLICK.format(1))
        await audience.say("counts", {"question": "6/2", "counts": [0, 1, 0]})
        await page.wait("Your answer: b)", script=VERDICT)  # which comes after the count
        assert any("/frames/" in asked for asked in page.addresses) == (way == "requests")
        between.passing.clear()
        await audience.send(**frames[1])
        await page.wait("lost", script=STATE)
        assert await page.tell(TITLE) == frames[0]["page"]["title"]
        await audience.send(**frames[2], question=None)
        await audience.send(question=QUESTION)  # asked once more: what the page shows as its answer has to count again
        await audience.send(last=True)
        await taken(audience, "last")
        between.passing.set()
        await page.wait("live", script=STATE)
        await page.wait(frames[2]["page"]["title"], script=TITLE)
        await page.wait(shown(frames[2]), script=SCREEN)
        await audience.say("counts", {"question": "6/2", "counts": [0, 1, 0]})
        await turned(audience, page, frames[3])


@needs_openssl
@pytest.mark.parametrize("strips", [True, False])
async def test_behind_a_proxy_with_https_at_a_path(strips: bool, frames: Frames, tmp_path: Path) -> None:
    """All that the page asks for lies below its own address, encrypted."""
    async with proxy(certificate(tmp_path), "/a/lecture/", strips) as between:
        public = f"https://localhost:{between.port}/a/lecture/"
        async with (
            audience_process(public_url=public, host="0.0.0.0") as audience,
            browser(tmp_path / "profile", "--ignore-certificate-errors") as page,
        ):
            between.target = audience.port
            await page.go(f"{public}?code=ABC234")
            await page.wait("waiting", script=STATE)
            await turned(audience, page, frames[0] | {"explore": {"arguments": SMALL_RUN, "command": "microgpt-tui"}})
            await audience.send(question=QUESTION)
            await page.wait("Choose an answer", script=VERDICT)
            await page.tell(CLICK.format(1))
            await audience.say("counts", {"question": "6/2", "counts": [0, 1, 0]})
            await page.tell("document.querySelector('#explore').click()")
            await page.wait("FORWARD", "event 1/")
            await page.tell("document.querySelector('nav a').click()")
            await page.wait("Your answer: b) b.", script=VERDICT)
            assert [asked for asked in page.addresses if not asked.startswith((public, "data:"))] == []


async def test_the_pages_words_are_in_the_language_of_the_lecture(frames: Frames, tmp_path: Path) -> None:
    async with audience_process() as audience, opened(tmp_path, "phone") as page:
        await page.go(audience.address)
        await audience.send(**frames[0] | {"page": text(1, "ko"), "question": QUESTION})
        await page.wait("답을 고르세요.", script=VERDICT)
        assert await page.tell("document.querySelector('#place').innerText") == "Small steps · 10페이지 중 1페이지"
        await audience.send(blank=True)
        await page.wait("강사가 화면을 가렸습니다.", script="document.querySelector('#banner').innerText")
        hidden = "document.querySelector('#screen').hidden && document.querySelector('#page').hidden ? 'hidden' : ''"
        await page.wait("hidden", script=hidden)
        await audience.send(blank=None, page=text(2, "en"))
        await page.wait("Choose an answer", script=VERDICT)


async def test_there_is_no_place_and_then_there_is(frames: Frames, tmp_path: Path) -> None:
    async with audience_process(viewers=1) as audience, opened(tmp_path / "a", "phone") as one:
        await audience.send(**frames[0])
        await one.go(audience.address)
        await one.wait("live", script=STATE)
        async with opened(tmp_path / "b", "phone") as two:
            await two.go(audience.address)
            await two.wait("full", script=STATE)
            await one.go("about:blank")
            await two.wait("live", script=STATE)


@at_all_sizes
async def test_a_viewer_explores_and_comes_back(size: str, frames: Frames, tmp_path: Path) -> None:
    """A debugger of its own takes its keys, and the lecture has gone on when it comes back."""
    moment = {"arguments": [*SMALL_RUN], "command": "microgpt-tui --n-embd 4"}
    async with audience_process(visitors=1) as audience, opened(tmp_path, size) as page:
        await page.go(audience.address)
        await turned(audience, page, frames[0] | {"explore": moment})
        await page.tell("document.querySelector('#explore').click()")
        before = await page.wait("FORWARD", "event 1/")
        assert "event 2/" not in before
        await page.press("n")
        await page.wait("event 2/")
        async with opened(tmp_path / "another", size) as other:
            await other.go(f"{audience.address}/explore")
            body = "document.body?.innerText"
            await other.wait("The one place to explore is taken", "microgpt-tui --n-embd 4", "Copy", script=body)
            await other.wait("complete", script="document.readyState")
            await click(other, "button")
            await other.wait("Copied", script=body)
            await other.tell("document.querySelector('a').click()")
            await other.wait("live", script=STATE)
        await audience.send(**frames[1])
        await page.tell("document.querySelector('nav a').click()")
        await page.wait("live", script=STATE)
        await page.wait(shown(frames[1]), script=SCREEN)


ROWS = "String(document.querySelectorAll('#screen .row').length)"


@pytest.mark.parametrize("page_text", [None, text(1)], ids=["address", "page"])
async def test_on_a_laptop_the_whole_screen_is_above_the_lower_edge(
    page_text: dict[str, Any] | None, tmp_path: Path
) -> None:
    """Of any shape, after the window has changed, and below a banner; and it fills the width or the height."""
    filled = """(() => {
      const box = document.querySelector('#screen .view').getBoundingClientRect();
      const row = document.querySelector('#screen .row').getBoundingClientRect();
      const inside = row.left >= box.left - 1 && row.right <= box.right + 1;
      const filled = row.width > box.width - 3 || innerHeight - box.bottom < 60 + box.height / row.height;
      return document.documentElement.scrollHeight <= innerHeight && inside && filled ? 'filled' : '';
    })()"""
    async with audience_process() as audience, opened(tmp_path, "desktop") as page:
        await page.go(audience.address)
        for columns, lines in ((120, 36), (100, 50), (60, 50), (200, 60), (80, 24)):
            row = [["x" * columns, "#ffffff/#000000/"]]
            rows = {f"row/{y}": row if y < lines else None for y in range(60)}
            await audience.send(size=[columns, lines], page=page_text, **rows)
            await page.wait(str(lines), script=ROWS)
            for width, height in ((1280, 800), (1280, 650), (1440, 900), (1280, 800)):
                settings = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
                await page.call("Emulation.setDeviceMetricsOverride", **settings)
                await page.wait("filled", script=filled)
        await audience.end()
        await page.wait("ended", script=STATE)
        await page.wait("filled", script=filled)


# Cells.

LINES = [
    [["┌─ 가나다 ", "#ffffff/#000000/"], ["▀▀▄▄█ ■", "#00ff00/#112233/b"], [" ascii text ─┐", "#ffffff/#000000/i"]],
    [["│ é ñ 漢字 ▏▎▍▌▋▊▉ e\u0301 ", "#ffffff/#000000/"], ["한글", "#ff0000/#000000/u"], [" end", "#ffffff/#000000/"]],
]
PLACES = """JSON.stringify([...document.querySelectorAll('#screen .row')].map((row) =>
  [...row.children].map((span) => {
    const range = document.createRange();
    range.selectNodeContents(span);
    const box = span.getBoundingClientRect();
    const view = document.querySelector('#screen .view').getBoundingClientRect();
    return [span.textContent, box.left - view.left, box.width, range.getBoundingClientRect().width, view.width];
  })))"""


@at_all_sizes
async def test_letters_stand_in_their_cells_whatever_the_fonts_are(size: str, frames: Frames, tmp_path: Path) -> None:
    width = 60
    lines = [[*line, [" " * (width - sum(cell_len(run[0]) for run in line)), ""]] for line in LINES]
    async with audience_process() as audience, opened(tmp_path, size) as page:
        await page.go(audience.address)
        await audience.send(size=[width, 2], row_0=lines[0], row_1=lines[1], page=text(1))
        await page.wait("end", "ascii text", script=SCREEN)
        for line, spans in zip(lines, json.loads(await page.tell(PLACES)), strict=True):
            assert "".join(span[0] for span in spans) == "".join(run[0] for run in line)
            cells = 0
            for letters, left, wide, natural, whole in spans:
                cell = whole / width
                assert left == pytest.approx(cells * cell, abs=0.2)
                assert wide == pytest.approx(cell_len(letters) * cell, abs=0.2)
                if letters.isascii():
                    assert natural == pytest.approx(wide, abs=0.3 * cell)
                cells += cell_len(letters)


async def test_the_page_and_the_lecturers_terminal_agree_on_how_wide_a_character_is(tmp_path: Path) -> None:
    """Of all letters, signs and symbols; by one of which they do not agree, the rest of a row would be shifted."""
    async with audience_process() as audience, opened(tmp_path, "desktop") as page:
        await page.go(audience.address)
        await page.wait("waiting", script=STATE)
        await page.tell(
            "import(new URL('page/cells.js', window.location)).then(({ cells }) => { window.widths ="
            " Array.from({length: 0x40000}, (_, code) => cells(String.fromCodePoint(code))).join(''); })"
        )
        widths = await page.wait("1", script="window.widths")
    odd = [
        f"{code:x}"
        for code in range(0x20, 0x40000)
        if chr(code).isprintable() and cell_len(chr(code)) != int(widths[code])
    ]
    assert odd == []
