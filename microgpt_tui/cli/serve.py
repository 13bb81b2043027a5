"""`microgpt-tui serve`: the debugger, or one of the commands that open it, in a browser."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import rich_click as click

from microgpt_tui.cli._exit import Failure, discard_output, print_result
from microgpt_tui.cli._network import parse_public, url_of
from microgpt_tui.cli._options import examples, number_option
from microgpt_tui.cli._session import compile_loops
from microgpt_tui.texts.say import say

if TYPE_CHECKING:
    from microgpt_tui.web.access import Public

SERVED = ("lecture", "open")  # the commands that lead into the debugger
NETWORK = say("cli.panel.network")


@click.command(
    context_settings={"allow_interspersed_args": False},
    help=say("cli.serve.help"),
    epilog=examples(
        "microgpt-tui serve",
        "microgpt-tui serve open names.safetensors",
        "microgpt-tui serve --host 0.0.0.0 --visitors 30 lecture 6",
        "microgpt-tui serve --public-url https://example.org/debugger/",
    ),
)
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="[COMMAND ...]")
@click.option("--host", default="127.0.0.1", show_default=True, help=say("cli.serve.host"), panel=NETWORK)
@number_option("--port", default=8000, text=say("cli.serve.port"), low=0, high=65535, panel=NETWORK)
@number_option("--visitors", default=8, text=say("cli.serve.visitors"), panel=NETWORK)
@click.option("--public-url", metavar="URL", help=say("cli.serve.public_url"), panel=NETWORK)
@click.pass_context
def serve(
    ctx: click.Context, command: tuple[str, ...], host: str, port: int, visitors: int, public_url: str | None
) -> None:
    """`microgpt-tui serve`; its help is the text cli.serve.help."""
    _check(ctx, command)
    if find_spec("textual_serve") is None:
        raise Failure(say("cli.serve.not_installed"))
    import secrets

    from microgpt_tui.storage.threads import check_threads
    from microgpt_tui.web.access import AccessControl, only_here
    from microgpt_tui.web.connections import Connections, max_connections
    from microgpt_tui.web.listener import listen
    from microgpt_tui.web.reports import Reports
    from microgpt_tui.web.secret import Token
    from microgpt_tui.web.server import DebuggerServer, run_server

    public = parse_public(public_url, ctx)
    check_threads()
    try:
        most = max_connections(visitors)
        listening = listen(host, port)
    except ValueError as error:
        raise Failure(str(error)) from None
    with listening:
        compile_loops()  # once here, not in every client process
        address, port = listening.getsockname()[:2]
        token = None if only_here(address, public) else secrets.token_urlsafe(16)
        _print_address(address, port, token, public)
        access = AccessControl(Token(token) if token else None, port, public)
        server = DebuggerServer(command, visitors, access, _notify_owner, public)
        run_server(server, listening, Connections(Reports(_notify_owner), most))
    _notify_owner(say("cli.serve.stopped"))


def _notify_owner(text: str) -> None:
    """Print a line for the owner. Without the owner's terminal the server goes on."""
    try:
        print_result(text)
    except OSError:
        discard_output()


def _check(ctx: click.Context, command: tuple[str, ...]) -> None:
    """Raise what the command would raise for each client: UsageError, or EngineError for a run it cannot open."""
    if not command:
        return
    word, *rest = command
    group = ctx.parent.command if ctx.parent else None
    served = group.get_command(ctx, word) if isinstance(group, click.Group) and word in SERVED else None
    if served is None:
        raise click.UsageError(say("cli.serve.cannot_be_served", word=word), ctx)
    with served.make_context(f"microgpt-tui {word}", list(rest)) as context:
        _check_served(ctx, word, context.params)


def _check_served(ctx: click.Context, word: str, values: dict[str, Any]) -> None:
    if word == "open":
        from microgpt_tui.storage.startup import from_file

        from_file(values["file"], values["data"])
        return
    for flag in ("--notes", "--list", "--check", "--handout", "--audience"):
        if values["listed" if flag == "--list" else flag[2:]]:
            raise click.UsageError(say("cli.serve.not_for_visitors", flag=flag), ctx)
    from engine.language.chosen import language
    from microgpt_tui.lectures.lecture import Lecture
    from microgpt_tui.lectures.library import find
    from microgpt_tui.panes.registry import screen_names

    Lecture(*find(values["wanted"], language())).run(screen_names())


def _print_address(address: str, port: int, token: str | None, public: Public | None) -> None:
    """Print the address, who can reach it, and how to stop."""
    listens = url_of(address, port)
    place = listens if public is None else str(public)
    click.echo(say("cli.serve.debugger_at", place=place))
    if public is not None:
        click.echo(say("cli.serve.listens_at", listens=listens))
    if token is not None:
        click.echo(say("cli.serve.asks_token", token=token, place=place))
        click.echo(say("cli.serve.whoever_sees"))
    if token is not None and not place.startswith("https:"):
        click.echo(say("cli.serve.unencrypted"))
    click.echo(say("cli.serve.ctrl_c_stops"))
