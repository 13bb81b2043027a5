"""The answers of `microgpt-tui why`, as text and as facts for JSON."""

from __future__ import annotations

from typing import Any

import numpy as np
from rich.cells import cell_len, set_cell_size

from engine.errors import ExpressionError, WhyError
from engine.explain.gradient_paths import GradientPaths, waypoints
from engine.explain.logit_attribution import Attributor
from engine.explain.update_attribution import attribute_update
from engine.expressions.scope import Scope
from engine.expressions.watch import Watch, describe_scalar
from engine.immutable import immutable
from engine.text import quoted, split, token_id
from engine.timeline.view import GradientState, View
from microgpt_tui.drawing.numbers import number, share
from microgpt_tui.drawing.terminal_text import printable
from microgpt_tui.texts.say import say

Cells = list[str]


@immutable
class Answer:
    """`text` for a person, and `facts` with all bits of every number."""

    text: str
    facts: dict[str, Any]


def of_scalar(view: View, name: str, count: int) -> Answer:
    """The strongest chains of a scalar. Raises WhyError, ExpressionError."""
    row = row_of(view, name)
    explain, gradient = view.explainer(), float(view.grad(np.array([row])).values[0])
    found = GradientPaths(view).strongest(row, count)
    lines = [f"{_about(view, describe_scalar(view, row))}: dL/d = {number(gradient)}", ""]
    chains: list[dict[str, Any]] = []
    for i, chain in enumerate(found):
        ways = waypoints(explain, chain)
        lines.append(
            say(
                "cli.why_report.chain", i=i, product=number(chain.product), share=share(chain.product, gradient)
            ).rstrip()
        )
        lines += [f"  × {number(way.local):<9} d {describe_scalar(view, way.row)}" for way in ways]
        links = [{"scalar": describe_scalar(view, link.row), "local": link.local} for link in chain.edges]
        chains.append({"product": chain.product, "links": links})
    if view.gradient_state(row) is GradientState.INDEPENDENT:
        lines.append(say("cli.why_report.independent"))
    elif not found:
        lines.append(say("cli.why_report.no_chain"))
    return Answer(
        "\n".join(lines),
        {"scalar": describe_scalar(view, row), **_step(view), "gradient": gradient, "chains": chains},
    )


def of_parameter(view: View, name: str) -> Answer:
    """What each position contributed to a gradient, and Adam's step. Raises WhyError, ExpressionError."""
    row = row_of(view, name)
    if row >= view.program.n_params:
        raise WhyError(say("cli.why_report.no_parameter", name=name))
    found, tokens = attribute_update(view, row), view.program.tokenizer
    columns = ("position", "reads", "target", "pushed", "share", "by_way")
    table: list[Cells] = [[say(f"cli.why_report.column.{name}") for name in columns]]
    facts = []
    for part in found.contributions:
        reads, target = (tokens.name(ids[part.pos]) for ids in (view.program.inputs, view.program.targets))
        product, by = part.term.product, describe_scalar(view, part.term.user)
        table.append([str(part.pos), reads, target, number(product), share(product, found.gradient), by])
        facts.append({"pos": part.pos, "reads": reads, "target": target, "product": product, "user": by,
                      "local": part.term.local, "grad": part.term.grad})  # fmt: skip
    table.append([say("cli.why_report.rounding"), "", "", number(found.rounding)])
    table.append([say("cli.why_report.gradient"), "", "", number(found.gradient)])
    lines = [_about(view, describe_scalar(view, row)), "", *_aligned(table)]
    if view.gradient_state(row) is GradientState.INDEPENDENT:
        lines.append(say("cli.why_report.no_gradient"))
    answer: dict[str, Any] = {"parameter": describe_scalar(view, row), **_step(view), "gradient": found.gradient,
                              "rounding": found.rounding, "pushes": facts}  # fmt: skip
    if found.step is not None:
        step, adam = found.step, found.step.adam
        lines += [
            "",
            say("cli.why_report.m", m=number(adam.m), kept=number(step.kept), fresh=number(step.fresh)),
            say("cli.why_report.moved", by=number(-adam.delta))
            if adam.unmoved is None
            else say("cli.why_report.unmoved", unmoved=adam.unmoved),
            f"  {number(-step.by_momentum):<9} {share(step.by_momentum, adam.delta):<8} "
            f"{say('cli.why_report.momentum')}",
            f"  {number(-step.by_document):<9} {share(step.by_document, adam.delta):<8} "
            f"{say('cli.why_report.document')}",
            f"{number(adam.p_before)} → {number(adam.p)}",
        ]
        names = ("m", "delta", "p_before", "p")
        answer |= {name: getattr(adam, name) for name in names}
        names = ("kept", "fresh", "by_momentum", "by_document")
        answer |= {name: getattr(step, name) for name in names}
    return Answer("\n".join(lines), answer)


def of_prediction(view: View, pos: int, logit: str | None, rival: str | None) -> Answer:
    """What contributed to a logit, and to a rival's. Raises WhyError."""
    attributor = Attributor(view, pos)
    tokens = view.program.tokenizer
    token = attributor.target if logit is None else _token(view, logit)
    other = attributor.rival(token) if rival is None else _token(view, rival)
    mine, its = attributor.logit(token), attributor.logit(other)
    names = [tokens.name(token), tokens.name(other)]
    table: list[Cells] = [[say("cli.why_report.column.part"), *names, f"{names[0]} − {names[1]}"]]
    rows = [(part.label, a, b) for part, a, b in zip(attributor.parts, mine.values, its.values, strict=True)]
    rows.sort(key=lambda row: -abs(row[1] - row[2]))
    rows.append((say("cli.why_report.rounding"), mine.rounding, its.rounding))
    rows.append((say("cli.why_report.logit"), mine.logit, its.logit))
    table += [[label, number(a), number(b), number(a - b)] for label, a, b in rows]
    reads, target = (tokens.name(ids[pos]) for ids in (view.program.inputs, view.program.targets))
    head = say(
        "cli.why_report.prediction",
        pos=pos,
        step=view.moment.step,
        doc=quoted(view.program.doc),
        reads=reads,
        target=target,
    )
    parts = [{"part": label, "logit": a, "rival": b} for label, a, b in rows[:-2]]
    facts = {**_step(view), "pos": pos, "reads": reads, "target": target, "token": names[0], "rival": names[1],
             "parts": parts, "rounding": {"logit": mine.rounding, "rival": its.rounding},
             "logit": mine.logit, "rival_logit": its.logit}  # fmt: skip
    return Answer("\n".join([head, "", *_aligned(table)]), facts)


def row_of(view: View, name: str) -> int:
    """The row of a scalar by its name. Raises WhyError."""
    try:
        row = Watch(name, Scope.of(view)).row(view)
    except ExpressionError as error:
        raise WhyError(error.reason) from None
    if row is None:
        raise WhyError(
            say(
                "cli.why_report.no_scalar",
                name=name,
                step=view.moment.step,
                doc=quoted(view.program.doc),
                last=view.program.n - 1,
            )
        )
    return row


def _token(view: View, text: str) -> int:
    ids = Scope.of(view).token_ids
    token = token_id(text, ids)
    if token is None:
        several = split(text, ids) or say("cli.why_report.no_token", text=text)
        raise WhyError(say("cli.why_report.write_token", several=several))
    return token


def _about(view: View, what: str) -> str:
    return say("cli.why_report.about", what=what, step=view.moment.step, doc=quoted(view.program.doc))


def _step(view: View) -> dict[str, Any]:
    return {"step": view.moment.step, "doc": view.program.doc}


def _aligned(table: list[Cells]) -> list[str]:
    """The rows of a table with aligned columns."""
    table = [[printable(cell) for cell in row] for row in table]
    widths = [max(cell_len(row[i]) for row in table if i < len(row)) for i in range(max(map(len, table)))]
    return ["  ".join(map(set_cell_size, row, widths)).rstrip() for row in table]
