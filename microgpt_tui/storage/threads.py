"""A check that the system allows the threads that the debugger needs."""

from __future__ import annotations

import threading

from engine.errors import EngineError, is_out_of_threads
from microgpt_tui.texts.say import say

NO_THREADS = say("storage.threads.system_allows_no_more")
NEEDED = 3  # by the debugger: to write to the terminal, to read keys, and to compute


def check_threads() -> None:
    """Raise EngineError if three threads cannot start. Call it before Textual, which would not restore the terminal."""
    over = threading.Event()
    threads = [threading.Thread(target=over.wait, daemon=True) for _ in range(NEEDED)]
    try:
        for thread in threads:
            thread.start()
    except RuntimeError as error:
        if not is_out_of_threads(error):
            raise
        raise EngineError(NO_THREADS) from error
    finally:
        over.set()
        for thread in threads:
            if thread.ident is not None:  # it has started
                thread.join()
