"""sample with a prefix, top-k, top-p, greedy and a beam."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from engine import Config, Session, load_docs
from engine.checkpoint.checkpoint import save
from engine.sampling.beam import beam
from engine.sampling.sampler import Sampler, sample
from engine.sampling.strategy import DecodingStrategy
from tests.support.commands import error_of, invoke


@pytest.fixture(scope="module")
def session() -> Session:
    session = Session(Config(n_embd=4, n_head=2, block_size=6), load_docs())
    session.run(20)
    return session


@pytest.fixture
def run(session: Session, tmp_path: Path) -> Path:
    save(session, tmp_path / "run.safetensors")
    return tmp_path / "run.safetensors"


@pytest.mark.parametrize(
    ("flags", "strategy"),
    [
        (("--top-k", "3"), DecodingStrategy(top_k=3)),
        (("--top-p", "0.4", "--temperature", "1"), DecodingStrategy(1.0, top_p=0.4)),
        (("--top-k", "9", "--top-p", "0.7"), DecodingStrategy(top_k=9, top_p=0.7)),
    ],
)
def test_prints_what_the_engine_draws(
    run: Path, session: Session, flags: tuple[str, ...], strategy: DecodingStrategy
) -> None:
    parts = session.sampler(), session.tokenizer
    expected = sample(*parts, random.Random(4), 8, strategy, "ma")
    assert invoke("sample", run, "-n", 8, "--seed", 4, "--prefix", "ma", *flags).stdout.splitlines() == expected
    assert all(name.startswith("ma") for name in expected)


def test_greedy_prints_the_one_document_that_it_finds(run: Path, session: Session) -> None:
    parts = session.sampler(), session.tokenizer
    expected = sample(*parts, random.Random(), 1, DecodingStrategy(greedy=True))
    assert invoke("sample", run, "--greedy").stdout.splitlines() == expected


def test_a_beam_prints_probabilities_the_likeliest_first(run: Path, session: Session) -> None:
    sampler = Sampler(session.recording, session.loops, session.workspace.params)
    expected = beam(sampler, session.tokenizer, 5, 1.0, "jo")
    lines = [line.split("\t") for line in invoke("sample", run, "--beam", 5, "--temperature", 1, "--prefix", "jo")
             .stdout.splitlines()]  # fmt: skip
    assert [(float(line[0]), line[1]) for line in lines] == [(float(f"{c.prob:.6g}"), c.text) for c in expected]
    assert [line[2:] == ["context full"] for line in lines] == [not c.ended for c in expected]


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--prefix", "Zoë"), "'Z', which no document has"),
        (("--prefix", "abcdef"), "give 5 at most"),
        (("--top-k", "0"), "top_k is 0"),
        (("--top-p", "2"), "top_p is 2.0"),
        (("--greedy", "--top-p", "0.5"), "leave top_k and top_p out"),
        (("--beam", "3", "--top-k", "2"), "leave -n, --seed, --greedy, --top-k and --top-p out"),
        (("--beam", "3", "-n", "5"), "leave -n, --seed, --greedy, --top-k and --top-p out"),
        (("--beam", "3", "--seed", "5"), "leave -n, --seed, --greedy, --top-k and --top-p out"),
    ],
)
def test_bad_decoding_options_are_refused(run: Path, flags: tuple[str, ...], says: str) -> None:
    result = invoke("sample", run, *flags)
    assert says in error_of(result)
    assert result.stdout == ""
