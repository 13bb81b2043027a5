"""`Notice`: a notification of which there is always some time left to show it."""

from __future__ import annotations

from textual.notifications import Notification

SHORTEST = 0.01  # seconds


class Notice(Notification):
    """Textual asks first whether it has expired, and a little later for how long to show it; its timer spins for ever,
    and nothing else is done any more, if that is less than no time.
    """

    @property
    def time_left(self) -> float:
        """Seconds until it goes; never none."""
        return max(super().time_left, SHORTEST)

    @property
    def has_expired(self) -> bool:
        """Whether it should have gone."""
        return super().time_left <= 0
