"""`microgpt-tui what-if`: a run beside the same run with something changed in it."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from engine.errors import ConfigError, EngineError, NumericFault
from engine.model.config import Config
from engine.text import quoted
from microgpt_tui.cli._exit import Failure, print_notice, print_result
from microgpt_tui.cli._json import json_text
from microgpt_tui.cli._options import check_targets, examples, file_option, json_option, run_options, until_option
from microgpt_tui.cli._progress import Waiting
from microgpt_tui.cli._session import check_until, open_session, read_docs
from microgpt_tui.drawing.terminal_text import printable
from microgpt_tui.texts.say import say

if TYPE_CHECKING:
    from engine.run.session import Session

CHANGES = say("cli.panel.changes")
MAX_MOVED = 10  # probabilities that are shown
SAMPLES = 5  # of each run
MAX_LINES = 12  # steps that are shown without --json


@click.command(
    "what-if",
    help=say("cli.what_if.help"),
    epilog=examples(
        "microgpt-tui what-if --edit 'layer0.attn_wq[3,5]=0' --ablate layer0.head2 --until 200 --json",
        "microgpt-tui what-if --ablate 'layer0.mlp@step=100 = mean:20' --until 200",
        "microgpt-tui what-if --n-layer 4 --ablate residual --until 200",
        "microgpt-tui what-if --edit 'q[0, 3]@pos=2,step=5 = 0.1' --edit 'learning_rate@step=50 = 0.02' --until 100",
    ),
)
@until_option(say("cli.what_if.until"), required=True)
@click.option("--edit", "edits", multiple=True, metavar="CHANGE", help=say("cli.what_if.edit"), panel=CHANGES)
@click.option("--ablate", "ablated", multiple=True, metavar="PART", help=say("cli.what_if.ablate"), panel=CHANGES)
@json_option(say("cli.what_if.json"))
@file_option("--save", say("cli.what_if.save"))
@run_options
def what_if(
    config: Config, until: int, edits: tuple[str, ...], ablated: tuple[str, ...], as_json: bool, save: Path | None,
    data: Path | None, split: str,
) -> None:  # fmt: skip
    """`microgpt-tui what-if`; its help is the text cli.what_if.help."""
    check_until(until, config)
    if not edits and not ablated:
        raise ConfigError(say("cli.what_if.nothing_changed"))
    check_targets({"--data": data}, {"--save": save}, replaced={"--save"})
    docs = read_docs(data, split)
    changes = _read(config, docs, edits, ablated, until)
    session = open_session(config, docs)
    branch = session.branch(changes)
    _train(session, until, say("cli.what_if.training_original"), say("cli.what_if.original_run"))
    branch = session.branch(changes)  # from a keyframe on, now that there are some
    _train(branch, until, say("cli.what_if.training_changed_run"), say("cli.what_if.changed_run"))
    if save is not None:
        from engine.checkpoint.checkpoint import snapshot, write
        from engine.model.dataset import kept_path
        from engine.run.branches import Branch, usual_name

        branches = (Branch(usual_name(1), branch.changes, branch.moment),)
        write(snapshot(session, kept_path(data), branches, split=split), save)
    for change in _without_effect(session, changes):
        print_notice(
            say("cli.what_if.no_effect", part=change.part, step=change.step, until=until, number=change.number)
        )
    compared = _compared(session, branch)
    if as_json:
        click.echo(json_text(compared))
    else:
        _print(compared)


def _read(config: Config, docs: list[str], edits: tuple[str, ...], ablated: tuple[str, ...], until: int) -> list[Any]:
    from engine.errors import ChangeError
    from engine.expressions.scope import Scope
    from engine.interventions.syntax import Ablation, parse
    from engine.model.tokenizer import Tokenizer

    scope, changes = Scope(config, Tokenizer(docs)), []
    for flag, texts in (("--edit", edits), ("--ablate", ablated)):
        for text in texts:
            try:
                change = parse(text, scope)
            except ChangeError as error:
                raise Failure(f"{flag}: {error}") from error
            if isinstance(change, Ablation) != (flag == "--ablate"):
                other = "--edit" if flag == "--ablate" else "--ablate"
                raise Failure(say("cli.what_if.other_option", flag=flag, text=text, other=other))
            # What only the update reads has an effect from the step's end on.
            of_update = change.text.partition("@")[0] in ("learning_rate", "beta1", "beta2", "bias_correction")
            if change.step + of_update > until:
                raise Failure(say("cli.what_if.too_late", flag=flag, text=text, until=until))
            changes.append(change)
    return changes


def _train(session: Session, until: int, doing: str, run: str) -> None:
    from engine.timeline.events import Moment, Phase

    try:
        with Waiting(doing, total=until) as waiting:
            session.run(until, lambda step, loss: waiting.update(step + 1, say("cli.session.loss", loss=loss)))
            session.seek(Moment(until, Phase.FORWARD, session.program.ticks(Phase.FORWARD)))
    except NumericFault as fault:
        raise Failure(f"{run}: {fault}") from fault


def _without_effect(session: Session, changes: list[Any]) -> list[Any]:
    """The ablations of a position that no trained document has."""
    from engine.interventions.syntax import Ablation

    def longest(first: int) -> int:
        return max(len(session.docs[step % len(session.docs)]) for step in range(first, session.step + 1))

    return [
        change
        for change in changes
        if isinstance(change, Ablation) and change.kind == "pos" and (change.number or 0) > longest(change.step)
    ]


def _compared(session: Session, branch: Session) -> dict[str, Any]:
    from engine.timeline.comparison import first_difference, shifts

    name = session.tokenizer.name
    moved = [shift for shift in shifts(session.view(), branch.view(), MAX_MOVED) if shift.difference != 0]
    return {
        "changes": [change.text for change in branch.changes],
        "until": session.step,
        "first_difference": first_difference(session.losses, branch.losses),
        "original": _run(session),
        "changed": _run(branch),
        "doc": session.program.doc,
        "moved": [
            {
                "pos": shift.pos,
                "token": name(shift.token_id),
                "original": shift.before,
                "changed": shift.after,
                "difference": shift.difference,
            }
            for shift in moved
        ],
    }


def _run(session: Session) -> dict[str, Any]:
    import hashlib

    try:
        samples = session.sample(SAMPLES, generator=random.Random(session.config.seed))
    except EngineError:  # no probabilities to draw from
        samples = None
    parts = [array for named in (session.params, session.m, session.v) for array in named.values()]
    return {
        "losses": session.losses[: session.step],
        "sha256": hashlib.sha256(b"".join(part.astype("<f8").tobytes() for part in parts)).hexdigest(),
        "samples": samples,
    }


def pad_left(text: str, width: int) -> str:
    """A text at the right end of as many cells."""
    from rich.cells import cell_len

    return " " * (width - cell_len(text)) + text


def _print(compared: dict[str, Any]) -> None:
    from microgpt_tui.drawing.numbers import number, percent, points

    original, changed, until = compared["original"], compared["changed"], compared["until"]
    for text in compared["changes"]:
        print_result(say("cli.what_if.changed", text=text))
    columns = {"step": 6, "original": 10, "changed": 10, "difference": 11}
    print_result("  ".join(pad_left(say(f"cli.what_if.column.{name}"), width) for name, width in columns.items()))
    for i in sorted({round(k * (until - 1) / (MAX_LINES - 1)) for k in range(MAX_LINES)}):
        a, b = original["losses"][i], changed["losses"][i]
        print_result(f"{i:6d}  {a:10.4f}  {b:10.4f}  {number(b - a):>11}")
    if until > MAX_LINES:
        print_result(say("cli.what_if.some_steps", max_lines=MAX_LINES, until=until))
    first = compared["first_difference"]
    print_result(
        say("cli.what_if.no_loss_differs") if first is None else say("cli.what_if.first_difference", first=first)
    )
    doc, moved = quoted(compared["doc"]), compared["moved"]
    print_result(say("cli.what_if.moved", doc=doc) if moved else say("cli.what_if.not_moved", doc=doc))
    for shift in moved:
        a, b, token = shift["original"], shift["changed"], printable(shift["token"])
        print_result(
            say(
                "cli.what_if.moved_row",
                pos=shift["pos"],
                token=pad_left(token, 4),
                before=percent(a),
                after=percent(b),
                difference=points(b - a),
            )
        )
    for name, run in (("original", original), ("changed", changed)):
        samples = ", ".join(run["samples"] or [say("cli.what_if.no_samples")])
        print_result(say(f"cli.what_if.samples.{name}", samples=samples))
