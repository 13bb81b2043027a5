"""`Remembering`: a pane that shows how figures went over the steps so far, and says which of them it lacks."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from textual.message import Message

from microgpt_tui.debugger.frame import Frame
from microgpt_tui.debugger.series import Course
from microgpt_tui.panes.base import Pane


class Remembering(Pane):
    """Subclasses say which courses they show; what is missing of them comes with a later frame."""

    class Lacks(Message):
        """Courses that are shown are not whole."""

        def __init__(self, pane: Remembering, courses: list[Course[Any]]) -> None:
            self.pane, self.courses = pane, courses
            super().__init__()

    @abstractmethod
    def courses(self, frame: Frame, width: int, height: int) -> list[Course[Any]]:
        """What a picture of this size shows of the past."""

    def redraw(self) -> None:
        super().redraw()
        if self.frame and self.display:
            lacking = [course for course in self.courses(self.frame, *self.content_size) if course.missing]
            if lacking:
                self.post_message(self.Lacks(self, lacking))
