"""Addresses by which others reach this computer."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import rich_click as click

if TYPE_CHECKING:
    from microgpt_tui.web.access import Public

EVERYWHERE = ("0.0.0.0", "::")


def address_of(host: str) -> str:
    """The address that a host's name stands for; the name itself where that is not known."""
    try:
        return str(socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][4][0])
    except (OSError, UnicodeError):
        return host  # the one that listens tells what is wrong


def url_of(address: str, port: int) -> str:
    """The address of what listens there; for one that listens everywhere, that of this computer in its network."""
    name = _own_address() if address in EVERYWHERE else address
    return f"http://{f'[{name}]' if ':' in name else name}:{port}/"


def parse_public(text: str | None, ctx: click.Context) -> Public | None:
    """The value of --public-url, if there is one. Raises UsageError."""
    from microgpt_tui.web.access import Public

    try:
        return None if text is None else Public.parse(text)
    except ValueError as error:
        raise click.UsageError(f"--public-url: {error}", ctx) from None


def _own_address() -> str:
    """The address that this computer would send from. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # reserved for examples; no such computer
            return str(probe.getsockname()[0])
        except OSError:
            return socket.gethostname()
