"""A recorded step as plain arrays and lists, ready to be sent."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any

from .holders import numbers_of

if TYPE_CHECKING:
    from .recorder import Recorder, StepRecord

NAN = float("nan")


def message(recorder: Recorder, tape: StepRecord, complete: bool) -> dict[str, Any]:
    """What is sent of a tape: arrays, and what goes into the line before them."""
    if tape.root is None:
        recorder._outset(tape, None)
    rows = tape.rows
    row_of = {id(each): i for i, each in enumerate(rows)}
    arrays: dict[str, array[Any]] = {}
    shift = tape.n_params + tape.n_older - tape.begin

    first = tape.n_params + tape.n_older
    value = array("d", bytes(8 * len(rows)))
    stack = array("i", [-1]) * len(rows)
    method = array("i", [-1]) * len(rows)
    for i, each in enumerate(rows[:first]):
        value[i] = float(each.data)
    update_first: dict[int, float] = {}
    for each, before in zip(rows[: tape.n_params], tape.data):
        update_first[id(each)] = before
    for i, each in enumerate(rows[:first]):
        value[i] = update_first.get(id(each), value[i])
    made = len(tape.nodes)
    value[first:] = tape.values[tape.begin : made]
    stack[first:] = tape.stacks[tape.begin : made]
    method[first:] = tape.methods[tape.begin : made]
    arrays["value"], arrays["stack"], arrays["method_position"] = value, stack, method

    child_start, child, local = array("i", [0]), array("i"), array("d")
    extra = array("d", [NAN]) * len(rows)
    ops: dict[str, int] = {"": 0}
    op = array("H", bytes(2 * len(rows)))
    table = recorder.positions.table
    locals_name = recorder._locals
    for i, each in enumerate(rows):
        kids = list(recorder._kids(each))
        operands = tape.operands.get(i - shift) if i >= first else None
        if kids and operands:
            if isinstance(recorder._kids(each), (set, frozenset)):
                ordered = [x for x in operands if isinstance(x, recorder.scalar)]
                if {id(x) for x in ordered} >= {id(x) for x in kids}:
                    kids = ordered
            for x in operands:
                if isinstance(x, (int, float)):
                    extra[i] = x
        if kids:
            child.extend([row_of[id(x)] for x in kids])
            slopes = getattr(each, locals_name, ()) if locals_name else ()
            local.extend([float(x) for x in slopes] if len(slopes) == len(kids) else [NAN] * len(kids))
            where = method[i] if method[i] >= 0 else (recorder.positions.stacks[stack[i]][-1] if stack[i] >= 0 else -1)
            name = table[where][5].rsplit(".", 1)[-1] if where >= 0 else ""
            op[i] = ops.setdefault(name, len(ops))
        child_start.append(len(child))
    arrays.update(child_start=child_start, child=child, local=local, extra=extra, op=op)

    for name in ("tick", "row", "value"):
        arrays[f"write_{name}"] = array("d" if name == "value" else "i")
    ticks = 0
    made_ticks = [0]
    for i in range(first, len(rows)):
        ticks += child_start[i + 1] > child_start[i]
        made_ticks.append(ticks)
    for each, new, at in tape.wrote:
        if id(each) in row_of:
            arrays["write_tick"].append(made_ticks[max(at - tape.begin, 0)])
            arrays["write_row"].append(row_of[id(each)])
            arrays["write_value"].append(float(new))

    arrays["grad_before"] = array("d", tape.before)
    back_row, back_source, back_value, back_position = array("i"), array("i"), array("d"), array("i")
    source = -1
    for each, new, at, reads in tape.back:
        row = row_of.get(id(each), -1)
        if row < 0:
            continue
        k = reads - 1
        source = -1
        while k >= 0 and reads - k < 8:
            candidate = tape.read[k]
            if candidate is not each:
                c = row_of.get(id(candidate), -1)
                if c >= 0 and row in child[child_start[c] : child_start[c + 1]]:
                    source = c
                break
            k -= 1
        back_row.append(row)
        back_source.append(source)
        back_value.append(float(new))
        back_position.append(at)
    arrays.update(back_row=back_row, back_source=back_source, back_value=back_value, back_position=back_position)

    update_row, update_value, update_position = array("i"), array("d"), array("i")
    kept: list[int] = [0]
    for each, new, at in tape.updates:
        row = row_of.get(id(each), -1)
        if 0 <= row < tape.n_params:
            update_row.append(row)
            update_value.append(float(new))
            update_position.append(at)
        kept.append(len(update_row))
    arrays.update(update_row=update_row, update_value=update_value, update_position=update_position)
    number = recorder.positions.number
    sites = recorder.sources.sites
    arrays["grad_after"] = array("d", [float(each.grad) for each in rows[: tape.n_params]])

    name_rows = array("i")
    names = []
    for at, site, name, value_, context in tape.names:
        shape, found = _rows(value_, row_of)
        if found is None:
            continue
        names.append(
            {
                "time": max(at - tape.begin, 0) + first, "name": name, "position": number(sites[site].position),
                "kind": sites[site].kind, "shape": shape, "rows": [len(name_rows), len(found)], "context": context,
            }
        )  # fmt: skip
        name_rows.extend(found)
    arrays["name_rows"] = name_rows
    params, start = [], 0
    for group in tape.groups:
        params.append({"name": group.name, "shape": list(group.shape), "first": start})
        start += len(group.scalars)
    moments = []
    for name, thing, old in tape.moments:
        after = numbers_of(thing)
        if after is not None and len(after) == len(old) and any(a != b for a, b in zip(after, old)):
            moments.append({"name": name, "before": old, "after": after, "rows": []})
    return {
        "arrays": arrays,
        "step": recorder.step,
        "complete": complete,
        "n_params": tape.n_params,
        "n_older": tape.n_older,
        "loss_row": row_of.get(id(tape.root), -1) if tape.root is not None else -1,
        "ops": list(ops),
        "stacks": recorder.positions.stacks,
        "names": names,
        "params": params,
        "moments": moments,
        "update_scalars": [
            [kept[min(at, len(kept) - 1)], number(sites[site].position), name, x] for at, site, name, x in tape.scalars
        ],
        "loops": recorder.sources.loops,
        "files": recorder.sources.paths,
        "settings": {
            name: x
            for name, x in recorder.module.items()
            if type(x) in (int, float, str, bool) and not name.startswith("_")
        },
        "positions": recorder.positions.table,
    }


def _rows(value: Any, row_of: dict[int, int]) -> tuple[list[int], list[int] | None]:
    """Shape and rows of what a name held; no rows if it holds anything but scalars of the tape."""
    if not isinstance(value, list):
        row = row_of.get(id(value))
        return [], None if row is None else [row]
    if value and not isinstance(value[0], list):
        found = [row_of.get(id(each)) for each in value]
        if None in found:
            return [], None
        return [len(found)], found  # type: ignore[return-value]
    shape: list[int] | None = None
    out: list[int] = []
    for each in value:
        inner, found_ = _rows(each, row_of)
        if found_ is None or (shape is not None and inner != shape):
            return [], None
        shape = inner
        out += found_
    return [len(value), *(shape or [])], out
