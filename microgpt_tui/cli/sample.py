"""`microgpt-tui sample`: new documents from a saved run."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Any

import rich_click as click
from click.core import ParameterSource

from engine.errors import ConfigError
from engine.hangul import syllables
from microgpt_tui.cli._options import FilePath, examples
from microgpt_tui.cli._progress import Waiting
from microgpt_tui.cli._session import compile_loops, say_size
from microgpt_tui.drawing.numbers import small_percent
from microgpt_tui.drawing.terminal_text import printable


@click.command(
    epilog=examples(
        "microgpt-tui sample names.safetensors",
        "microgpt-tui sample names.safetensors -n 1000 --seed 1 | sort | uniq -c | sort -n",
        "microgpt-tui sample names.safetensors --temperature 1.0 --top-k 5 --prefix mar",
        "microgpt-tui sample names.safetensors --beam 10 --prefix mar --temperature 1",
    )
)
@click.argument("file", type=FilePath(), metavar="FILE.safetensors")
@click.option(
    "-n", "--number", type=click.IntRange(min=1), default=20, show_default=True, metavar="N", help="How many documents."
)
@click.option(
    "--temperature",
    type=float,
    default=0.5,
    show_default=True,
    help="Divides the logits before the softmax: near 0 the likeliest character wins nearly always, "
    "1 draws as the model was trained, above 1 is wilder.",
)
@click.option(
    "--seed",
    type=int,
    help="Draw from a fresh generator with this seed. Without it the draws go on from the run's own generator, "
    "as it was when the run was saved, so that train and then sample prints what the original prints.",
)
@click.option(
    "--prefix",
    default="",
    metavar="TEXT",
    help="Begin each document with this; the rest is drawn.",
)
@click.option("--top-k", type=int, metavar="K", help="Draw from the K likeliest characters only.")
@click.option(
    "--top-p",
    type=float,
    metavar="P",
    help="Draw from as few of the likeliest characters as have the share P together, 0 to 1.",
)
@click.option("--greedy", is_flag=True, help="Always take the likeliest character; prints one document.")
@click.option(
    "--beam",
    type=int,
    metavar="N",
    help="Draw nothing: search for likely continuations, going on with the N likeliest after each character, "
    "1 to 10,000. "
    "Prints the probability of each, at the temperature, and the document.",
)
@click.pass_context
def sample(
    ctx: click.Context, /, file: Path, number: int, seed: int | None, prefix: str, beam: int | None, **choosing: Any
) -> None:
    """Print new documents that a trained model makes up.

    FILE.safetensors is a run that train --save has written; no data set is needed. On a terminal the documents are
    numbered; piped, there is one a line and nothing else. With --beam: a probability, a tab and a document a line, and
    after another tab `context full` where there was no room for its end.
    """
    from engine.autograd.jit import loops
    from engine.checkpoint.checkpoint import load
    from engine.model.recording import record
    from engine.model.tokenizer import Tokenizer
    from engine.sampling.beam import beam as search
    from engine.sampling.beam import check_width
    from engine.sampling.sampler import Sampler, beginning, draw_documents
    from engine.sampling.strategy import DecodingStrategy

    strategy = DecodingStrategy(**choosing)
    drawing = any(ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE for name in ("number", "seed"))
    if beam is not None and (drawing or strategy != DecodingStrategy(strategy.temperature)):
        raise ConfigError(
            "--beam searches and draws nothing; leave -n, --seed, --greedy, --top-k and --top-p out with it"
        )
    if beam is not None:
        check_width(beam)
    run = load(file)
    tokenizer = Tokenizer(run.uchars)
    beginning(prefix, tokenizer, run.config.block_size)  # raises before the tape is recorded
    compile_loops()
    say_size(run.config, tokenizer.vocab_size)
    with Waiting("Recording the tape", total=1.0) as waiting:
        recording = record(run.config, tokenizer.vocab_size, waiting.share)
    sampler = Sampler(recording, loops(), run.flat_params)
    if beam is not None:
        with Waiting("Searching"):
            continuations = search(sampler, tokenizer, beam, strategy.temperature, prefix)
        for each in continuations:
            people = sys.stdout.isatty()
            text = _readable(each.text) if people else each.text
            prob = small_percent(each.prob) if people else f"{each.prob:.6g}"
            click.echo("\t".join((prob, text, *(() if each.ended else ("context full",)))))
        return
    generator = run.generator() if seed is None else random.Random(seed)
    drawn = draw_documents(sampler, tokenizer, generator, strategy, prefix)
    numbered = sys.stdout.isatty()
    for i, text in zip(range(1, 2 if strategy.greedy else number + 1), drawn, strict=False):
        click.echo(f"sample {i:2d}: {_readable(text)}" if numbered else text)


def _readable(text: str) -> str:
    """A document as people see it: Korean letters with the syllables that they make."""
    made = syllables(text)
    return printable(text if made == text else f"{text}  {made}")
