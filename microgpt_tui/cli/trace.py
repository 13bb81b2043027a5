"""`microgpt-tui trace`: everything that happens in one training step, as JSON lines."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from engine.model.config import Config
from microgpt_tui.cli._json import json_text
from microgpt_tui.cli._options import DATA, examples, run_options, step_option
from microgpt_tui.cli._session import session_at
from microgpt_tui.texts.say import say

if TYPE_CHECKING:
    from engine.timeline.events import EventValues

PHASES = ("forward", "backward", "update")


@click.command(
    help=say("cli.trace.help"),
    epilog=examples(
        "microgpt-tui trace > step0.jsonl",
        "microgpt-tui trace --step 100 --phase forward | jq -c 'select(.name == \"attn_weights\") | .data'",
        "microgpt-tui trace --phase backward | head -1",
    ),
)
@step_option(say("cli.trace.step"))
@click.option("--phase", type=click.Choice(PHASES), help=say("cli.trace.phase"), panel=DATA)
@run_options
def trace(config: Config, step: int, phase: str | None, data: Path | None, split: str) -> None:
    """`microgpt-tui trace`; its help is the text cli.trace.help."""
    session = session_at(config, data, split, step)
    from engine.explain.source_lines import lines_of_event

    for event in session.events(step):
        if phase in (None, event.phase.value):
            source = lines_of_event(session.view(), event).label
            sys.stdout.write(json_text(_entry(step, event, source)) + "\n")
        elif PHASES.index(event.phase.value) > PHASES.index(phase or ""):
            return


def _entry(step: int, event: EventValues, source: str) -> dict[str, Any]:
    return {
        "step": step,
        "phase": event.phase.value,
        "name": event.name,
        "pos": event.pos,
        "layer": event.layer,
        "head": event.head,
        "shape": list(event.shape),
        "data": event.data.tolist(),
        "grad": None if event.phase.value == "forward" else event.grad.tolist(),
        "source": source,
    }
