"""Access to the server: on loopback for its own pages, elsewhere for clients that have sent the token.

Forms are parsed here, since the web server's own parser raises errors for odd ones.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import parse_qs, urlsplit

from aiohttp import web
from yarl import URL

from microgpt_tui.texts.say import say
from microgpt_tui.web.pages import ASK, ENTER, note

PAUSE = 1.0  # seconds until the answer to a wrong token
WHOLE_FORM = 10.0  # seconds until a form is whole
MAX_FORM = 4096  # bytes of a form, which has only the token in it
MAX_PATH, MAX_NAME = 2000, 250  # bytes of an address's path and of a name in it, as of files
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Public:
    """The address by which others reach the server, through a proxy or a port forwarder."""

    scheme: str
    host: str
    """As browsers write it: with the port, unless it is the scheme's own."""
    path: str
    """Begins and ends with a slash, and has nothing in it that would have to be quoted."""

    @classmethod
    def parse(cls, text: str) -> Public:
        """Parse the value of --public-url. Raises ValueError with a sentence."""
        try:
            url = URL(text)
            name = url.raw_host or ""
        except ValueError:
            name = ""
        fits = (
            name and url.scheme in ("http", "https") and not (url.raw_user or url.raw_query_string or url.raw_fragment)
        )
        if not (fits and re.fullmatch(r"[A-Za-z0-9.:_-]+", name) and re.fullmatch(r"[A-Za-z0-9._~/-]*", url.raw_path)):
            raise ValueError(say("web.access.no_address_page_write", text=text))
        host = f"[{name}]" if ":" in name else name
        port = "" if url.is_default_port() else f":{url.port}"
        return cls(url.scheme, host + port, f"{url.raw_path.rstrip('/')}/")

    @property
    def origin(self) -> str:
        """The Origin header of the page's requests."""
        return f"{self.scheme}://{self.host}"

    def __str__(self) -> str:
        return self.origin + self.path


class AccessControl:
    """Checks every request. Without a token, only those with a loopback name as their Host are answered.

    That, and that a websocket must come from a page of this server, excludes the pages in the browser's other tabs:
    they can send requests to 127.0.0.1, directly or through a name of their own that resolves to it.
    """

    def __init__(self, token: str | None, port: int, public: Public | None = None) -> None:
        self._token, self._public = token, public
        self._cookie = f"microgpt-tui-{port}"  # browsers do not tell the ports of a host apart

    @web.middleware
    async def check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Pass the request on, or refuse it."""
        host = host_of(request)
        if self._token is None and not (is_loopback(host_name(host)) or self._is_public(host)):
            return note(
                say("web.access.debugger_answers_http_http"),
                status=403,
            )
        if self._foreign(request):
            return note(
                say("web.access.debugger_takes_nothing_from"),
                status=403,
            )
        path = request.rel_url.raw_path
        if len(path) > MAX_PATH or max(map(len, path.split("/"))) > MAX_NAME:
            return note(say("web.access.there_no_such_page"), status=404)
        if self._token is None or self._is_token(request.cookies.get(self._cookie)):
            return await handler(request)
        return await self._ask(request)

    async def _ask(self, request: web.Request) -> web.Response:
        try:
            async with asyncio.timeout(WHOLE_FORM):
                offered = await _offered(request)
        except TimeoutError:
            answer = note(say("web.access.form_took_too_long"), ASK, status=408)
        except web.RequestPayloadError:
            answer = note(say("web.access.form_cannot_be_read"), ASK, status=400)
        else:
            return await self._answer(request, offered)
        answer.force_close()  # the rest of the request cannot be understood
        return answer

    async def _answer(self, request: web.Request, offered: str | None) -> web.Response:
        if offered is None:
            return note(say("web.access.debugger_asks_token_printed"), ASK, status=401)
        if not self._is_token(offered):
            await asyncio.sleep(PAUSE)
            return note(say("web.access.not_token_terminal_where"), ASK, status=403)
        # Not a redirect: a browser that came from elsewhere would follow it without a strict cookie.
        answer = note(say("web.access.come"), ENTER)
        encrypted = self._public is not None and self._public.scheme == "https" and self._is_public(host_of(request))
        answer.set_cookie(self._cookie, offered, httponly=True, samesite="Strict", secure=encrypted)
        return answer

    def _is_public(self, host: str) -> bool:
        if self._public is None:
            return False
        default = {"http": 80, "https": 443}[self._public.scheme]  # which a proxy may write out
        return host.lower() in (self._public.host, f"{self._public.host}:{default}")

    def _foreign(self, request: web.Request) -> bool:
        """Whether another server's page sent it. Browsers send its Origin with each websocket and each form."""
        origin = request.headers.get("Origin")
        if origin is None:
            return request.method not in ("GET", "HEAD") or request.headers.get("Upgrade") is not None
        host = host_of(request)
        own = (f"http://{host}", f"https://{host}", self._public.origin if self._public else "")
        return not origin or origin not in own

    def _is_token(self, offered: str | None) -> bool:
        sent, token = (offered or "").encode(errors="replace"), (self._token or "").encode()
        return bool(token) and secrets.compare_digest(sent, token)


def is_loopback(host: str) -> bool:
    """Whether a name or address can only be this computer."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def host_name(host: str) -> str:
    """The name or address in a Host header, without the port; empty for an invalid one."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def host_of(request: web.Request) -> str:
    """The Host header. Without one the web server would ask the network for this computer's name, and wait."""
    return request.headers.get("Host", "")


async def _offered(request: web.Request) -> str | None:
    """The token in the address or in the form; None without one."""
    if request.method != "POST":
        token = request.query.get("token")
    else:
        form = b""
        while len(form) <= MAX_FORM and (piece := await request.content.readany()):
            form += piece
        token = parse_qs(form[:MAX_FORM].decode(errors="replace")).get("token", [None])[0]
    return None if token is None else token.strip()
