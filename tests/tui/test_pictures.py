"""The whole screen as plain text, for a fixed tiny run: what stands where in each phase at each size.

`MICROGPT_TUI_UPDATE_PICTURES=1` writes the pictures anew; the difference is then there to be read.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine import Session
from engine.timeline.events import Moment, Phase
from tests.support.harness import DOCS, SMALL, debugger, screen, text, until

pytestmark = pytest.mark.usefixtures("own_settings")

PICTURES = Path(__file__).with_name("pictures")
UPDATE = "MICROGPT_TUI_UPDATE_PICTURES"
PLACES = {
    Phase.FORWARD: ("attn_weights", 2, 1),
    Phase.BACKWARD: ("q", 1, None),
    Phase.UPDATE: ("layer0.attn_wq", None, None),
}


def place(run: Session, phase: Phase) -> Moment:
    """The end of this phase's event, in step 1: there is something to look back on."""
    run.seek(Moment(1))
    found = next(s for s in run.program.events(phase) if (s.name, s.pos, s.head) == PLACES[phase])
    return Moment(1, phase, found.last)


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (200, 60)], ids="{0[0]}x{0[1]}".format)
async def test_the_screen_equals_its_picture(size: tuple[int, int]) -> None:
    run = Session(SMALL, DOCS)  # its own: the curve has places for all steps that a run has ever done
    moments = {phase: place(run, phase) for phase in PLACES}
    async with debugger(size, run) as pilot:
        for phase, moment in moments.items():
            screen(pilot).navigator.go(moment)
            await pilot.pause()
            await until(pilot, lambda: not any(w.group == "series" and w.is_running for w in pilot.app.workers))
            await pilot.pause()
            kept = PICTURES / f"{phase}_{size[0]}x{size[1]}.txt"
            shown = text(pilot) + "\n"
            if os.environ.get(UPDATE):
                kept.write_text(shown, encoding="utf-8")
            assert shown == kept.read_text(encoding="utf-8"), f"{kept.name} is out of date: see {UPDATE}"
