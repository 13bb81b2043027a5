"""The statements of microgpt.py by name: each stands somewhere in this program, and in copies with other names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from engine import Config, ScriptError, load_docs
from engine.model.dataset import bundled_path
from engine.script.process import ScriptProcess
from engine.script.source_file import ScriptFile
from engine.script.source_table import OwnLines, match
from engine.script.statements import Pattern, Statement, statements
from engine.timeline.explainer import CodeText
from microgpt_tui.lectures.outline import CodeFinder, named_statements, outline, read_statements

STAND_IN = Path(__file__).parents[1] / "script" / "stand_in.py"
ENGINE = CodeFinder()


@pytest.fixture(scope="module")
def renamed(tmp_path_factory: pytest.TempPathFactory) -> CodeFinder:
    """Finds statements in a copy that calls everything otherwise."""
    folder = tmp_path_factory.mktemp("renamed")
    (folder / "input.txt").write_bytes(bundled_path().read_bytes())
    copy = folder / "copy.py"
    copy.write_bytes(STAND_IN.read_bytes())
    with ScriptProcess(copy) as process:
        tape = process.record(0)
    table = match(tape, Config(n_embd=4, n_head=2, block_size=5, num_steps=6), load_docs(), ScriptFile.read(STAND_IN))
    return CodeFinder(OwnLines(table, STAND_IN, CodeText(STAND_IN.read_text(encoding="utf-8"))))


def code(finder: CodeFinder, *patterns: str) -> list[str]:
    """The lines that patterns name, without what is around them."""
    blocks = finder.lines(map(Pattern.parse, patterns))
    return [block.code.text.split("\n")[line - 1].strip() for block in blocks for line in block.lines]


def test_each_statement_stands_somewhere_in_this_program() -> None:
    missing = [
        (named.statement.text, counterpart.written)
        for named in outline()
        for path, counterpart in named.counterparts
        if not counterpart.find(read_statements(path)[1])
    ]
    assert missing == []
    assert [named.statement.text for named in outline() if not named.counterparts] == []


def test_each_statement_is_named_by_its_own_pattern_alone() -> None:
    seen: dict[tuple[str, str], int] = {}
    for named in outline():
        key = named.statement.scope, named.statement.text
        seen[key] = seen.get(key, 0) + 1
        pattern = Pattern("", *key, seen[key])
        alike = pattern.find([each for each in named_statements() if (each.scope, each.text) == key])
        assert alike == [named.statement]


def test_without_a_copy_the_engines_lines_are_shown() -> None:
    (block,) = ENGINE.lines([Pattern.parse("gpt: attn_weights = softmax(...)")])
    assert block.label == "engine/model/gpt.py"
    assert [block.code.text.split("\n")[line - 1].strip() for line in block.lines] == [
        'attn_weights = name("attn_weights", softmax(attn_logits), li, h)'
    ]
    assert code(ENGINE, "m_hat = ...", "gpt: x = rmsnorm(...) #2") == [
        "m_hat = m / fix1", 'x = name("attn_norm", rmsnorm(x), li)',
    ]  # fmt: skip


def test_the_lines_in_place_of_a_statement_are_of_what_it_does() -> None:
    assert code(ENGINE, "n_layer = ...", "num_steps = ...") == ["n_layer: int = 1", "num_steps: int = 1000"]
    written = (f"{each.scope}: {each.written}" if each.scope else each.written for each in named_statements())
    every = code(ENGINE, *written)
    assert len(every) > 100
    assert not [line for line in every if re.search(r"\bsay\(|# *(type|noqa)\b", line)]  # texts, words to tools


def test_what_a_copy_calls_otherwise_is_found_by_the_tensor_that_it_makes(renamed: CodeFinder) -> None:
    assert code(renamed, "gpt: attn_weights = softmax(...)") == ["weigh = shares(fits)  # attn_weights"]
    assert code(renamed, "gpt: x = rmsnorm(...) #3") == ["x = normal(x)  # mlp_norm"]
    assert code(renamed, "loss_t = ...") == ["cost = -chances[ids[place + 1]].log()  # loss_t"]


def test_what_a_copy_calls_the_same_is_found_by_its_text(renamed: CodeFinder) -> None:
    assert code(renamed, "loss.backward()", "temperature = ...") == ["temperature = 0.5", "loss.backward()"]


def test_a_page_of_which_a_copy_has_nothing_shows_the_engines_lines(renamed: CodeFinder) -> None:
    assert code(renamed, "p.data -= ...") == code(ENGINE, "p.data -= ...") != []


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("gpt: attn_weihgts = softmax(...)", "did you mean attn_weights = softmax(...)?"),
        ("gtp: x = 3", "has no function 'gtp'; there are gpt"),
        ("gpt: x = rmsnorm(...) #4", "there are 3 such"),
        ("zzzzzz", "outline.txt of the lectures has all"),
    ],
)
def test_a_pattern_that_names_nothing_is_told_with_what_could_be_meant(pattern: str, says: str) -> None:
    with pytest.raises(ScriptError) as error:
        ENGINE.check(Pattern.parse(pattern))
    assert says in str(error.value)


def test_the_outline_has_the_statements_of_the_file_one_for_one() -> None:
    text = Path(__file__).with_name("same_shape.py").read_text(encoding="utf-8")
    found = statements(text)
    pairs = zip(found, outline(), strict=True)
    assert [each for each, named in pairs if not fits(each, named.statement)] == []


def fits(statement: Statement, named: Statement) -> bool:
    return Pattern(named.written, named.scope, named.text).find([statement]) == [statement]
