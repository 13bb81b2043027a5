"""Access to a site: on loopback for its own pages, elsewhere for clients that have sent its secret.

Forms are parsed here, since the web server's own parser raises errors for odd ones.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network
from urllib.parse import parse_qs, urlsplit

from aiohttp import web
from yarl import URL

from microgpt_tui.texts.say import say
from microgpt_tui.web.pages import ENTER, note
from microgpt_tui.web.secret import Guesses, Token, TooManyError

WHOLE_FORM = 10.0  # seconds until a form is whole
MAX_FORM = 4096  # bytes of a form, which has only the secret in it
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
    """Checks every request. Without a secret, only those with a loopback name as their Host are answered.

    That, and that a websocket must come from a page of this server, excludes the pages in the browser's other tabs:
    they can send requests to 127.0.0.1, directly or through a name of their own that resolves to it.
    """

    def __init__(self, secret: Token | None, port: int, public: Public | None = None) -> None:
        self._secret, self._public = secret, public
        self._cookie = f"microgpt-tui-{port}"  # browsers do not tell the ports of a host apart
        # What follows the secret in the cookies of this process. A cookie of an earlier process, which had the same
        # secret, counts as a guess, which is right; so guesses by cookies are slowed as well.
        self._pass = secrets.token_urlsafe(16)
        self._guesses = Guesses(secret.matches) if secret else None

    @web.middleware
    async def check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Pass the request on, or refuse it."""
        host = host_of(request)
        if self._secret is None and not (is_loopback(host_name(host)) or self._is_public(host)):
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
        if self._secret is None:
            return await handler(request)
        cookie = request.cookies.get(self._cookie, "")
        if secrets.compare_digest(cookie.encode(errors="replace"), self._admission(self._secret).encode()):
            return await handler(request)
        return await self._answer_without_cookie(request, handler, self._secret, cookie.rpartition(".")[0])

    async def _answer_without_cookie(
        self, request: web.Request, handler: Handler, secret: Token, known: str
    ) -> web.StreamResponse:
        """Answer a request without a cookie of this process; `known` is the secret in that of an earlier one."""
        try:
            if known and await self._judge(request, known):
                answer = await handler(request)
                if not answer.prepared:
                    self._admit(request, answer, secret)
                return answer
            offered = await self._offered(request, secret)
            if isinstance(offered, web.Response):
                return offered
            if offered is None:
                asking = note(secret.asked, secret.form, status=401)
                if known:
                    asking.del_cookie(self._cookie)
                return asking
            if not await self._judge(request, offered):
                return note(secret.wrong, secret.form, status=403)
        except TooManyError:
            return note(say("web.access.too_many_guesses"), secret.form, status=429)
        # Not a redirect: a browser that came from elsewhere would follow it without a strict cookie.
        admitted = note(say("web.access.come"), ENTER)
        self._admit(request, admitted, secret)
        return admitted

    async def _judge(self, request: web.Request, offered: str) -> bool:
        assert self._guesses is not None
        network = network_address(request.remote or "")
        return await self._guesses.right(offered, network, lambda: request.transport is None)

    async def _offered(self, request: web.Request, secret: Token) -> web.Response | str | None:
        """What is offered as the secret; a response if the form cannot be read."""
        try:
            async with asyncio.timeout(WHOLE_FORM):
                return await _offered(request, secret.FIELD)
        except TimeoutError:
            answer = note(say("web.access.form_took_too_long"), secret.form, status=408)
        except web.RequestPayloadError:
            answer = note(say("web.access.form_cannot_be_read"), secret.form, status=400)
        answer.force_close()  # the rest of the request cannot be understood
        return answer

    def _admission(self, secret: Token) -> str:
        return f"{secret.text}.{self._pass}"

    def _admit(self, request: web.Request, answer: web.StreamResponse, secret: Token) -> None:
        self.set_cookie(request, answer, self._cookie, self._admission(secret))

    def set_cookie(self, request: web.Request, answer: web.StreamResponse, name: str, value: str) -> None:
        """Set a cookie that only this site gets back, and no script; encrypted if the page is."""
        encrypted = self._public is not None and self._public.scheme == "https" and self._is_public(host_of(request))
        answer.set_cookie(name, value, httponly=True, samesite="Strict", secure=encrypted)

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


def is_loopback(host: str) -> bool:
    """Whether a name or address can only be this computer."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def only_here(address: str, public: Public | None) -> bool:
    """Whether only this computer reaches what listens at an address, and has this public one."""
    return is_loopback(address) and (public is None or is_loopback(host_name(public.host)))


def network_address(address: str) -> str:
    """An address; for one of version 6 its /64 network, since each has millions of addresses."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    return str(ip_network((parsed, 64), strict=False)) if isinstance(parsed, IPv6Address) else address


def host_name(host: str) -> str:
    """The name or address in a Host header, without the port; empty for an invalid one."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def host_of(request: web.Request) -> str:
    """The Host header. Without one the web server would ask the network for this computer's name, and wait."""
    return request.headers.get("Host", "")


async def read_body(request: web.Request, most: int) -> bytes:
    """The body of a request, or its first `most` bytes. Raises RequestPayloadError."""
    body = b""
    while len(body) <= most and (piece := await request.content.readany()):
        body += piece
    return body[:most]


async def _offered(request: web.Request, field: str) -> str | None:
    """The secret in the address or in the form; None without one."""
    if request.method != "POST":
        return request.query.get(field)
    form = await read_body(request, MAX_FORM)
    return parse_qs(form.decode(errors="replace")).get(field, [None])[0]
