"""Where Python looks for modules: `engine` beside this package, and nothing in the current folder.

`python -m` puts the current folder first. A file there named `random.py` would run in place of Python's own, and an
`engine.py`, the name of micrograd's only file, in place of the package. This module therefore imports nothing that
Python has not imported by itself when it starts.
"""

import os
import sys
from importlib.machinery import ModuleSpec, PathFinder

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
"""The folder that this package and `engine` are in."""


def module_command(module: str) -> tuple[str, ...]:
    """A command that runs a module of this very package as `python -m` does, also where it is not installed.

    -P removes the current folder from its path.
    """
    start = (
        f"import sys; sys.path.insert(0, {ROOT!r}); from microgpt_tui.module_path import run_module; "
        f"sys.path.append(sys.path.pop(0)); run_module({module!r})"
    )
    return sys.executable, "-P", "-c", start


COMMAND = module_command("microgpt_tui")
"""The command line, as a client process runs it."""


class OwnPackages:
    """A finder that imports `engine` and `microgpt_tui` from ROOT, whatever else on the path has their names."""

    NAMES = ("engine", "microgpt_tui")

    @classmethod
    def find_spec(cls, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """The spec of these packages; None for other modules, which Python finds as usual."""
        del path, target
        return PathFinder.find_spec(name, [ROOT]) if name in cls.NAMES else None


def leave_out_current_folder() -> None:
    """Remove the current folder from the path, unless PYTHONPATH names it.

    If the packages are in the current folder, their dependencies may be too; then it becomes the last entry.
    """
    if OwnPackages not in sys.meta_path:
        sys.meta_path.insert(0, OwnPackages)
    try:
        here = os.getcwd()
    except OSError:  # it was removed
        return
    named = [] if sys.flags.ignore_environment else os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if any(entry and os.path.abspath(entry) == here for entry in named):
        return
    first = 1 + len(named)  # the entries that come from the way Python was started, and from PYTHONPATH
    others = [entry for entry in sys.path[:first] if entry not in ("", here)]
    if here == ROOT and len(others) < len(sys.path[:first]):
        sys.path.append(here)
    sys.path[:first] = others


def run_module(name: str) -> None:
    """Run a module as the program, with what is left of the command line as its arguments."""
    leave_out_current_folder()
    import runpy

    runpy.run_module(name, run_name="__main__", alter_sys=True)
