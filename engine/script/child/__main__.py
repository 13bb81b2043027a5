"""Start of the process that runs a script: loads its package under a name that no script uses.

Any Python can read this file, so that one that is too old is told.
"""

import sys

if sys.version_info < (3, 9):
    sys.stdout.write('{"kind": "cannot", "why": "old_python", "what": {"version": "%d.%d"}}\n' % sys.version_info[:2])
    sys.exit()

BEFORE = set(sys.modules)

import importlib.util  # noqa: E402
import os  # noqa: E402

PACKAGE = "_microgpt_tui_child"


def _load():
    # type: () -> None
    """Load the package beside this file and run it; scripts do not find it among their modules."""
    folder = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [each for each in sys.path if os.path.abspath(each or ".") != folder]
    place = os.path.join(folder, "__init__.py")
    spec = importlib.util.spec_from_file_location(PACKAGE, place, submodule_search_locations=[folder])
    assert spec is not None
    assert spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    sys.modules[PACKAGE] = package
    spec.loader.exec_module(package)
    runner = importlib.import_module(PACKAGE + ".runner")
    for name in [name for name in sys.modules if name.split(".")[0] == PACKAGE]:
        del sys.modules[name]
    runner.main(BEFORE)


if __name__ == "__main__":
    _load()
