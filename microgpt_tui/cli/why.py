"""`microgpt-tui why`: the chains behind a gradient, the positions behind an update, the parts behind a prediction."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from engine.model.config import Config
from microgpt_tui.cli._exit import print_result
from microgpt_tui.cli._json import json_text
from microgpt_tui.cli._options import DATA, OUTPUT, data_option, examples, hyperparameters, split_option, step_option
from microgpt_tui.cli._session import session_at

if TYPE_CHECKING:
    from microgpt_tui.cli.why_report import Answer

ONE_OF = "ask for one thing: --scalar, --param, or a prediction by its --pos"


@click.command(
    epilog=examples(
        'microgpt-tui why --step 100 --param "layer0.attn_wq[3,5]"',
        "microgpt-tui why --step 0 --pos 2 --logit e --rival a",
        'microgpt-tui why --step 0 --scalar "q[0,3]@pos=2"',
        "microgpt-tui why --step 500 --pos 0 --json | jq .parts",
    )
)
@step_option("In which training step, counted from 0: as many steps are trained first.")
@click.option("--scalar", metavar="NAME", help="Why has this scalar its gradient? The strongest chains.", panel=DATA)
@click.option("--param", metavar="NAME", help="Why did this parameter move? Positions, and momentum.", panel=DATA)
@click.option(
    "--pos", type=click.IntRange(min=0), metavar="N", help="Why this prediction? The position, from 0.", panel=DATA
)
@click.option("--logit", metavar="TOKEN", help="Whose logit. Without it: that of the token that comes.", panel=DATA)
@click.option("--rival", metavar="TOKEN", help="Compared with whose. Without it: the largest other one.", panel=DATA)
@click.option(
    "--count",
    type=click.IntRange(1, 1000),
    default=8,
    show_default=True,
    metavar="N",
    help="How many chains, at most.",
    panel=OUTPUT,
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object with all bits of every number.", panel=OUTPUT)
@data_option
@split_option
@hyperparameters
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
    """Say why a number of a training step is what it is.

    --scalar: the gradient of a scalar is a sum over all paths from it to the loss, each the product of the derivatives
    along it. The strongest paths, with their share of the gradient.

    --param: the gradient that moved a parameter is a sum over the positions of the step's document. What each of them
    pushed, in the order in which it was added, and how much of Adam's step was momentum from the steps before.

    --pos: a logit is a sum over what was added to the residual stream. What the token, its position, each head and each
    MLP contributed to the logit of the token that really comes, and to a rival's.

    A scalar is written as in the debugger: wte[5,3], q[0,3]@pos=2, attn_weights[0,1,2]@pos=3, loss. A token is a
    character, or BOS.
    """
    if sum(each is not None for each in (scalar, param, pos)) != 1:
        at = "; say at which position with --pos" if pos is None and (logit or rival) else ""
        raise click.UsageError(ONE_OF + at)
    if pos is None and (logit is not None or rival is not None):
        raise click.UsageError("--logit and --rival go with --pos")
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
