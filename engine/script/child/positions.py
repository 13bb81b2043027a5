"""Places in the source of a script, numbered: positions of expressions, and stacks of them."""

from __future__ import annotations

import sys
import types
from itertools import islice
from typing import Any

from .hooks import Sources

GENERATOR = 0x20 | 0x80 | 0x200  # flags of code whose frame can be resumed from elsewhere
MOST_FRAMES = 256


def expression_at(code: types.CodeType, last: int) -> tuple[int, int, int, int]:
    """Line, column, end line and end column of an instruction. Columns are -1 before Python 3.11."""
    if sys.version_info >= (3, 11):
        line, end_line, column, end_column = next(islice(code.co_positions(), last // 2, None), (None,) * 4)
        if line is not None:
            return (
                line, -1 if column is None else column,
                line if end_line is None else end_line, -1 if end_column is None else end_column,
            )  # fmt: skip
        return code.co_firstlineno, -1, code.co_firstlineno, -1
    import dis

    line = code.co_firstlineno
    for start, number in dis.findlinestarts(code):
        if start > last:
            break
        line = number or line
    return line, -1, line, -1


class Positions:
    """Numbers positions and stacks; keeps what is above a running frame, because walking up costs the most."""

    def __init__(self, sources: Sources) -> None:
        self.sources = sources
        self.table: list[tuple[Any, ...]] = []
        self.stacks: list[list[int]] = []
        self.codes: dict[int, types.CodeType] = {}
        """Codes that have a number here by their id; they are kept, so that the id stays theirs."""
        self.methods: dict[int, dict[int, int]] = {}
        """Of each function of the scalar class: instruction to position. Under -1 stands how many arguments it
        has, if there is more than one; -1 for one that only helps others."""
        self.frames: dict[Any, dict[int, int]] = {}
        """Of each frame that was seen running: instruction to stack."""
        self.generators: dict[Any, tuple[Any, int, dict[int, int]]] = {}
        """Of each frame of a generator: the frame that resumed it last, its instruction then, instruction to stack."""
        self._numbers: dict[tuple[Any, ...], int] = {}
        self._inside: dict[tuple[int, int], dict[int, int]] = {}
        self._places: dict[int, dict[int, int]] = {}
        self._variables: dict[tuple[int, int], tuple[str, ...]] = {}
        self._stack_numbers: dict[tuple[int, ...], int] = {}
        self._serials: dict[Any, int] = {}
        self._last_serial = 0

    def number(self, position: tuple[Any, ...]) -> int:
        """The number of a position."""
        known = self._numbers.get(position)
        if known is None:
            known = self._numbers[position] = len(self.table)
            self.table.append(position)
        return known

    def place(self, code: types.CodeType, last: int) -> int:
        """The number of the position of an instruction; -1 outside the files of the script."""
        known = self._places.get(id(code))
        if known is None:
            self.codes[id(code)] = code
            known = self._places[id(code)] = {}
        found = known.get(last)
        if found is None:
            file = self.sources.files.get(code.co_filename)
            if file is None:
                found = -1
            else:
                name = self.sources.name_of(code)
                found = self.number((file, *expression_at(code, last), name))
            known[last] = found
        return found

    def method(self, code: types.CodeType, last: int) -> int:
        """The number of the position of an instruction in the scalar class."""
        found = self.place(code, last)
        self.methods[id(code)][last] = found
        return found

    def variables(self, code: types.CodeType, line: int) -> tuple[str, ...]:
        """The arguments of a function of the script, and the variables of the loops around one of its lines."""
        key = (id(code), line)
        found = self._variables.get(key)
        if found is None:
            self.codes[id(code)] = code
            loops = self.sources.loops[self.sources.files[code.co_filename]]
            inside = [name for first, last, names in loops if first <= line <= last for name in names]
            arguments = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
            if code.co_name[0] == "<" and code.co_name != "<module>":
                arguments, inside = code.co_varnames, []  # of a comprehension, all of them
            found = self._variables[key] = tuple(
                dict.fromkeys(name for name in (*arguments, *inside) if name[0] != ".")
            )
        return found

    def serial(self, frame: Any) -> int:
        """A number that a running frame keeps, and that no other one gets."""
        found = self._serials.get(frame)
        if found is None:
            if len(self._serials) >= MOST_FRAMES:
                running, back = {}, frame.f_back
                while back is not None:
                    if back in self._serials:
                        running[back] = self._serials[back]
                    back = back.f_back
                self._serials = running
            self._last_serial += 1
            found = self._serials[frame] = self._last_serial
        return found

    def add_method(self, code: types.CodeType) -> None:
        """Take a function, and those in it, for one of the scalar class."""
        if id(code) not in self.methods:
            self.codes[id(code)] = code
            helper = code.co_name in ("__init__", "__new__") or (code.co_name[:1] == "_" and code.co_name[:2] != "__")
            self.methods[id(code)] = {-1: -1 if helper else code.co_argcount if code.co_argcount > 1 else 0}
            for each in code.co_consts:
                if isinstance(each, types.CodeType):
                    self.add_method(each)

    def inside(self, frame: Any) -> dict[int, int]:
        """The stacks that end in a frame, by its instruction; valid while the frame runs."""
        code = frame.f_code
        above = self._above(frame)
        key = (above, id(code))
        found = self._inside.get(key)
        if found is None:
            self.codes[id(code)] = code
            found = self._inside[key] = {}
        if not code.co_flags & GENERATOR:
            if len(self.frames) >= MOST_FRAMES:
                self.frames.clear()
            self.frames[frame] = found
        elif frame.f_back in self.frames:
            if len(self.generators) >= MOST_FRAMES:
                self.generators.clear()
            self.generators[frame] = (frame.f_back, frame.f_back.f_lasti, found)
        return found

    def forget_frames(self) -> None:
        """Let go of all frames."""
        self.frames.clear()
        self._serials.clear()
        self.generators.clear()

    def _above(self, frame: Any) -> int:
        """The stack that called a frame; -1 if none of the script did."""
        files, methods = self.sources.files, self.methods
        if frame.f_code.co_name == "<module>" and frame.f_globals.get("__name__") == "__main__":
            return -1
        back = frame.f_back
        while back is not None and (back.f_code.co_filename not in files or id(back.f_code) in methods):
            back = back.f_back
        return -1 if back is None else self.stack(back)

    def stack(self, frame: Any) -> int:
        """The number of the stack that a running frame of the script stands in."""
        known = self.frames.get(frame)
        if known is None:
            known = self.inside(frame)
        last = frame.f_lasti
        found = known.get(last)
        return self.new_stack(known, frame, last) if found is None else found

    def new_stack(self, known: dict[int, int], frame: Any, last: int) -> int:
        """The number of a stack that was not met in this frame before."""
        above = self._above(frame)
        place = self.place(frame.f_code, last)
        whole = (*(self.stacks[above] if above >= 0 else ()), *((place,) if place >= 0 else ()))
        found = self._stack_numbers.get(whole)
        if found is None:
            found = self._stack_numbers[whole] = len(self.stacks)
            self.stacks.append(list(whole))
        known[last] = found
        return found
