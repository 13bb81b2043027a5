"""`microgpt-tui fetch`: the text of `microgpt.py`, to be shown beside what the engine computes."""

from __future__ import annotations

import rich_click as click

from microgpt_tui.cli._exit import print_notice, print_result
from microgpt_tui.cli._options import examples
from microgpt_tui.cli._progress import Waiting
from microgpt_tui.cli._session import compile_loops


@click.command(epilog=examples("microgpt-tui fetch", "microgpt-tui --source my/microgpt.py"))
def fetch() -> None:
    """Download microgpt.py, so that the debugger shows its lines.

    From the gist in which Andrej Karpathy has published it, in the revision that the engine computes. It is run (only
    here, when you ask for it), compared with the engine over its first training steps, and kept in your cache if every
    bit is the same. From then on the pane Source shows the line of microgpt.py that is at work, in all three phases.
    """
    from microgpt_tui.storage import original

    compile_loops()
    with Waiting("Fetching microgpt.py") as waiting:

        def tell(what: str, done: int, of: int) -> None:
            waiting.update(done, f"{done:,} of {of:,}" if of else "", float(of) or None, what.capitalize())

        done = original.fetch(tell)
    print_result(
        f"Fetched {original.FILE} ({done.size:,} bytes) from {original.URL}: equal to the engine, bit for bit, over "
        f"its first {original.STEPS} training steps. It is kept as {original.fetched()}."
    )
    if done.error:
        print_notice(f"Source in microgpt-tui cannot show its lines: {done.error}")
    else:
        print_result("Source in microgpt-tui shows its lines from now on.")
