"""`Arrangement`: the panes that the user has pinned or swapped, kept in a file."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from engine.atomic_write import read_whole, write_whole
from engine.immutable import immutable
from microgpt_tui.panes import registry
from microgpt_tui.panes.layouts import Split, panes_of, renamed
from microgpt_tui.storage.paths import settings_folder

FILE = "layout.json"
LARGEST = 2**16  # bytes of it


@immutable
class Arrangement:
    """Pinned panes stay from phase to phase; swapped panes stand in each other's places."""

    pinned: tuple[str, ...] = ()
    swapped: tuple[tuple[str, str], ...] = ()

    def apply(self, split: Split) -> Split:
        """A layout as the user wants it; one with a single pane is left alone."""
        names = list(panes_of(split))
        if len(names) == 1 or not (self.pinned or self.swapped):
            return split
        stands = {name: name for name in names}
        hosts = [spec.id for spec in sorted(registry.PANES, key=lambda spec: spec.yields) if spec.yields]
        for pane in self.pinned:
            if pane not in stands.values():
                host = next((h for h in hosts if h in stands and stands[h] not in self.pinned), None)
                if host:
                    stands[host] = pane
        for one, other in self.swapped:
            places = {pane: place for place, pane in stands.items()}
            if one in places and other in places:
                stands[places[one]], stands[places[other]] = other, one
        return renamed(split, stands)

    def without(self, lacking: Collection[str]) -> Arrangement:
        """What it says of the panes that are not lacking."""
        swapped = tuple(pair for pair in self.swapped if not set(pair) & set(lacking))
        return Arrangement(tuple(pane for pane in self.pinned if pane not in lacking), swapped)

    def pin(self, pane: str) -> Arrangement:
        """With this pane pinned, or no longer."""
        if pane in self.pinned:
            return replace(self, pinned=tuple(p for p in self.pinned if p != pane))
        return replace(self, pinned=(*self.pinned, pane))

    def swap(self, one: str, other: str) -> Arrangement:
        """With these two in each other's places; swapping them once more undoes it."""
        if self.swapped and set(self.swapped[-1]) == {one, other}:
            return replace(self, swapped=self.swapped[:-1])
        return replace(self, swapped=(*self.swapped, (one, other)))

    def save(self) -> None:
        """Write it whole, or raise OSError and leave what was there."""
        _path().parent.mkdir(parents=True, exist_ok=True)
        write_whole(_path(), json.dumps({"pinned": self.pinned, "swapped": self.swapped}).encode())

    @classmethod
    def load(cls) -> Arrangement:
        """What was saved last; the plain one if that is nothing, or cannot be understood."""
        try:
            saved = json.loads(read_whole(_path(), LARGEST))
            return cls(tuple(map(str, saved["pinned"])), tuple((str(a), str(b)) for a, b in saved["swapped"]))
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return cls()


def _path() -> Path:
    return settings_folder() / FILE
