"""The entry point, also of `python -m microgpt_tui`."""

import signal
import sys


def main() -> None:
    """Run the command line; ctrl+c stops it with one word from the beginning, while Python still imports."""
    try:
        from microgpt_tui.cli import cli
    except KeyboardInterrupt:
        sys.stderr.write("stopped\n")
        sys.exit(128 + signal.SIGINT)
    cli.main(prog_name="microgpt-tui")


if __name__ == "__main__":
    main()
