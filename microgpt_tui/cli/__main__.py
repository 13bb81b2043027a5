"""Lets `python -m microgpt_tui.cli` do what `microgpt-tui` does."""

from microgpt_tui.cli import main

if __name__ == "__main__":
    main()
