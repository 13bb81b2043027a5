"""The entry point, also of `python -m microgpt_tui`."""

import gc
import os
import sys

from microgpt_tui.module_path import leave_out_current_folder

# numpy's library for matrices, of which nothing here needs more than a thread, starts one for each processor as soon as
# it is imported, and ends the program where the system allows no more of them.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def _choose_language() -> None:
    from engine.language.chosen import use_language
    from microgpt_tui.texts.asked_language import asked_language

    use_language(asked_language(sys.argv[1:], os.environ))


def main() -> None:
    """Run the command line; ctrl+c stops it with one word from the beginning, while Python still imports."""
    gc.disable()  # of what is imported nothing becomes garbage; a command, or `app.settle`, switches it on again
    leave_out_current_folder()
    try:
        _choose_language()
        from microgpt_tui.cli import cli
    except KeyboardInterrupt:
        import signal

        sys.stderr.write("stopped\n")
        sys.exit(128 + signal.SIGINT)
    except MemoryError:
        sys.stderr.write("error: there is not enough memory to start; free some, or raise its limit (ulimit -v)\n")
        sys.exit(2)
    cli.main(prog_name="microgpt-tui")


if __name__ == "__main__":
    main()
