"""`microgpt-tui fetch`: the text of `microgpt.py`, to be shown beside what the engine computes."""

from __future__ import annotations

import rich_click as click

from microgpt_tui.cli._exit import print_notice, print_result
from microgpt_tui.cli._options import examples
from microgpt_tui.cli._progress import Waiting
from microgpt_tui.cli._session import compile_loops
from microgpt_tui.texts.say import say


@click.command(
    help=say("cli.fetch.help"), epilog=examples("microgpt-tui fetch", "microgpt-tui --source my/microgpt.py")
)
def fetch() -> None:
    """`microgpt-tui fetch`; its help is the text cli.fetch.help."""
    from microgpt_tui.storage import original

    compile_loops()
    with Waiting(say("cli.fetch.fetching")) as waiting:
        done = original.fetch(waiting.tell)
    print_result(
        say(
            "cli.fetch.fetched",
            file=original.FILE,
            size=done.size,
            url=original.URL,
            steps=original.STEPS,
            fetched=original.fetched(),
        )
    )
    if done.error:
        print_notice(say("cli.fetch.no_lines", error=done.error))
    else:
        print_result(say("cli.fetch.lines"))
