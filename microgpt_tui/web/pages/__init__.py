"""The pages that a browser gets, with nothing from anywhere but this server: classrooms may have no internet."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from functools import cache
from html import escape
from importlib.resources import files
from itertools import groupby
from string import Template

from aiohttp import web
from rich.cells import cell_len

from engine.language.catalog import read_part
from engine.language.chosen import LANGUAGES, language
from microgpt_tui.texts.say import say

# All addresses are relative: behind a proxy the page may be anywhere.
ENTER = '<meta http-equiv="refresh" content="0; url=./">'
AGAIN = f'<p><a href="./">{say("web.pages.try_again")}</a></p>'

FIRST_ODD, LAST_ODD = 0x300, 0x40000  # before and after these, all printed characters take one cell

HEADERS = {
    # Nothing from outside, whatever somebody may get into the page; and no page of others around this one.
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'{sockets}; "
        "img-src 'self' data:; frame-ancestors 'none'; form-action 'self'; base-uri 'none'"
    ),
    "Referrer-Policy": "same-origin",  # with none at all, a form would not say where it comes from
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}


def protector(public: str | None) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    """A function that gives answers the headers which keep a page to itself; `public`: the host of a public address.

    Some browsers do not take 'self' for the websockets of the page's own host, so these are named.
    """

    async def protect(request: web.Request, response: web.StreamResponse) -> None:
        hosts = {request.headers.get("Host", ""), public or ""}
        plain = sorted(host for host in hosts if re.fullmatch(r"[A-Za-z0-9.:_\[\]-]+", host))
        sockets = "".join(f" ws://{host} wss://{host}" for host in plain)
        for name, value in HEADERS.items():
            if name not in response.headers:
                response.headers[name] = value.format(sockets=sockets)

    return protect


def ask(field: str, hidden: bool) -> str:
    """The form that asks for the secret of this name; `hidden`: not shown while it is typed."""
    kind = 'type="password"' if hidden else 'autocapitalize="characters" autocomplete="off" spellcheck="false"'
    return (
        f'<form method="post" action="./"><input name="{field}" {kind} autofocus>'
        f"<button>{say('web.pages.enter')}</button></form>"
    )


def no_websocket() -> web.Response:
    """The page for one that asks for the address of a websocket as for a page."""
    return note(say("web.server.address_websocket_no_page"), AGAIN, status=400)


def terminal(socket: str = "ws", above: str = "", instead: str = "") -> web.Response:
    """The page with the terminal, which connects to the websocket beside it.

    `above` is HTML above the terminal, `instead` what is said when it has ended.
    """
    words = {name: escape(say(f"web.terminal.{name}")) for name in ("opening", "ended", "again")}
    return _page("terminal.html", 200, socket=socket, above=above, instead=instead, **words)


def explorer(socket: str, command: str) -> web.Response:
    """The page with a viewer's own debugger, from which a link leads back to the lecture."""
    return terminal(socket, f"<nav>{_back()}</nav>", f"{_instead(command)}<p>{_back()}</p>")


def no_explorer(sentence: str, command: str) -> web.Response:
    """The page that says why there is no debugger for a viewer, and what opens one on the viewer's own machine."""
    return note(sentence, f"{_instead(command) if command else ''}<p>{_back()}</p>", status=503)


def _instead(command: str) -> str:
    """What opens the same moment elsewhere, with a button that copies it."""
    done = escape(say("web.explore.copied"))
    button = f'<button data-done="{done}">{escape(say("web.explore.copy"))}</button>'
    script = '<script src="page/copy.js"></script>'
    return f"<p>{escape(say('web.explore.instead'))}</p><pre>{escape(command)}</pre>{button}{script}"


def _back() -> str:
    return f'<a href="./">{escape(say("web.explore.back"))}</a>'


def audience() -> web.Response:
    """The page that follows a lecture, with its words in all languages, since a lecture has a language of its own."""
    words = {name: read_part("microgpt_tui.texts", name, "audience_page") for name in LANGUAGES}
    return _page(
        "audience.html", 200, words=json.dumps(words).replace("<", "\\u003c"), widths=json.dumps(cell_widths())
    )


@cache
def cell_widths() -> list[tuple[int, int, int]]:
    """The characters that do not take one cell, as the lecturer's terminal counts: the first, the last, the cells."""
    found = []
    for width, group in groupby(range(FIRST_ODD, LAST_ODD), lambda code: cell_len(chr(code))):
        codes = list(group)
        if width != 1:
            found.append((codes[0], codes[-1], width))
    return found


def note(sentence: str, more: str = "", *, status: int = 200) -> web.Response:
    """A page with one sentence, and some HTML below it."""
    return _page("note.html", status, sentence=escape(sentence), more=more)


def _page(name: str, status: int, **parts: str) -> web.Response:
    """The page of a file in this folder. Its `$head` is what the heads of all pages have in common."""
    text, head = (files(__name__).joinpath(each).read_text(encoding="utf-8") for each in (name, "head.html"))
    text = Template(text).substitute(parts, language=language(), head=head)
    return web.Response(text=text, content_type="text/html", status=status)
