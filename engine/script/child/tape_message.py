"""A recorded step as plain arrays and lists, ready to be sent."""

from __future__ import annotations

from array import array
from itertools import accumulate, chain
from typing import Any, Callable, Iterable

from .holders import Group, Walk, best_groups, held_numbers, root_of
from .positions import Positions
from .scalar_class import ScalarClasses
from .step_record import StepRecord

NAN = float("nan")


def message(
    step: int, record: StepRecord, complete: bool, walk: Walk, classes: ScalarClasses, positions: Positions
) -> dict[str, Any]:
    """What is sent of a step: arrays, and what goes into the line before them. `walk` is what variables hold now."""
    rows = _Rows(step, record, classes, positions)
    arrays: dict[str, array[Any]] = {}
    ops = rows.graph(arrays)
    rows.writes(arrays)
    rows.backward(arrays)
    scalars = rows.update(arrays)
    rows.printed(arrays)
    names = rows.names(arrays)
    moments = rows.moments(arrays, walk)
    params, first = [], 0
    for group in rows.groups:
        params.append({"name": group.name, "shape": list(group.shape), "first": first})
        first += len(group.scalars)
    call = record.backward
    root = call.root if call is not None else None
    return {
        "arrays": arrays,
        "step": step,
        "complete": complete,
        "in_sets": any(each.children_name and not each.ordered for each in classes),
        "n_params": rows.n_params,
        "n_older": rows.n_older,
        "loss_row": rows.of.get(id(root), -1),
        "earlier": [each.hex() for each in call.earlier] if call is not None else [],
        "ops": ops,
        "stacks": positions.stacks,
        "names": names,
        "contexts": rows.contexts,
        "params": params,
        "moments": moments,
        "scalar_sites": scalars,
        "loops": positions.sources.loops,
        "files": positions.sources.paths,
        "settings": (record.walk or walk).settings,
        "positions": positions.table,
    }


class _Rows:
    """The rows of a tape: parameters, then older scalars that the step computes with, then those that it made."""

    def __init__(self, step: int, record: StepRecord, classes: ScalarClasses, positions: Positions) -> None:
        self.record, self.classes, self.positions = record, classes, positions
        self.sites = positions.sources.sites
        self.in_loop: list[bool] = []
        self.contexts: list[Any] = []
        self._context_numbers: dict[Any, int] = {}
        nodes = self.nodes = record.nodes[: record.end]
        self.made = record.made
        moved = {self.made[id(each)] for each, _, _ in record.updates if id(each) in self.made}
        self.begin = self._begin() if step == 0 or moved else 0
        if moved and min(moved) >= self.begin and len(moved) == len({id(each) for each, _, _ in record.updates}):
            leaves = [at for at in moved if not classes.of(nodes[at]).kids(nodes[at])]
            self.begin = max(leaves, default=-1) + 1  # a model that each round of the loop makes anew
        self.groups = self._groups()
        params = {id(each): each for group in self.groups for each in group.scalars}
        older = self._older(params)
        self.list = [*params.values(), *older, *nodes[self.begin :]]
        self.n_params, self.n_older = len(params), len(older)
        self.first = self.n_params + self.n_older
        self.of = dict(zip(map(id, self.list), range(len(self.list))))

    def inside(self, stack: int) -> bool:
        """Whether a stack stands in the training loop, as far as that is known."""
        return not self.in_loop or (stack >= 0 and self.in_loop[stack])

    # Which rows there are.

    def _begin(self) -> int:
        """The first scalar of a model's first step: what was made before its loop, such as parameters, is older."""
        record, stacks, table = self.record, self.positions.stacks, self.positions.table
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
                for first, last, _ in self.positions.sources.loops[file]
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
        classes, record, made, begin = self.classes, self.record, self.made, self.begin
        assert record.walk is not None

        def wanted(each: Any) -> bool:
            return made.get(id(each), -1) < begin and not classes.of(each).kids(each)

        groups = best_groups(record.walk.groups, wanted)
        used = record.used | {id(each) for each, _, _ in record.updates}
        if begin:
            used |= {id(kid) for kids in record.kids[begin:] for kid in kids}
        roots = {root_of(group.name) for group in groups if any(id(each) in used for each in group.scalars)}
        return [group for group in groups if root_of(group.name) in roots]

    def _older(self, params: dict[int, Any]) -> list[Any]:
        """Scalars that are older than the step, and no parameters, but that it computes with; operands first."""
        record, made, begin = self.record, self.made, self.begin
        older: dict[int, Any] = {}
        if begin:
            used = {id(kid): kid for kids in record.kids[begin:] for kid in kids if made.get(id(kid), -1) < begin}
            stack = [kid for key, kid in used.items() if key not in params]
        else:
            stack = [record.outer[key][0] for key in record.used if key not in params]
        while stack:
            each = stack[-1]
            new = [kid for kid in self._kids(each) if id(kid) not in params and id(kid) not in older]
            if new:
                stack += new
            else:
                older.setdefault(id(each), stack.pop())
        return list(older.values())

    def _kids(self, each: Any) -> Any:
        """The operands of any scalar."""
        at = self.made.get(id(each))
        return self.classes.of(each).kids(each) if at is None else self.record.kids[at]

    # The forward phase.

    def graph(self, arrays: dict[str, array[Any]]) -> list[str]:
        """Values, operands and places of all rows; the names of the operations."""
        record, first, begin, end = self.record, self.first, self.begin, self.record.end
        n = len(self.list)
        value = array("d", bytes(8 * n))
        stack, method = array("i", [-1]) * n, array("i", [-1]) * n
        value[first:] = record.values[begin:end]
        stack[first:] = record.stacks[begin:end]
        method[first:] = record.methods[begin:end]
        outset = self._outset()
        for row, each in enumerate(self.list[:first]):
            value[row], stack[row], method[row] = outset(each)
        kids = [*map(self._kids, self.list[:first]), *record.kids[begin:]]
        slopes = [*map(self._slopes, self.list[:first]), *record.slopes[begin:]]
        extra = array("d", [NAN]) * n
        for at, captured in record.operands.items():
            row = at - begin + first if at >= begin else self.of.get(id(self.nodes[at]), -1)
            if 0 <= row < n and kids[row]:
                kids[row], extra[row] = self._in_order(kids[row], captured)
        counts = list(map(len, kids))
        child_start = array("i", [0, *accumulate(counts)])
        child = identities(chain.from_iterable(kids))
        if list(map(len, slopes)) == counts:
            local = floats(list(chain.from_iterable(slopes)))
        else:
            local = array("d")
            for mine, count in zip(slopes, counts):
                local.extend(floats(list(mine)) if len(mine) == count else array("d", [NAN]) * count)
        ops: dict[str, int] = {"": 0}
        by_method = {at: ops.setdefault(self._op(at, -1), len(ops)) for at in dict.fromkeys(method) if at >= 0}
        by_method[-1] = 0
        op = array("H", [by_method[at] if count else 0 for at, count in zip(method, counts)])
        if -1 in method:
            for row, count in enumerate(counts):
                if count and method[row] < 0:
                    op[row] = ops.setdefault(self._op(-1, stack[row]), len(ops))
        ticked = list(accumulate(map(bool, counts[self.n_params :])))
        self.ticks = [0, *ticked][self.n_older :]
        arrays.update(value=value, stack=stack, method_position=method, op=op, extra=extra)
        arrays.update(child_start=child_start, child_id=child, local=local, row_id=identities(self.list))
        return list(ops)

    def _slopes(self, each: Any) -> Any:
        at = self.made.get(id(each))
        return self.classes.of(each).slopes(each) if at is None else self.record.slopes[at]

    def _outset(self) -> Callable[[Any], tuple[float, int, int]]:
        """Tells value at the start of the step, stack and method of a scalar that is older than it."""
        record, made = self.record, self.made
        first = {id(each): old for each, _, _, old, _ in reversed(record.wrote)}
        last = {id(each): new for each, new, time, *_ in record.wrote if time <= self.begin}

        def outset(each: Any) -> tuple[float, int, int]:
            key = id(each)
            at = made.get(key)
            if at is None:
                old = record.start.get(key)
                return float(first.get(key, record.outer[key][1]) if old is None else old), -1, -1
            return float(last.get(key, record.values[at])), record.stacks[at], record.methods[at]

        return outset

    def _in_order(self, kids: Any, captured: Any) -> tuple[Any, float]:
        """The operands in the order of the operator, and the first that is a plain number."""
        kinds = self.classes.kinds
        known = {id(each) for each in kids}
        ordered = [each for each in captured if isinstance(each, kinds) and id(each) in known]
        extra = next((float(x) for x in captured if type(x) in (int, float)), NAN)
        if {id(each) for each in ordered} == known and len(ordered) >= len(kids):
            return ordered, extra
        return kids, extra

    def _op(self, method: int, stack: int) -> str:
        """The name of the operation: of the method that made a scalar, or of the function outside of the class."""
        stacks, table = self.positions.stacks, self.positions.table
        at = method if method >= 0 else stacks[stack][-1] if stack >= 0 and stacks[stack] else -1
        parts = [part for part in table[at][5].split(".") if part[0] != "<"] if at >= 0 else []
        return str(parts[-1]) if parts else self.classes[-1].kind.__name__

    def writes(self, arrays: dict[str, array[Any]]) -> None:
        """Writes of data in the forward phase."""
        tick, row, value, position = array("i"), array("i"), array("d"), array("i")
        for each, new, at, _, place in self.record.wrote:
            if id(each) in self.of and self.begin <= at <= self.record.end and at - self.begin < len(self.ticks):
                if at == self.begin and self.made.get(id(each), at) < self.begin:
                    continue  # before the first step
                tick.append(self.ticks[at - self.begin])
                row.append(self.of[id(each)])
                value.append(float(new))
                position.append(place)
        arrays.update(write_tick=tick, write_row=row, write_value=value, write_position=position)

    # The backward phase and the update.

    def backward(self, arrays: dict[str, array[Any]]) -> None:
        """Writes of gradients, each with the scalar whose gradient was read last; it may not be where it comes from."""
        record, made = self.record, self.made
        grads = array("d")
        for each in self.list[: self.first]:
            at = made.get(id(each))
            grads.append(record.outer[id(each)][2] if at is None else record.grads[at])
        grads.extend(record.grads[self.begin :])
        arrays["grad_before"] = grads
        first = self.record.first_grads
        params = self.list[: self.n_params]
        arrays["grad_first"] = grads[: len(params)]
        if first:
            arrays["grad_first"] = array("d", [first.get(id(each), NAN) for each in params])
        arrays["back_row_id"] = identities(record.back[::4])
        arrays["back_source_id"] = identities(record.back[1::4])
        arrays["back_value"] = floats(record.back[2::4])
        arrays["back_position"] = array("i", record.back[3::4])

    def update(self, arrays: dict[str, array[Any]]) -> list[Any]:
        """Writes of parameters, and the numbers that names held meanwhile; the place and name of these."""
        record, classes = self.record, self.classes
        rows, values, positions = array("i"), array("d"), array("i")
        kept = self._kept = [0]
        for each, new, position in record.updates:
            row = self.of.get(id(each), self.n_params)
            if row < self.n_params:
                rows.append(row)
                values.append(new)
                positions.append(position)
            kept.append(len(rows))
        arrays.update(update_row=rows, update_value=values, update_position=positions)
        params = self.list[: self.n_params]
        arrays["grad_after"] = floats([getattr(each, classes.of(each).grad_name, None) for each in params])
        sites: dict[tuple[int, str], int] = {}
        write, where, value = array("i"), array("i"), array("d")
        for at, site, name, number in record.scalars:
            write.append(kept[at])
            where.append(sites.setdefault((site, name), len(sites)))
            value.append(number)
        arrays.update(scalar_write=write, scalar_site=where, scalar_value=value)
        place = self.positions.number
        return [[place(self.sites[site].position), name] for site, name in sites]

    def printed(self, arrays: dict[str, array[Any]]) -> None:
        """Pieces of printed text: number, phase, and how many ticks or writes of that phase there were."""
        phases = ("forward", "backward", "after")
        number, where, count = array("i"), array("i"), array("i")
        for piece, phase, made, writes in self.record.printed:
            number.append(piece)
            where.append(phases.index(phase))
            done = self.ticks[min(max(made - self.begin, 0), len(self.ticks) - 1)] if self.ticks else 0
            count.append(done if phase == "forward" else self._kept[writes] if phase == "after" else writes)
        arrays.update(printed_piece=number, printed_phase=where, printed_count=count)

    def moments(self, arrays: dict[str, array[Any]], walk: Walk) -> list[list[Any]]:
        """Lists of floats that the update has changed, and numbers on the parameters themselves."""
        names: list[list[Any]] = []
        before, after, rows = array("d"), array("d"), array("i")
        now = held_numbers(walk)
        same = {id(thing): numbers for thing, numbers in now.values()}
        for name, (holder, old) in self.record.moments.items():
            thing, new = now.get(name, (holder, same.get(id(holder))))  # a function that has ended called it otherwise
            if new is not None and len(new) == len(old) and new != old:
                aligned = self._aligned(name, len(new), walk, thing is holder)
                if not aligned and len(new) != self.n_params:
                    continue  # of no parameters: data, or a state that is handed on
                before.extend(old)
                after.extend(new)
                rows.extend(aligned)
                names.append([name, len(new), len(aligned)])
        params = self.list[: self.n_params]
        for name, held in self.record.on_params.items():
            old = [held.get(id(each), NAN) for each in params]
            new = [_number(getattr(each, name, NAN)) for each in params]
            if new != old and any(x == x for x in new):  # noqa: PLR0124
                before.extend(old)
                after.extend(new)
                rows.extend(range(len(params)))
                names.append([f".{name}", len(new), len(params)])
        arrays.update(moment_before=before, moment_after=after, moment_rows=rows)
        return names

    def _aligned(self, name: str, count: int, walk: Walk, lasts: bool) -> list[int]:
        """The parameters that the numbers of a container belong to: by its keys or its name, or if they are as many.

        As many may also be data that were put in the place of others; so that counts only for a container that `lasts`.
        """
        before = self.record.walk
        keys = walk.keys.get(name) or (before.keys.get(name) if before is not None else None)
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
                    if not best and lasts:
                        best = rows
        return best

    # Names.

    def _context(self, context: Any) -> int:
        """The number of a context."""
        key = tuple((function, tuple(values.items())) for function, values in context)
        if key not in self._context_numbers:
            self._context_numbers[key] = len(self.contexts)
            self.contexts.append(context)
        return self._context_numbers[key]

    def names(self, arrays: dict[str, array[Any]]) -> list[dict[str, Any]]:
        """What names held in the forward phase."""
        record, number = self.record, self.positions.number
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
                    "rows": [len(held), len(rows)], "context": self._context(context),
                }
            )  # fmt: skip
            held.extend(rows)
        arrays["name_rows"] = held
        return found


def identities(things: Iterable[Any]) -> array[Any]:
    """What tells scalars apart; the debugger finds the rows of so many faster."""
    return array("Q", list(map(id, things)))


def floats(values: list[Any]) -> array[Any]:
    """Numbers as an array; nan for what is none."""
    try:
        return array("d", values)
    except TypeError:
        return array("d", [float(each) if isinstance(each, (int, float)) else NAN for each in values])


def _number(value: Any) -> float:
    return float(value) if type(value) in (int, float) else NAN


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
