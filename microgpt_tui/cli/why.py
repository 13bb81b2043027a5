"""`microgpt-tui why`: the chains behind a gradient, the positions behind an update, the parts behind a prediction."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from engine.model.config import Config
from microgpt_tui.cli._exit import print_result
from microgpt_tui.cli._json import json_text
from microgpt_tui.cli._options import DATA, OUTPUT, examples, json_option, number_option, run_options, step_option
from microgpt_tui.cli._session import session_at
from microgpt_tui.texts.say import say

if TYPE_CHECKING:
    from microgpt_tui.cli.why_report import Answer


@click.command(
    help=say("cli.why.help"),
    epilog=examples(
        'microgpt-tui why --step 100 --param "layer0.attn_wq[3,5]"',
        "microgpt-tui why --step 0 --pos 2 --logit e --rival a",
        'microgpt-tui why --step 0 --scalar "q[0,3]@pos=2"',
        "microgpt-tui why --step 500 --pos 0 --json | jq .parts",
    ),
)
@step_option(say("cli.why.step"))
@click.option("--scalar", metavar="NAME", help=say("cli.why.scalar"), panel=DATA)
@click.option("--param", metavar="NAME", help=say("cli.why.param"), panel=DATA)
@click.option("--pos", type=click.IntRange(min=0), metavar="N", help=say("cli.why.pos"), panel=DATA)
@click.option("--logit", metavar="TOKEN", help=say("cli.why.logit"), panel=DATA)
@click.option("--rival", metavar="TOKEN", help=say("cli.why.rival"), panel=DATA)
@number_option("--count", default=8, text=say("cli.why.count"), high=1000, panel=OUTPUT)
@json_option()
@run_options
def why(
    config: Config,
    step: int,
    scalar: str | None,
    param: str | None,
    pos: int | None,
    logit: str | None,
    rival: str | None,
    count: int,
    as_json: bool,
    data: Path | None,
    split: str,
) -> None:
    """`microgpt-tui why`; its help is the text cli.why.help."""
    if sum(each is not None for each in (scalar, param, pos)) != 1:
        at = pos is None and (logit or rival)
        raise click.UsageError(say("cli.why.one_of_with_pos" if at else "cli.why.one_of"))
    if pos is None and (logit is not None or rival is not None):
        raise click.UsageError(say("cli.why.needs_pos"))
    session = session_at(config, data, split, step)
    from engine.timeline.events import Moment, Phase
    from microgpt_tui.cli import why_report

    session.seek(Moment(step, Phase.UPDATE, session.program.ticks(Phase.UPDATE)))
    if scalar is not None:
        answer: Answer = why_report.of_scalar(session.view(), scalar, count)
    elif param is not None:
        answer = why_report.of_parameter(session.view(), param)
    else:
        answer = why_report.of_prediction(session.view(), pos or 0, logit, rival)
    if as_json:
        click.echo(json_text(answer.facts))
    else:
        print_result(answer.text)
