"""Texts by key: their language, their number, their particles, and what is said where one is missing."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.language.catalog import Catalog
from engine.language.chosen import language, use_language, usual_language
from engine.language.particles import with_particle
from engine.language.text_file import read_texts
from microgpt_tui.texts.asked_language import asked_language

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(file for folder in ("engine/language", "microgpt_tui/texts") for file in (ROOT / folder).rglob("*.toml"))


@pytest.fixture
def catalog(tmp_path, monkeypatch) -> Iterator[Catalog]:
    package = tmp_path / "someones_texts"
    for name, text in {
        "en": 'plain = "a {{sign}}"\n[deep]\nsteps = { one = "{n} step", other = "{n:,} steps" }\nonly = "English"\n',
        "ko": '[deep]\nsteps = { other = "{n:,}스텝" }\nreads = "{name:을/를} {x:+.2f}만큼"\n'
        'quoted = "{name!r:은/는}"\n',
    }.items():
        (package / name).mkdir(parents=True)
        (package / name / "part.toml").write_text(text, encoding="utf-8")
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    before = language()
    yield Catalog("someones_texts")
    use_language(before)


def test_text_in_the_chosen_language(catalog):
    assert [catalog("part.deep.steps", n=n) for n in (1, 2, 3000)] == ["1 step", "2 steps", "3,000 steps"]
    use_language("ko")
    assert [catalog("part.deep.steps", n=n) for n in (1, 3000)] == ["1스텝", "3,000스텝"]
    assert catalog("part.deep.reads", name="점수", x=0.5) == "점수를 +0.50만큼"
    assert catalog("part.deep.quoted", name="값") == "'값'은"
    assert catalog("part.deep.only") == "English"
    use_language("kok")
    assert language() == "ko"


def test_missing_text(catalog):
    for key in ("part.deep.nothing", "part.deep", "part.deep.steps.one.more", "nothing.at.all"):
        with pytest.raises(KeyError):
            catalog(key)


def test_missing_value(catalog):
    with pytest.raises(KeyError):
        catalog("part.deep.steps", other=1)
    use_language("ko")
    for values in ({"name": "점수"}, {"x": 0.5}):
        with pytest.raises(KeyError):
            catalog("part.deep.reads", **values)


def test_text_as_it_is_without_values(catalog):
    assert catalog("part.plain") == "a {{sign}}"
    assert catalog("part.plain", other=1) == "a {sign}"


@pytest.mark.parametrize(
    ("word", "forms", "whole"),
    [
        ("행렬", "은/는", "행렬은"),
        ("점수", "은/는", "점수는"),
        ("행렬", "으로/로", "행렬로"),
        ("값", "으로/로", "값으로"),
        ("wte[3]", "이/가", "wte[3]이"),
        ("attn_weights[2]", "이/가", "attn_weights[2]가"),
        ("7", "으로/로", "7로"),
        ("10", "을/를", "10을"),
        ("q", "과/와", "q와"),
        ("logit", "이/가", "logit이"),
        ("tensor", "이/가", "tensor가"),
        ("embedding", "을/를", "embedding을"),
        ("'ㄱ'", "을/를", "'ㄱ'을"),
        ("ㅏ", "을/를", "ㅏ를"),
        ("…", "을/를", "…를"),
        ("50%", "을/를", "50%를"),
        ("loss_t", "으로/로", "loss_t로"),
        ("SPCXDC", "을/를", "SPCXDC를"),
        ("K7PB", "을/를", "K7PB를"),
        ("AB6", "을/를", "AB6을"),
        ("(HTML)", "으로/로", "(HTML)로"),
        ("x²", "이/가", "x²이"),
    ],
)
def test_particles(word, forms, whole):
    assert with_particle(word, forms) == whole


READ_WITH_A_FINAL = (  # as Korean writes these words: 로짓, 블록, 네임, ...
    "logit block step tab tick map output input init unit commit margaret elliot scott jacob patrick book out group "
    "name time line none anne epoch type token column attention attn norm rmsnorm item random Adam embedding nothing "
    "0 3 6 10 0.1213 -2.66 1e-06 1,000 n m attn_weights[3] 모델명 값 ㄱ"
)
READ_WITH_RIEUL = (
    "model residual html toml file nofile apple table scale score_scale nicole l r lr 1 7 8 0.917 beta1 run-18 pos=1 ㄹ"
)
READ_WITH_A_VOWEL = (  # 웨이트, 텍스트, 스테이트, 체크, 티엑스티, ...
    "wait weight text list float next script dict object print exp help mask rank network loop check bit set loss head "
    "log embed softmax update state node code space byte true the wte wpe mlp gpt txt own.txt bmp x.bmp abc jpg svg py "
    "run.safetensors emma robert mark elizabeth joseph 2 4 5 9 -0.1219 2.279 1e-05 wte[12,4] q k v BOS MLP GB ms 50% 수"
)


@pytest.mark.parametrize(
    ("words", "ends"),
    [(READ_WITH_A_FINAL, "이으로"), (READ_WITH_RIEUL, "이로"), (READ_WITH_A_VOWEL, "가로")],
)
def test_particles_follow_how_a_word_is_read(words, ends):
    for word in words.split():
        assert "".join(with_particle(word, forms)[len(word) :] for forms in ("이/가", "으로/로")) == ends, word


@pytest.mark.parametrize(
    ("arguments", "environment", "wanted"),
    [
        ([], {}, "en"),
        ([], {"LANG": "ko_KR.UTF-8"}, "ko"),
        ([], {"LANG": "ko"}, "ko"),
        ([], {"LANG": "kok_IN.UTF-8"}, "en"),
        ([], {"LC_ALL": "C.UTF-8", "LANG": "ko_KR.UTF-8"}, "en"),
        ([], {"LC_ALL": "", "LANG": "ko_KR.UTF-8"}, "ko"),
        ([], {"MICROGPT_TUI_LANG": "en", "LANG": "ko_KR.UTF-8"}, "en"),
        ([], {"MICROGPT_TUI_LANG": "xx", "LANG": "ko_KR.UTF-8"}, "ko"),
        (["--lang", "ko"], {"MICROGPT_TUI_LANG": "en"}, "ko"),
        (["lecture", "--lang=ko"], {}, "ko"),
        (["debug", "x.py", "--", "--lang", "ko"], {}, "en"),
        (["--lang"], {"LANG": "ko"}, "ko"),
        (["--lang", "nonsense"], {}, "en"),
    ],
)
def test_asked_language(arguments, environment, wanted):
    assert asked_language(arguments, environment) == wanted
    if not arguments:
        assert usual_language(environment) == wanted


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_files_are_read_as_toml(file):
    written = file.read_text(encoding="utf-8")
    assert read_texts(written) == tomllib.loads(written) != {}


def test_all_that_a_file_of_texts_can_have():
    written = (
        '# what stands here\n\na = ""\nb.c = "\\"\\\\n\\n\\t" # is left out\n[d.e]\n'
        '"f.g" = """\nh "i"\n[j]\nk = "l"\n"""\nm = { n = "o, p", q = "\\"" }\n[d]\nr = "s" # t'
    )
    read = read_texts(written)
    assert read == tomllib.loads(written)
    assert read["d"]["e"] == {"f.g": 'h "i"\n[j]\nk = "l"\n', "m": {"n": "o, p", "q": '"'}}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ('a = "b"\nc = 1\n', "c = 1"),
        ('a = "b"\nc = [\n"d"]\n', "c = ["),
        ('a = "b"\na = "b"\n', "a"),
        ('[a]\nb = { c = "d", e = 1 }\n', "b = {"),
        ('[a]\nb = { c = "d", c = "e" }\n', "b.c"),
        ('a = "b" c = "d"\n', "a ="),
        ('a = "b\n', "a ="),
        ('a = """b\n', "a ="),
        ("a = 'b'\n", "a ="),
        ("[[a]]\n", "[[a]]"),
    ],
)  # fmt: skip
def test_what_is_no_text(wrong, said):
    with pytest.raises(ValueError, match="^" + re.escape(said)):
        read_texts(wrong)
