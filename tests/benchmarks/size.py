"""What the program and each of its direct dependencies takes on the disk, with what only that one brings along.

    python tests/benchmarks/size.py

In an environment that holds nothing else, as after `pip install microgpt-tui`; prints a Markdown table.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.metadata import Distribution, PackageNotFoundError, distribution

NAME = "microgpt-tui"


def needed(name: str) -> list[str]:
    """What a package needs directly, without extras, of what is installed."""
    said = [each for each in distribution(name).requires or () if "extra ==" not in each]
    return [each for each in (re.split(r"[\s<>=!~;\[(]", each)[0] for each in said) if installed(each)]


def installed(name: str) -> Distribution | None:
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None


def reached(names: Iterable[str]) -> set[str]:
    """These packages and all that they need."""
    found: set[str] = set()
    left = [name.lower() for name in names]
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += [each.lower() for each in needed(name)]
    return found


def size(names: Iterable[str]) -> float:
    """Of the files of these packages, compiled Python and all, in MB."""
    files = {file.locate() for name in names for file in distribution(name).files or ()}
    return sum(file.stat().st_size for file in files if file.is_file()) / 1e6  # type: ignore[attr-defined]


def main() -> None:
    direct = needed(NAME)
    print("| package | MB | with what only it brings |\n| --- | ---: | ---: |")
    for name in sorted(direct, key=lambda name: -size([name])):
        others = reached(each for each in direct if each != name)
        print(f"| {name} | {size([name]):.1f} | {size(reached([name]) - others):.1f} |")
    print(f"| {NAME} itself | {size([NAME]):.1f} | |")
    print(f"| all | {size(reached([NAME])):.0f} | |")


if __name__ == "__main__":
    main()
