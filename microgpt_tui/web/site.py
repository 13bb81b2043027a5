"""What all of this program's web servers share: access, prefixes, headers, and a socket that answers."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from socket import socket

import textual_serve
from aiohttp import web

from microgpt_tui.web import pages
from microgpt_tui.web.access import AccessControl, Public
from microgpt_tui.web.client_process import GRACE
from microgpt_tui.web.connections import BACKLOG, Connection, Connections, mark_answering


class WebSite(ABC):
    """A web application whose every request is checked. `routes` and `close` are those of what is served."""

    def __init__(self, access: AccessControl, public: Public | None = None) -> None:
        self._access, self._public = access, public

    @abstractmethod
    def routes(self, prefix: str) -> Iterable[web.AbstractRouteDef]:
        """The routes below a prefix, beside those of the files that pages need."""

    @abstractmethod
    async def close(self) -> None:
        """End what goes on beyond a request."""

    def app(self) -> web.Application:
        """The web application; cleaning it up closes what goes on."""
        app = web.Application(middlewares=[mark_answering, self._access.check])
        path = self._public.path if self._public else "/"
        for prefix in {"/", path}:  # a proxy that serves it under a path may pass on the path or remove it
            app.add_routes(
                [
                    *self.routes(prefix),
                    web.static(f"{prefix}static", Path(textual_serve.__file__).parent / "static"),
                    web.static(f"{prefix}page", Path(pages.__file__).parent / "static"),
                ]
            )
        if path != "/":
            app.router.add_get(path.rstrip("/"), self._with_slash)
        app.on_response_prepare.append(pages.protector(self._public.host if self._public else None))
        app.on_shutdown.append(self._close)
        return app

    async def _with_slash(self, request: web.Request) -> web.Response:
        del request  # the page's own addresses are relative to its address, which must end with a slash
        assert self._public is not None
        raise web.HTTPFound(self._public.path)

    async def _close(self, app: web.Application) -> None:
        del app
        await self.close()


@asynccontextmanager
async def opened(site: WebSite, listening: socket, connections: Connections) -> AsyncIterator[None]:
    """A context in which the site answers at a socket; at its end all that it started has ended."""
    runner = web.AppRunner(site.app(), shutdown_timeout=2 * GRACE)
    await runner.setup()
    assert runner.server is not None
    accept = partial(Connection, runner.server, connections)
    try:
        listener = await asyncio.get_running_loop().create_server(accept, sock=listening, backlog=BACKLOG)
        try:
            yield
        finally:
            listener.close()
    finally:
        await runner.cleanup()
