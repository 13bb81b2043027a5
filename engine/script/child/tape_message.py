"""A recorded step as plain arrays and lists, ready to be sent."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any

from .holders import Group, Walk, attributes, best_groups, root_of

if TYPE_CHECKING:
    from .recorder import Recorder
    from .step_record import StepRecord

NAN = float("nan")
GLANCE = 8  # reads of gradients that are looked back at for the source of a write


def message(recorder: Recorder, record: StepRecord, complete: bool, walk: Walk) -> dict[str, Any]:
    """What is sent of a step: arrays, and what goes into the line before them. `walk` is what variables hold now."""
    rows = _Rows(recorder, record)
    arrays: dict[str, array[Any]] = {}
    ops = rows.graph(arrays)
    rows.writes(arrays)
    rows.backward(arrays)
    scalars = rows.update(arrays)
    names = rows.names(arrays)
    params, first = [], 0
    for group in rows.groups:
        params.append({"name": group.name, "shape": list(group.shape), "first": first})
        first += len(group.scalars)
    root = record.backward.root if record.backward is not None else None
    sources = recorder.sources
    return {
        "arrays": arrays,
        "step": recorder.step,
        "complete": complete,
        "n_params": rows.n_params,
        "n_older": rows.n_older,
        "loss_row": rows.of.get(id(root), -1),
        "ops": ops,
        "stacks": recorder.positions.stacks,
        "names": names,
        "params": params,
        "moments": rows.moments(walk),
        "update_scalars": scalars,
        "loops": sources.loops,
        "files": sources.paths,
        "settings": {
            name: value
            for name, value in recorder.module.items()
            if type(value) in (int, float, str, bool) and name[0] != "_" and value == value  # noqa: PLR0124
        },
        "positions": recorder.positions.table,
    }


class _Rows:
    """The rows of a tape: parameters, then older scalars that the step computes with, then those that it made."""

    def __init__(self, recorder: Recorder, record: StepRecord) -> None:
        self.recorder, self.record = recorder, record
        self.sites = recorder.sources.sites
        self.in_loop: list[bool] = []
        nodes = self.nodes = record.nodes[: record.end]
        self.made = {id(each): i for i, each in enumerate(nodes)}
        self.begin = self._begin() if recorder.step == 0 else 0
        self.groups = self._groups()
        params = {id(each): each for group in self.groups for each in group.scalars}
        older = self._older(params)
        self.list = [*params.values(), *older, *nodes[self.begin :]]
        self.n_params, self.n_older = len(params), len(older)
        self.first = self.n_params + self.n_older
        self.of = {id(each): i for i, each in enumerate(self.list)}

    def inside(self, stack: int) -> bool:
        """Whether a stack stands in the training loop, as far as that is known."""
        return not self.in_loop or (stack >= 0 and self.in_loop[stack])

    # Which rows there are.

    def _begin(self) -> int:
        """The first scalar of the first step: what was made before its loop, such as parameters, is older."""
        recorder, record = self.recorder, self.record
        stacks, table = recorder.positions.stacks, recorder.positions.table
        call = record.backward
        if call is not None:
            here = stacks[call.stack] if call.stack >= 0 else []
        else:
            here = stacks[record.stacks[-1]] if len(record.stacks) else []
        there = stacks[record.update_stack] if record.update_stack >= 0 else []
        found: tuple[int, int, int, int] | None = None  # depth of the frame, file, first and last line of the loop
        for depth, at in enumerate(here):
            file, line, function = table[at][0], table[at][1], table[at][5]
            lines = [line]
            if there:
                if len(there) <= depth or (table[there[depth]][0], table[there[depth]][5]) != (file, function):
                    break
                lines.append(table[there[depth]][1])
            around = [
                (last - first, first, last)
                for first, last, _ in recorder.sources.loops[file]
                if all(first <= each <= last for each in lines)
            ]
            if around:
                _, first, last = min(around) if there else max(around)
                found = (depth, file, first, last)
                if not there:
                    break
            if there and there[depth] != at:
                break
        if found is None:
            moved = [self.made[id(each)] for each, _, _ in record.updates if id(each) in self.made]
            return max(moved, default=-1) + 1
        depth, file, first, last = found
        inside = self.in_loop = [
            len(stack) > depth and table[stack[depth]][0] == file and first <= table[stack[depth]][1] <= last
            for stack in stacks
        ]
        begin = len(self.nodes)
        while begin and record.stacks[begin - 1] >= 0 and inside[record.stacks[begin - 1]]:
            begin -= 1
        return begin

    def _groups(self) -> list[Group]:
        """Groups of parameters: those that have one in the loss, or one that moves; with all others of their holder."""
        recorder, record, made, begin = self.recorder, self.record, self.made, self.begin
        assert record.walk is not None

        def wanted(each: Any) -> bool:
            return made.get(id(each), -1) < begin and not recorder.class_of(each).kids(each)

        groups = best_groups(record.walk.groups, wanted)
        used = set(record.reached)
        if record.backward is None:
            used = {id(kid) for node in self.nodes[begin:] for kid in recorder.class_of(node).kids(node)}
        used |= {id(each) for each, _, _ in record.updates}
        roots = {root_of(group.name) for group in groups if any(id(each) in used for each in group.scalars)}
        return [group for group in groups if root_of(group.name) in roots]

    def _older(self, params: dict[int, Any]) -> list[Any]:
        """Scalars that are older than the step, and no parameters, but that it computes with; operands first."""
        reached, made, begin = self.record.reached, self.made, self.begin
        older = {key: each for key, each in reached.items() if key not in params and not begin <= made.get(key, -1)}
        for node in self.nodes[begin:]:
            if id(node) not in reached:
                stack = [node]
                while stack:
                    each = stack[-1]
                    new = [
                        kid
                        for kid in self.recorder.class_of(each).kids(each)
                        if id(kid) not in params and id(kid) not in older and not begin <= made.get(id(kid), -1)
                    ]
                    if new:
                        stack += new
                        continue
                    stack.pop()
                    if not begin <= made.get(id(each), -1):
                        older[id(each)] = each
        return list(older.values())

    # The forward phase.

    def graph(self, arrays: dict[str, array[Any]]) -> list[str]:
        """Values, operands and places of all rows; the names of the operations."""
        recorder, record = self.recorder, self.record
        n, first, begin, end = len(self.list), self.first, self.begin, record.end
        value = array("d", bytes(8 * n))
        stack, method = array("i", [-1]) * n, array("i", [-1]) * n
        value[first:] = record.values[begin:end]
        stack[first:] = record.stacks[begin:end]
        method[first:] = record.methods[begin:end]
        for row, each in enumerate(self.list[:first]):
            value[row], stack[row], method[row] = self._outset(each)
        child_start, child, local = array("i", [0]), array("i"), array("d")
        extra = array("d", [NAN]) * n
        ops: dict[str, int] = {"": 0}
        op = array("H", bytes(2 * n))
        row_of, class_of = self.of, recorder.class_of
        operands = record.operands
        named: dict[tuple[int, int], int] = {}
        shift = begin - first
        ticks = [0]
        ticked = 0
        for row, each in enumerate(self.list):
            scalar = class_of(each)
            kids = scalar.kids(each)
            if kids:
                captured = operands.get(row + shift if row >= first else self.made.get(id(each), -1))
                if captured is not None:
                    kids, extra[row] = self._in_order(kids, captured)
                child.extend([row_of[id(kid)] for kid in kids])
                slopes = scalar.slopes(each)
                local.extend(slopes if len(slopes) == len(kids) else [NAN] * len(kids))
                where = (method[row], stack[row])
                at = named.get(where)
                if at is None:
                    name = self._op(*where, scalar.kind.__name__)
                    at = named[where] = ops.setdefault(name, len(ops))
                op[row] = at
                ticked += row >= self.n_params
            child_start.append(len(child))
            if row >= first:
                ticks.append(ticked)
            else:
                ticks[0] = ticked
        self.ticks, self.child_start, self.child = ticks, child_start, child
        arrays.update(value=value, stack=stack, method_position=method, op=op, extra=extra)
        arrays.update(child_start=child_start, child=child, local=local)
        return list(ops)

    def _outset(self, each: Any) -> tuple[float, int, int]:
        """Value at the start of the step, stack and method of a scalar that is older than it."""
        record, key = self.record, id(each)
        at = self.made.get(key)
        if at is None:
            return record.start.get(key, record.data.get(key, NAN)), -1, -1
        value = record.values[at]
        for one, new, time in record.wrote:
            if one is each and time <= self.begin:
                value = float(new)
        return value, record.stacks[at], record.methods[at]

    def _in_order(self, kids: Any, captured: Any) -> tuple[Any, float]:
        """The operands in the order of the operator, and the first that is a plain number."""
        kinds = self.recorder.kinds
        known = {id(each) for each in kids}
        ordered = [each for each in captured if isinstance(each, kinds) and id(each) in known]
        extra = next((float(x) for x in captured if type(x) in (int, float)), NAN)
        if {id(each) for each in ordered} == known and len(ordered) >= len(kids):
            return ordered, extra
        return kids, extra

    def _op(self, method: int, stack: int, otherwise: str) -> str:
        """The name of the operation: of the method that made a scalar, or of the function outside of the class."""
        stacks, table = self.recorder.positions.stacks, self.recorder.positions.table
        at = method if method >= 0 else stacks[stack][-1] if stack >= 0 and stacks[stack] else -1
        parts = [part for part in table[at][5].split(".") if part[0] != "<"] if at >= 0 else []
        return str(parts[-1]) if parts else otherwise

    def writes(self, arrays: dict[str, array[Any]]) -> None:
        """Writes of data in the forward phase."""
        tick, row, value = array("i"), array("i"), array("d")
        for each, new, at in self.record.wrote:
            if id(each) in self.of and self.begin <= at <= self.record.end and at - self.begin < len(self.ticks):
                if at == self.begin and self.made.get(id(each), at) < self.begin:
                    continue  # before the first step
                tick.append(self.ticks[at - self.begin])
                row.append(self.of[id(each)])
                value.append(float(new))
        arrays.update(write_tick=tick, write_row=row, write_value=value)

    # The backward phase and the update.

    def backward(self, arrays: dict[str, array[Any]]) -> None:
        """Writes of gradients, each with the scalar whose gradient it comes from."""
        grads = self.record.grads
        arrays["grad_before"] = array("d", [grads.get(id(each), 0.0) for each in self.list])
        rows, sources, values, positions = array("i"), array("i"), array("d"), array("i")
        row_of, start, child, read = self.of, self.child_start, self.child, self.record.read
        source = -1
        for each, new, position, reads in self.record.back:
            row = row_of.get(id(each))
            if row is None:
                continue
            found = -1
            for k in range(reads - 1, max(reads - 1 - GLANCE, -1), -1):
                one = read[k]
                if one is not each:
                    at = row_of.get(id(one), -1)
                    if at >= 0 and row in child[start[at] : start[at + 1]]:
                        found = at
                        break
            if found < 0 and source >= 0 and row in child[start[source] : start[source + 1]]:
                found = source
            source = found
            rows.append(row)
            sources.append(found)
            values.append(float(new))
            positions.append(position)
        arrays.update(back_row=rows, back_source=sources, back_value=values, back_position=positions)

    def update(self, arrays: dict[str, array[Any]]) -> list[Any]:
        """Writes of parameters, and the numbers that names held meanwhile."""
        record, recorder = self.record, self.recorder
        rows, values, positions = array("i"), array("d"), array("i")
        kept = [0]
        for each, new, position in record.updates:
            row = self.of.get(id(each), self.n_params)
            if row < self.n_params:
                rows.append(row)
                values.append(float(new))
                positions.append(position)
            kept.append(len(rows))
        arrays.update(update_row=rows, update_value=values, update_position=positions)
        grads = array("d")
        for each in self.list[: self.n_params]:
            try:
                grads.append(recorder.class_of(each).grad_of(each))
            except (AttributeError, TypeError):
                grads.append(NAN)
        arrays["grad_after"] = grads
        number = recorder.positions.number
        return [
            [kept[at], number(self.sites[site].position), name, float(value)]
            for at, site, name, value in record.scalars
        ]

    def moments(self, walk: Walk) -> list[dict[str, Any]]:
        """Lists of floats that the update has changed, and numbers on the parameters themselves."""
        found = []
        after = self.recorder.moments(walk)
        for name, old in self.record.moments.items():
            new = after.get(name)
            if new is not None and len(new) == len(old) and new != old:
                rows = self._aligned(name, len(new), walk)
                found.append({"name": name, "before": old, "after": new, "rows": rows})
        params = self.list[: self.n_params]
        for name, before in self.record.on_params.items():
            old = [before.get(id(each), NAN) for each in params]
            new = [_number(getattr(each, name, NAN)) for each in params]
            if new != old and any(x == x for x in new):  # noqa: PLR0124
                found.append({"name": f".{name}", "before": old, "after": new, "rows": list(range(len(params)))})
        return found

    def _aligned(self, name: str, count: int, walk: Walk) -> list[int]:
        """The parameters that the numbers of a container belong to, if they are as many as those of one holder."""
        keys = walk.keys.get(name)
        if keys is not None:
            rows = [self.of.get(key if isinstance(key, int) else id(key), -1) for key in keys]
            return rows if all(0 <= row < self.n_params for row in rows) else []
        tail = name[len(root_of(name)) :]
        best: list[int] = []
        for group in walk.groups:
            if len(group.scalars) == count:
                rows = [self.of.get(id(each), -1) for each in group.scalars]
                if all(0 <= row < self.n_params for row in rows):
                    if tail and group.name[len(root_of(group.name)) :] == tail:
                        return rows
                    if not best:
                        best = rows
        return best

    # Names.

    def names(self, arrays: dict[str, array[Any]]) -> list[dict[str, Any]]:
        """What names held in the forward phase."""
        record, number = self.record, self.recorder.positions.number
        held = array("i")
        found = []
        for time, site, name, value, context, stack in record.names[: record.names_end]:
            if time < self.begin or (self.begin and time == self.begin and not self.inside(stack)):
                continue
            shape, rows = _shaped(value, self.of)
            if rows is None:
                continue
            found.append(
                {
                    "time": time - self.begin + self.first, "name": name,
                    "position": number(self.sites[site].position), "kind": self.sites[site].kind, "shape": shape,
                    "rows": [len(held), len(rows)], "context": context,
                }
            )  # fmt: skip
            held.extend(rows)
        arrays["name_rows"] = held
        return found


def _number(value: Any) -> float:
    return float(value) if type(value) in (int, float) else NAN


def numbers_on(things: list[Any], but: tuple[str, ...]) -> dict[str, dict[int, float]]:
    """Numbers that parameters carry besides value and gradient, by attribute and the id of the parameter."""
    found: dict[str, dict[int, float]] = {}
    for each in things:
        for name, value in attributes(each):
            if type(value) in (int, float) and name not in but:
                found.setdefault(name, {})[id(each)] = float(value)
    return found


def _shaped(value: Any, row_of: dict[int, int]) -> tuple[list[int], list[int] | None]:
    """Shape and rows of what a name held; no rows if it holds anything but scalars of the tape."""
    if not isinstance(value, list):
        row = row_of.get(id(value))
        return [], None if row is None else [row]
    if value and not isinstance(value[0], list):
        rows = [row_of.get(id(each), -1) for each in value]
        return [len(rows)], None if -1 in rows else rows
    shape: list[int] | None = None
    out: list[int] = []
    for each in value:
        inner, rows_ = _shaped(each, row_of)
        if rows_ is None or (shape is not None and inner != shape):
            return [], None
        shape = inner
        out += rows_
    return [len(value), *(shape or [])], out
