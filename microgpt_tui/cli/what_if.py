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
from microgpt_tui.cli._options import (
    OUTPUT,
    check_targets,
    data_option,
    examples,
    file_option,
    hyperparameters,
    split_option,
)
from microgpt_tui.cli._progress import Waiting
from microgpt_tui.cli._session import check_until, open_session, read_docs
from microgpt_tui.drawing.terminal_text import printable

if TYPE_CHECKING:
    from engine.run.session import Session

CHANGES = "Changes"
MAX_MOVED = 10  # probabilities that are shown
SAMPLES = 5  # of each run
MAX_LINES = 12  # steps that are shown without --json


@click.command(
    "what-if",
    epilog=examples(
        "microgpt-tui what-if --edit 'layer0.attn_wq[3,5]=0' --ablate layer0.head2 --until 200 --json",
        "microgpt-tui what-if --ablate 'layer0.mlp@step=100 = mean:20' --until 200",
        "microgpt-tui what-if --edit 'q[0, 3]@pos=2,step=5 = 0.1' --edit 'learning_rate@step=50 = 0.02' --until 100",
    ),
)
@click.option(
    "--until",
    type=click.IntRange(min=1),
    required=True,
    metavar="N",
    help="How many steps both runs train; then they are compared in the forward phase of step N.",
    panel="Training",
)
@click.option(
    "--edit",
    "edits",
    multiple=True,
    metavar="CHANGE",
    help="Set a parameter, a row or all of a matrix as a step begins (layer0.attn_wq[3,5]=0, wte[2]@step=9 = 0), a "
    "scalar or all of a tensor when it is made (q[0, 3]@pos=2,step=5 = 0.1, scalar[21376]@step=5 = 1), or "
    "learning_rate, beta1, beta2 or temperature from a step on. Without @step it is "
    "step 0. Can be given several times.",
    panel=CHANGES,
)
@click.option(
    "--ablate",
    "ablated",
    multiple=True,
    metavar="PART",
    help="Switch off layer0.head2, layer0.mlp or layer0.pos3 (the key and the value of position 3), to 0 or, with "
    "= mean:20, to its mean over the next 20 documents; from step 0 or, with @step=100, from there on. "
    "Can be given several times.",
    panel=CHANGES,
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object, with every bit of every number.", panel=OUTPUT)
@file_option("--save", "Where to leave the original run with the changed one as its branch: a file for open.")
@data_option
@split_option
@hyperparameters
def what_if(
    config: Config, until: int, edits: tuple[str, ...], ablated: tuple[str, ...], as_json: bool, save: Path | None,
    data: Path | None, split: str,
) -> None:  # fmt: skip
    """Train a run and the same run with something changed in it, and say how they differ. Steps count from 0.

    What is set keeps the slopes that it was made with, as a Value whose data is written to. What is switched off is a
    plain number through which no gradient flows. Up to the first change both runs are the same, bit for bit.

    JSON fields: changes, until, first_difference (the first step whose losses differ, or null); original and changed,
    each with losses (one a step), sha256 (of all parameters, then m, then v, as little-endian doubles) and samples
    (both drawn with the same seed; null where none can be drawn); doc and moved, the probabilities of the next token
    that differ most in it: pos, token, original, changed, difference. Numbers that JSON does not have are the strings
    "nan", "inf" and "-inf".
    """
    check_until(until, config)
    if not edits and not ablated:
        raise ConfigError("nothing is changed; add --edit 'wte[0, 0] = 1' or --ablate layer0.head0")
    check_targets({"--data": data}, {"--save": save}, replaced={"--save"})
    docs = read_docs(data, split)
    changes = _read(config, docs, edits, ablated, until)
    session = open_session(config, docs)
    branch = session.branch(changes)
    _train(session, until, "Training the original", "the original run")
    branch = session.branch(changes)  # from a keyframe on, now that there are some
    _train(branch, until, "Training the changed run", "the changed run")
    if save is not None:
        from engine.checkpoint.checkpoint import snapshot, write
        from engine.model.dataset import kept_path
        from engine.run.branches import Branch

        branches = (Branch("branch 1", branch.changes, branch.moment),)
        write(snapshot(session, kept_path(data), branches, split=split), save)
    for change in _without_effect(session, changes):
        lacking = f"no document from step {change.step} to {until} has a position {change.number}"
        print_notice(f"{change.part} was switched off in no training step: {lacking}")
    compared = _compared(session, branch)
    if as_json:
        click.echo(json_text(compared))
    else:
        _print(compared)


def _read(config: Config, docs: list[str], edits: tuple[str, ...], ablated: tuple[str, ...], until: int) -> list[Any]:
    from engine.errors import ChangeError
    from engine.expressions.scope import Scope
    from engine.interventions.syntax import Ablation, SetHyperparameter, parse
    from engine.model.tokenizer import Tokenizer

    scope, changes = Scope(config, Tokenizer(docs)), []
    for flag, texts in (("--edit", edits), ("--ablate", ablated)):
        for text in texts:
            try:
                change = parse(text, scope)
            except ChangeError as error:
                raise Failure(f"{flag}: {error}") from error
            if isinstance(change, Ablation) != (flag == "--ablate"):
                raise Failure(f"{flag}: {text} belongs to {'--edit' if flag == '--ablate' else '--ablate'}")
            # A hyperparameter of training has an effect from the step's update on.
            training = isinstance(change, SetHyperparameter) and change.name != "temperature"
            if change.step + training > until:
                raise Failure(
                    f"{flag}: {text} would change nothing before the comparison in the forward phase of step {until}; "
                    "raise --until, or give an earlier step"
                )
            changes.append(change)
    return changes


def _train(session: Session, until: int, doing: str, run: str) -> None:
    from engine.timeline.events import Moment, Phase

    try:
        with Waiting(doing, total=until) as waiting:
            session.run(until, lambda step, loss: waiting.update(step + 1, f"loss {loss:.4f}"))
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


def _print(compared: dict[str, Any]) -> None:
    from microgpt_tui.drawing.numbers import number, percent, points

    original, changed, until = compared["original"], compared["changed"], compared["until"]
    for text in compared["changes"]:
        print_result(f"changed: {text}")
    print_result(f"{'step':>6}  {'original':>10}  {'changed':>10}  {'difference':>11}")
    for i in sorted({round(k * (until - 1) / (MAX_LINES - 1)) for k in range(MAX_LINES)}):
        a, b = original["losses"][i], changed["losses"][i]
        print_result(f"{i:6d}  {a:10.4f}  {b:10.4f}  {number(b - a):>11}")
    if until > MAX_LINES:
        print_result(f"({MAX_LINES} of {until} steps; --json tells all)")
    first = compared["first_difference"]
    print_result("no loss differs" if first is None else f"the first loss that differs is that of step {first}")
    doc, moved = quoted(compared["doc"]), compared["moved"]
    print_result(f"probabilities that moved most in {doc}:" if moved else f"no probability differs in {doc}")
    for shift in moved:
        a, b, token = shift["original"], shift["changed"], printable(shift["token"])
        print_result(f"  position {shift['pos']:2d}  {token:>4}  {percent(a):>7} -> {percent(b):>7}  {points(b - a)}")
    for name, run in (("original", original), ("changed", changed)):
        print_result(f"{name} samples: {', '.join(run['samples'] or ['none can be drawn'])}")
