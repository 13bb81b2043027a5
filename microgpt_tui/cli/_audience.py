"""The options of a lecture with an audience, and the audience that they open."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import reduce
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import rich_click as click
from click.core import ParameterSource

from engine.language.chosen import language
from microgpt_tui.cli._exit import Failure, print_result
from microgpt_tui.cli._network import address_of, parse_public, url_of
from microgpt_tui.cli._options import FilePath, number_option
from microgpt_tui.cli._progress import Waiting
from microgpt_tui.texts.say import say

if TYPE_CHECKING:
    from microgpt_tui.audience.address import JoinAddress
    from microgpt_tui.audience.audience import LiveAudience

F = TypeVar("F", bound=Callable[..., Any])
NETWORK = ("host", "port", "viewers", "visitors", "public_url")  # the options that go with --audience
NEEDED = ("textual_serve", "aiohttp", "segno")  # the packages of the extra
QR_LINES = 24  # of the QR code that is printed, at most
PANEL = say("cli.panel.audience")


def audience_options(command: F) -> F:
    """Give a command --audience and the options that go with it."""
    options = (
        click.option("--audience", is_flag=True, help=say("cli.lecture.audience"), panel=PANEL),
        click.option("--host", default="0.0.0.0", show_default=True, help=say("cli.lecture.host"), panel=PANEL),
        number_option("--port", default=8001, text=say("cli.lecture.port"), low=0, high=65535, panel=PANEL),
        number_option("--viewers", default=1000, text=say("cli.lecture.viewers"), panel=PANEL),
        number_option("--visitors", default=8, text=say("cli.lecture.visitors"), low=0, panel=PANEL),
        click.option("--public-url", metavar="URL", help=say("cli.lecture.public_url"), panel=PANEL),
        click.option(
            "--results", type=FilePath(written=True), metavar="FILE", help=say("cli.lecture.results"), panel=PANEL
        ),
    )
    return reduce(lambda made, option: option(made), reversed(options), command)


def refuse_network(ctx: click.Context) -> None:
    """Raise UsageError for an option that goes with --audience, which is not given; --results is also of handouts."""
    for option in ctx.command.params:
        if option.name in NETWORK and ctx.get_parameter_source(option.name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(say("cli.lecture.goes_with_audience", option=option.opts[0]), ctx)
    if ctx.params["results"] is not None and ctx.params["handout"] is None:
        raise click.UsageError(say("cli.lecture.results_go_with"), ctx)


@contextmanager
def audience_of(
    ctx: click.Context,
    *,
    host: str,
    port: int,
    viewers: int,
    visitors: int,
    public_url: str | None,
    results: Path | None,
) -> Iterator[LiveAudience]:
    """A context in which an audience can follow; it prints where, and at the end how many did.

    Raises Failure, UsageError, or the errors of `LiveAudience`.
    """
    if any(find_spec(package) is None for package in NEEDED):
        raise Failure(say("cli.lecture.not_installed"))
    from microgpt_tui.audience.address import JoinAddress, new_code
    from microgpt_tui.audience.audience import LiveAudience
    from microgpt_tui.audience.process import ServerOptions
    from microgpt_tui.web.access import only_here

    public = parse_public(public_url, ctx)
    listens = address_of(host)
    code = None if only_here(listens, public) else new_code()

    def address(bound: int) -> JoinAddress:
        return JoinAddress(url_of(listens, bound) if public is None else str(public), code)

    audience = LiveAudience(ServerOptions(host, port, code, viewers, visitors, public_url, language()), results)
    try:
        with Waiting(say("cli.lecture.starting")):
            audience.open(address)
        _print_address(audience.address)
        yield audience
    finally:
        audience.close()
    print_result(say("cli.lecture.audience_was", n=audience.most_viewers))
    if results is not None:
        print_result(say("cli.lecture.results_in", path=results))


def _print_address(address: JoinAddress) -> None:
    click.echo(say("cli.lecture.audience_at", url=address.url))
    click.echo(
        say("cli.lecture.asks_no_code") if address.code is None else say("cli.lecture.asks_code", code=address.code)
    )
    from rich.console import Console

    from microgpt_tui.audience.address import LIGHT, qr_code

    console = Console()
    for line in qr_code(address.link, console.width, QR_LINES):
        console.print(line, style=LIGHT, highlight=False, markup=False)
