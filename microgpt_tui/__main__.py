"""The entry point, also of `python -m microgpt_tui`."""

import sys

from microgpt_tui.module_path import leave_out_current_folder


def main() -> None:
    """Run the command line; ctrl+c stops it with one word from the beginning, while Python still imports."""
    leave_out_current_folder()
    try:
        from microgpt_tui.cli import cli
    except KeyboardInterrupt:
        import signal

        sys.stderr.write("stopped\n")
        sys.exit(128 + signal.SIGINT)
    cli.main(prog_name="microgpt-tui")


if __name__ == "__main__":
    main()
