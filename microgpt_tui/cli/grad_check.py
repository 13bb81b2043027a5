"""`microgpt-tui grad-check`: gradients beside central finite differences, for one scalar or for a whole matrix."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from engine.errors import ConfigError, ExpressionError
from engine.model.config import Config
from engine.text import quoted
from microgpt_tui.cli._exit import Failure, print_result
from microgpt_tui.cli._json import json_text
from microgpt_tui.cli._options import DATA, examples, json_option, run_options, step_option
from microgpt_tui.cli._progress import Waiting
from microgpt_tui.cli._session import check_step, session_at
from microgpt_tui.texts.say import say

if TYPE_CHECKING:
    from engine.run.gradcheck import CheckedGradient, GradientChecker, Summary


@click.command(
    name="grad-check",
    help=say("cli.grad_check.help"),
    epilog=examples(
        'microgpt-tui grad-check --param "layer0.attn_wq[3, 5]"',
        "microgpt-tui grad-check --step 100 --matrix wte",
        'microgpt-tui grad-check --scalar "q[0, 3]@pos=2" --h 1e-4',
        "microgpt-tui grad-check --matrix wpe --json | jq -c '[.name, .gradient, .finite_difference]'",
    ),
)
@step_option(say("cli.grad_check.step"))
@click.option("--param", metavar="NAME[I, J]", help=say("cli.grad_check.param"), panel=DATA)
@click.option("--matrix", metavar="NAME", help=say("cli.grad_check.matrix"), panel=DATA)
@click.option("--scalar", metavar="NAME[...]@pos=N", help=say("cli.grad_check.scalar"), panel=DATA)
@click.option("--h", type=float, help=say("cli.grad_check.h"), panel=DATA)
@json_option(say("cli.grad_check.json"))
@run_options
def grad_check(
    config: Config,
    step: int,
    param: str | None,
    matrix: str | None,
    scalar: str | None,
    h: float | None,
    as_json: bool,
    data: Path | None,
    split: str,
) -> None:
    """`microgpt-tui grad-check`; its help is the text cli.grad_check.help."""
    check_step(step, config)
    if (param is not None) + (matrix is not None) + (scalar is not None) != 1:
        raise ConfigError(say("cli.grad_check.one_of"))
    from engine.run.gradcheck import GradientChecker

    checker = GradientChecker(session_at(config, data, split, step), step)
    if matrix is not None:
        _check_matrix(checker, matrix, h, as_json)
        return
    text, flag = (param, "--param") if param is not None else (scalar, "--scalar")
    try:
        row = checker.row(text or "")
    except ExpressionError as error:
        raise Failure(f"{flag}: {error.reason}") from error
    if flag == "--param" and row >= checker.recording.n_params:
        raise Failure(say("cli.grad_check.no_parameter", text=text))
    check = checker.check(row, h)
    if as_json:
        sys.stdout.write(_json(check))
    else:
        print_result(_text(checker, check))


def _check_matrix(checker: GradientChecker, matrix: str, h: float | None, as_json: bool) -> None:
    from engine.run.gradcheck import Summary

    rows, summary = checker.matrix(matrix).ravel(), Summary()
    with Waiting(say("cli.grad_check.checking", matrix=matrix), total=float(len(rows)), stream=sys.stderr) as waiting:
        for check in (checker.check(int(row), h) for row in rows):
            summary = summary.adding(check)
            waiting.update(summary.count, say("cli.session.done_of", done=summary.count, of=len(rows)))
            if as_json:
                sys.stdout.write(_json(check))
    if not as_json:
        print_result(_summary_text(checker, matrix, summary))


def _json(check: CheckedGradient) -> str:
    derived = {"difference": check.difference, "relative": check.relative}
    return json_text({key: value for key, value in (asdict(check) | derived).items() if key != "row"}) + "\n"


def _text(checker: GradientChecker, check: CheckedGradient) -> str:
    from rich.cells import cell_len, set_cell_size

    named = {
        say("cli.grad_check.label.value"): check.value,
        "h": check.h,
        say("cli.grad_check.label.loss_plus"): check.loss_plus,
        say("cli.grad_check.label.loss_minus"): check.loss_minus,
        say("cli.grad_check.label.finite_difference"): check.finite_difference,
        say("cli.grad_check.label.gradient"): check.gradient,
        say("cli.grad_check.label.difference"): check.difference,
        say("cli.grad_check.label.relative"): check.relative,
    }
    width = max(map(cell_len, named)) + 1
    lines = [
        say("cli.grad_check.title", name=check.name, doc=quoted(checker.program.doc), step=checker.program.step),
        *(set_cell_size(label, width) + repr(number) for label, number in named.items()),
    ]
    if check.kinks:
        lines.append(say("cli.grad_check.kinks", kinks=", ".join(check.kinks)))
    if check.unmoved:
        lines.append(say("cli.grad_check.h_too_small"))
    return "\n".join(lines)


def _summary_text(checker: GradientChecker, matrix: str, summary: Summary) -> str:
    """The check with the largest difference, and how many relative differences there are of each size."""
    from rich.cells import cell_len, set_cell_size

    assert summary.largest is not None
    rows = [(say("cli.grad_check.label.relative"), say("cli.grad_check.how_many"))]
    if summary.equal:
        rows.append(("0", f"{summary.equal:,}"))
    for decade in range(min(summary.decades, default=0), max(summary.decades, default=-1) + 1):
        size = say("cli.grad_check.decade", decade=decade, next_decade=decade + 1)
        rows.append((size, f"{summary.decades.get(decade, 0):,}"))
    if summary.unknown:
        rows.append(("nan", f"{summary.unknown:,}"))
    width = max(cell_len(size) for size, _ in rows) + 3
    largest = _text(checker, summary.largest)
    lines = [say("cli.grad_check.matrix_title", matrix=matrix, count=summary.count, largest=largest), ""]
    lines += [set_cell_size(size, width) + count for size, count in rows]
    if summary.kinked:
        lines.append(say("cli.grad_check.kinked", kinked=summary.kinked))
    return "\n".join(lines)
