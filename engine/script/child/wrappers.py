"""What takes the place of a scalar class's own `__init__` and gradient while a step is recorded.

These functions run for each scalar and each gradient, so they are written out for the class: with its own arguments,
and with its own way to keep a gradient.
"""

from __future__ import annotations

import sys
from typing import Any, Callable

from .positions import Positions
from .scalar_class import ScalarClass
from .step_record import StepRecord

INIT = """
def make(
    _init, _note, _scalar, _methods, _frames, _generators, _method, _stack, _node, _get_frame, _id, _len, {values}
):
    def __init__({header}):
        _init({call})
        _frame = _get_frame(1)
        _known = _methods(_id(_frame.f_code))
        _kids = _scalar.kids_of
        if _known is not None and _kids is not None:
            _arity = _known[-1]
            _at = _known.get(_frame.f_lasti)
            if _at is not None and _arity >= 0 and not (_arity and 0 < _len(_kids({first})) < _arity):
                _outer = _frame.f_back
                _known = _frames(_outer)
                if _known is None:
                    _entry = _generators(_outer)
                    if _entry is not None and _outer.f_back is _entry[0] and _entry[0].f_lasti == _entry[1]:
                        _known = _entry[2]
                    elif _methods(_id(_outer.f_code)) is not None:
                        _outer = _outer.f_back
                        _known = _frames(_outer)
                if _known is not None:
                    _place = _known.get(_outer.f_lasti)
                    if _place is not None:
                        _method(_at)
                        _stack(_place)
                        _node({first})
                        return
        _note({first}, _frame, {args})
    return __init__
"""

GRAD = """
def make(_add, _get_frame, _place, _get, _put):
    _last = _before = _code = None
    _at = _where = -1
    def get_grad(self):
        nonlocal _last, _before
        if self is not _last:
            _before = _last
            _last = self
        try:
            return {read}
        except KeyError:
            return _get(self)
    def set_grad(self, value):
        nonlocal _code, _at, _where
        {write}
        frame = _get_frame(1)
        at = frame.f_lasti
        if at != _at or frame.f_code is not _code:
            _code, _at = frame.f_code, at
            _where = _place(_code, at)
        _add((self, _before if _last is self else _last, value, _where))
    return get_grad, set_grad
"""
KEPT = "microgpt_tui_kept"  # the gradient's own place in __slots__, while something else is called as it is


def grad_accessors(scalar: ScalarClass, record: StepRecord, positions: Positions) -> tuple[Any, Any]:
    """Functions that read and write the gradient of a scalar, and note that in a record."""
    watch = scalar.grad
    if watch.keep(KEPT):
        read = f"self.{KEPT}"
        write = f"{read} = value"
    elif watch.in_dictionary:
        read = f"self.__dict__[{scalar.grad_name!r}]"
        write = f"{read} = value"
    else:
        read, write = "_get(self)", "_put(self, value)"
    space: dict[str, Any] = {}
    exec(compile(GRAD.format(read=read, write=write), __file__, "exec"), space)
    made: tuple[Any, Any] = space["make"](record.back.extend, sys._getframe, positions.place, watch.get, watch.set)
    return made


def init_wrapper(
    scalar: ScalarClass, record: StepRecord, positions: Positions, note: Callable[[Any, Any, Any], None]
) -> Any:
    """An `__init__` that makes a scalar and notes it in a record."""
    init = scalar.init
    code = init.__code__
    count, keywords = code.co_argcount, code.co_kwonlyargcount
    names = list(code.co_varnames[: count + keywords])
    rest = list(code.co_varnames[count + keywords :])
    star = rest.pop(0) if code.co_flags & 0x04 else ""
    stars = rest.pop(0) if code.co_flags & 0x08 else ""
    defaults = init.__defaults__ or ()
    values: dict[str, Any] = {}
    header, call = [], []
    for i, name in enumerate(names[:count]):
        default = i - (count - len(defaults))
        if default >= 0:
            values[f"_default{i}"] = defaults[default]
        header.append(f"{name}=_default{i}" if default >= 0 else name)
        if i + 1 == code.co_posonlyargcount:
            header.append("/")
        call.append(name)
    if star:
        header.append(f"*{star}")
        call.append(f"*{star}")
    elif keywords:
        header.append("*")
    for name in names[count:]:
        if name in (init.__kwdefaults__ or {}):
            values[f"_default_{name}"] = init.__kwdefaults__[name]
            header.append(f"{name}=_default_{name}")
        else:
            header.append(name)
        call.append(f"{name}={name}")
    if stars:
        header.append(f"**{stars}")
        call.append(f"**{stars}")
    args = "".join(f"{name}, " for name in (*names[:count], *names[count:]) if name != names[0])
    text = INIT.format(
        values=", ".join(values), header=", ".join(header), call=", ".join(call), first=names[0],
        args=f"({args}{f'*{star}, ' if star else ''})",
    )  # fmt: skip
    space: dict[str, Any] = {}
    exec(compile(text, __file__, "exec"), space)
    return space["make"](
        init, note, scalar, positions.methods.get, positions.frames.get, positions.generators.get,
        record.methods.append, record.stacks.append, record.nodes.append, sys._getframe, id, len, **values,
    )  # fmt: skip
