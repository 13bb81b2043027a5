"""Who is let in. On loopback: this computer's own pages. Elsewhere: whoever has the token, asked for once."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from urllib.parse import urlsplit

from aiohttp import web

from microgpt_tui.serving.pages import ASK, ENTER, note

PAUSE = 1.0  # seconds until a wrong token is answered
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Door:
    """Stands before every request. Without a token it opens only to those who call the server by a loopback name.

    That, and that a websocket must come from a page of this server, keeps the pages in the browser's other tabs out:
    they can send requests to 127.0.0.1, directly or through a name of their own that they have made to mean it.
    """

    def __init__(self, token: str | None, port: int) -> None:
        self._token = token
        self._cookie = f"microgpt-tui-{port}"  # browsers do not tell the ports of a host apart

    @web.middleware
    async def guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let the request pass, or answer it."""
        if self._token is None and not is_loopback(_name(request.host)):
            return note("This debugger answers to http://127.0.0.1 and http://localhost only.", status=403)
        if _foreign(request):
            return note("This debugger takes nothing from the pages of others.", status=403)
        if self._token is None or self._right(request.cookies.get(self._cookie)):
            return await handler(request)
        return await self._ask(request)

    async def _ask(self, request: web.Request) -> web.StreamResponse:
        offered = await _offered(request)
        if offered is None:
            return note("This debugger asks for the token that it printed when it was started.", ASK, status=401)
        if not self._right(offered):
            await asyncio.sleep(PAUSE)
            return note("That is not the token; it is in the terminal where the debugger was started.", ASK, status=403)
        # Not a redirect: a browser that came from elsewhere would follow it without a strict cookie.
        answer = note("Come in.", ENTER)
        answer.set_cookie(self._cookie, offered, httponly=True, samesite="Strict")
        return answer

    def _right(self, offered: str | None) -> bool:
        said, token = (offered or "").encode(errors="replace"), (self._token or "").encode()
        return bool(token) and secrets.compare_digest(said, token)


def is_loopback(host: str) -> bool:
    """Whether only this computer can be meant by it: a name, or an address of either kind."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _name(host: str) -> str:
    """The name or address in a Host header, without the port; nothing for one that cannot be understood."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _foreign(request: web.Request) -> bool:
    """Whether another server's page sent it. Browsers say which one did with each websocket and each form."""
    origin = request.headers.get("Origin")
    if origin is None:
        return request.method != "GET" or request.headers.get("Upgrade") is not None
    return origin not in (f"http://{request.host}", f"https://{request.host}")


async def _offered(request: web.Request) -> str | None:
    """The token in the address or in the form; None if there is none."""
    said = (await request.post()) if request.method == "POST" else request.query
    token = said.get("token")
    return token.strip() if isinstance(token, str) else None
