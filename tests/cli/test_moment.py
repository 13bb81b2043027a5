"""The debugger opened at a moment and in a branch, from the command line and by what viewers are given."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine import Address, Config, Moment, Phase, Scope, Session, load_docs
from engine.interventions.syntax import parse
from engine.model.dataset import bundled_path
from engine.model.tokenizer import Tokenizer
from microgpt_tui.app import MicrogptApp
from microgpt_tui.audience.moment_command import opening_arguments, written_command
from microgpt_tui.storage.startup import Start, at_moment, with_changes
from tests.support.commands import error_of, invoke
from tests.support.harness import DOCS, SMALL, until

CHANGES = ("residual", "learning_rate@step=2 = 0.5", "wte[0, 1]@step=1 = 0.25", "layer0.head1@step=2 = mean:3")


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Start]:
    """What the debugger would open."""
    found: list[Start] = []
    monkeypatch.setattr("microgpt_tui.cli.main.open_debugger", lambda start, **_: found.append(start))
    return found


@pytest.mark.parametrize("texts", [(), CHANGES])
@pytest.mark.parametrize("text", ["step 3 forward", "step 2 backward q@pos=1,layer=0 scalar 2", "step 0 update wpe"])
@pytest.mark.parametrize(
    ("config", "data", "split"),
    [
        (Config(), None, "syllables"),
        (Config(n_embd=8, n_head=2, learning_rate=0.005, val_fraction=0.25), "ko", "jamo"),
        (replace(SMALL, block_size=6), "my names.txt", "syllables"),
    ],
)
def test_the_arguments_open_the_same_again(
    config: Config, data: str | None, split: str, text: str, texts: tuple[str, ...], opened: list[Start], tmp_path: Path
) -> None:
    file = None if data is None else bundled_path(data) if data == "ko" else tmp_path / data
    if file is not None and data != "ko":
        file.write_text("\n".join(DOCS), encoding="utf-8")
    docs = load_docs(file, split)
    scope = Scope(config, Tokenizer(docs))
    address, changes = Address.parse(text, scope), tuple(parse(each, scope) for each in texts)
    arguments = opening_arguments(config, file, split, address, changes)
    assert invoke(*arguments).exit_code == 0
    assert opened == [
        Start(
            config, docs, None if file is None or data == "ko" else str(file), address.step, split=split,
            address=address, changes=changes,
        )
    ]  # fmt: skip
    assert str(tmp_path) not in written_command(arguments, file)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--moment", "3 forward nothing"), "no event is called 'nothing'"),
        (("--moment", "3 sideways"), "sideways"),
        (("--moment", "3", "--step", "2"), "--step does not go with --moment"),
        (("--resume", "--moment", "3"), "--moment does not go with --resume"),
        (("--resume", "--what-if", "residual"), "--what-if does not go with --resume"),
        (("--what-if", "nothing"), "nothing"),
    ],
)
def test_what_cannot_be_opened_is_a_sentence(arguments: tuple[str, ...], says: str, opened: list[Start]) -> None:
    assert says in error_of(invoke(*arguments))
    assert not opened


@pytest.mark.parametrize("texts", [(), ("residual",)])
async def test_the_debugger_stands_at_the_moment(texts: tuple[str, ...]) -> None:
    start = with_changes(at_moment(Start(SMALL, DOCS), "2 backward q@pos=1,layer=0 scalar 2"), texts)
    app = MicrogptApp(start)
    expected = Session(SMALL, DOCS).branch(start.changes)
    expected.seek(Moment(2))
    assert start.address is not None
    expected.seek(start.address.moment(expected.program))
    assert expected.moment.phase is Phase.BACKWARD
    async with app.run_test(size=(120, 36)) as pilot:

        def there() -> Any:
            shown = app.debugger
            return shown is not None and not shown.busy and len(shown.what_if.changes) == len(texts)

        await until(pilot, there)
        assert app.debugger is not None
        shown = app.debugger.session
        assert (shown.moment, shown.changes) == (expected.moment, start.changes)
        assert shown.view().loss == expected.view().loss


async def test_an_event_that_the_document_does_not_have_is_told() -> None:
    app = MicrogptApp(at_moment(Start(SMALL, ["a", "b"]), "0 forward q@pos=3,layer=0"))
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: app.return_value is not None)
    assert "position" in str(app.return_value)
