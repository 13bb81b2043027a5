"""`--data ko` and `--split`: what they open, what is saved, and what people read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine import Config, Session, load_docs
from engine.checkpoint import checkpoint
from engine.hangul import JAMO, SYLLABLES, syllables
from engine.model.dataset import Origin, bundled_path, checksum
from microgpt_tui.storage import startup
from tests.support.commands import error_of, in_terminal, invoke

KO = bundled_path("ko")
SIZES = ("--n-embd", "4", "--n-head", "2", "--block-size", "8", "--num-steps", "20")
CONFIG = Config(n_embd=4, n_head=2, block_size=8, num_steps=20)
STAND_IN = Path(__file__).parent.parent / "support" / "reference_script.py"


def trained(folder: Path, *args: str) -> Path:
    file = folder / "run.safetensors"
    assert invoke("train", *SIZES, "--until", "3", "--save", str(file), *args).exit_code == 0
    return file


@pytest.mark.parametrize("split", [SYLLABLES, JAMO])
def test_a_run_on_the_bundled_names_is_saved_and_opened(split: str, tmp_path: Path) -> None:
    file, docs = trained(tmp_path, "--data", "ko", "--split", split), load_docs(KO, split)
    assert checkpoint.load(file).origin == Origin(checksum(docs), None, split)
    start = startup.from_file(file, None)
    assert (start.config, start.docs, start.path, start.split) == (CONFIG, docs, None, split)
    assert startup.from_seed(CONFIG, 0, KO, split) == startup.Start(CONFIG, docs, split=split)


def test_a_file_of_ones_own_is_split_and_found_again(tmp_path: Path) -> None:
    own = tmp_path / "own.txt"
    own.write_text("민준\n서연\n", encoding="utf-8")
    file = trained(tmp_path, "--data", str(own), "--split", "jamo")
    start = startup.from_file(file, None)
    assert (start.docs, start.path, start.split) == (["ㅁㅣㄴㅈㅜㄴ", "ㅅㅓㅇㅕㄴ"], str(own), JAMO)


def test_the_word_en_is_the_usual_data(tmp_path: Path) -> None:
    run = checkpoint.load(trained(tmp_path, "--data", "en"))
    assert run.origin == Origin(checksum(load_docs()))


def test_a_branch_is_saved_with_the_split(tmp_path: Path) -> None:
    file = tmp_path / "run.safetensors"
    args = ("what-if", *SIZES, "--data", "ko", "--split", "jamo", "--ablate", "layer0.head0", "--until", "2")
    assert invoke(*args, "--save", str(file)).exit_code == 0
    assert checkpoint.load(file).origin.split == JAMO
    assert startup.from_file(file, None).docs == load_docs(KO, JAMO)


def test_commands_that_only_read_split_the_documents_as_well() -> None:
    docs = load_docs(KO, JAMO)
    session = Session(CONFIG, docs)
    asked = (*SIZES, "--data", "ko", "--split", "jamo")
    events = [json.loads(line) for line in invoke("trace", "--phase", "forward", *asked).output.splitlines()]
    assert [e["shape"] for e in events if e["name"] == "probs"] == [[session.tokenizer.vocab_size]] * session.program.n
    assert json.loads(invoke("why", "--pos", "0", "--json", *asked).output)["doc"] == session.program.doc
    assert repr(session.program.doc) in invoke("grad-check", "--param", "lm_head[0,0]", *asked).output
    shown = invoke("export", "--format", "txt", "--size", "120x36", *asked).output
    assert all(letter in shown for letter in session.program.doc)
    assert syllables(session.program.doc) in shown, "beside the letters"


def test_samples_are_read_as_syllables_by_people_and_as_they_are_by_programs(tmp_path: Path) -> None:
    file = trained(tmp_path, "--data", "ko", "--split", "jamo")
    asked = ("sample", str(file), "-n", "3", "--prefix", "민", "--seed", "1")
    piped = invoke(*asked).output.splitlines()
    assert all(line.startswith("ㅁㅣㄴ") and syllables(line) != line for line in piped)
    shown = in_terminal(*asked).screen
    assert all(f"sample {i:2d}: {line}  {syllables(line)}" in shown for i, line in enumerate(piped, 1))


def test_a_copy_gets_the_letters(tmp_path: Path) -> None:
    """It computes what the engine computes of them, and not what the engine computes of the syllables."""
    copy = tmp_path / "copy.py"
    text = STAND_IN.read_text()
    copy.write_text(text)
    asked = ("--data", "ko", "--until", "2", "--samples", "0")
    assert "The same" in invoke("verify", str(copy), *asked, "--split", "jamo").output
    assert "The same" in invoke("verify", str(copy), *asked).output
    copy.write_text(text.replace("docs = [", "docs = ['가'] + ["))
    assert invoke("verify", str(copy), *asked, "--split", "jamo").exit_code != 0


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("train", "--split", "words"), "syllables"),
        (("--resume", "--split", "jamo"), "--split does not go with --resume"),
        (("export", "--run", "a.safetensors", "--split", "jamo"), "--split does not go with --run"),
    ],
)
def test_what_cannot_be_split_is_refused(args: tuple[str, ...], says: str) -> None:
    assert says in error_of(invoke(*args))


def test_the_debugger_is_opened_on_them(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Any] = []
    monkeypatch.setattr("microgpt_tui.cli.main.open_debugger", lambda start, **_: opened.append(start))
    assert invoke("--data", "ko", "--split", "jamo").exit_code == 0
    assert opened == [startup.Start(Config(), load_docs(KO, JAMO), split=JAMO)]
