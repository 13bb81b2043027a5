"""The options that say where training stops by itself: breakpoints and health checks."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import rich_click as click

from engine.errors import ConfigError, EngineError, ExpressionError
from engine.model.config import Config
from microgpt_tui.cli._exit import Failure, say

if TYPE_CHECKING:
    from engine.run.stops import Stops

PANEL = "Stopping"
LOOKED_FOR = ("nan", "zero-grad", "dead-relu", "grad-norm")  # a fault always stops training, and is an error


@dataclass(frozen=True, slots=True)
class Wanted:
    """Where training is to stop, as the command line says it."""

    conditions: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()

    @property
    def missed(self) -> str:
        """What to say when training was not stopped by any of it; nothing if nothing is wanted."""
        wanted = " or ".join((*self.conditions, *self.places))
        parts = [f"nowhere on the way was {wanted}"] if wanted else []
        parts += ["the health checks found nothing"] if self.checks else []
        return "; ".join(parts)

    def stops(self, config: Config, docs: Sequence[str]) -> Stops | None:
        """Checked and ready to stop at; None if nothing is wanted. Raises Failure, EngineError."""
        if not (self.conditions or self.places or self.checks):
            return None
        from engine.expressions.breakpoint import Breakpoint, EventPattern
        from engine.expressions.scope import Scope
        from engine.model.tokenizer import Tokenizer
        from engine.run.stops import Stops

        scope = Scope(config, Tokenizer(docs))
        made = [("--break", Breakpoint(f"break {i}", condition=text)) for i, text in enumerate(self.conditions)]
        try:
            made += [
                ("--break-at", Breakpoint(f"at {i}", EventPattern.parse(text))) for i, text in enumerate(self.places)
            ]
            return Stops(scope, [breakpoint_ for _, breakpoint_ in made], self.checks)
        except ExpressionError as error:
            from microgpt_tui.drawing.error_pointer import pointer

            for line in pointer(error).splitlines():
                say(line)
            raise Failure(f"--break: {error.reason}") from error
        except EngineError as error:
            raise Failure(f"--break-at: {error}") from error


OPTIONS = (  # the last one stands first in the help
    click.option(
        "--no-stop",
        multiple=True,
        type=click.Choice(LOOKED_FOR),
        help="Leave this one out of --health.",
        panel=PANEL,
    ),
    click.option(
        "--health",
        is_flag=True,
        help="Stop, with exit status 2, at a nan or inf, at a parameter matrix whose gradient is all zero, where "
        "all ReLU units of a layer are dead for a whole document, at a gradient norm a hundred times its median.",
        panel=PANEL,
    ),
    click.option(
        "--break-at",
        multiple=True,
        metavar="EVENT",
        help="Stop at an event: a tensor or a parameter matrix, as in attn_weights@pos=2,layer=0,head=1; "
        "phase=backward is where its gradient is complete. Can be given several times.",
        panel=PANEL,
    ),
    click.option(
        "--break",
        "breaks",
        multiple=True,
        metavar="CONDITION",
        help="Stop where this becomes true, as in 'loss < 2 and step > 100' or 'attn_weights[0, 2].max() > 0.9'. "
        "Steps, positions, layers and heads count from 0. Can be given several times.",
        panel=PANEL,
    ),
)


def stop_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--break, --break-at, --health and --no-stop; the command is called with the `wanted` that they make."""

    @functools.wraps(command)
    def with_wanted(
        *args: Any,
        breaks: tuple[str, ...],
        break_at: tuple[str, ...],
        health: bool,
        no_stop: tuple[str, ...],
        **rest: Any,
    ) -> Any:
        if no_stop and not health:
            raise ConfigError("--no-stop turns off a health check, and none is on; add --health")
        checks = tuple(check for check in LOOKED_FOR if check not in no_stop) if health else ()
        return command(*args, wanted=Wanted(breaks, break_at, checks), **rest)

    for add in OPTIONS:
        with_wanted = add(with_wanted)
    return with_wanted
