"""The socket that a server listens on."""

from __future__ import annotations

import socket

from engine.errors import system_says
from microgpt_tui.texts.say import say


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises ValueError with a sentence for an address that is taken or not of this computer."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(address, family=family)
    except (OSError, UnicodeError) as error:
        why = (isinstance(error, OSError) and system_says(error)) or say("cli.serve.no_address")
        raise ValueError(say("cli.serve.port_unusable", port=port, host=host, why=why)) from None
