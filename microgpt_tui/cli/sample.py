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
from microgpt_tui.cli._options import FilePath, examples, number_option
from microgpt_tui.cli._progress import Waiting
from microgpt_tui.cli._session import compile_loops, say_size
from microgpt_tui.drawing.numbers import small_percent
from microgpt_tui.drawing.terminal_text import printable
from microgpt_tui.texts.say import say


@click.command(
    help=say("cli.sample.help"),
    epilog=examples(
        "microgpt-tui sample names.safetensors",
        "microgpt-tui sample names.safetensors -n 1000 --seed 1 | sort | uniq -c | sort -n",
        "microgpt-tui sample names.safetensors --temperature 1.0 --top-k 5 --prefix mar",
        "microgpt-tui sample names.safetensors --beam 10 --prefix mar --temperature 1",
    ),
)
@click.argument("file", type=FilePath(), metavar="FILE.safetensors")
@number_option("-n", "--number", default=20, text=say("cli.sample.number"))
@click.option("--temperature", type=float, default=0.5, show_default=True, help=say("cli.sample.temperature"))
@click.option("--seed", type=int, help=say("cli.sample.seed"))
@click.option("--prefix", default="", metavar="TEXT", help=say("cli.sample.prefix"))
@click.option("--top-k", type=int, metavar="K", help=say("cli.sample.top_k"))
@click.option("--top-p", type=float, metavar="P", help=say("cli.sample.top_p"))
@click.option("--greedy", is_flag=True, help=say("cli.sample.greedy"))
@click.option("--beam", type=int, metavar="N", help=say("cli.sample.beam"))
@click.pass_context
def sample(
    ctx: click.Context, /, file: Path, number: int, seed: int | None, prefix: str, beam: int | None, **choosing: Any
) -> None:
    """`microgpt-tui sample`; its help is the text cli.sample.help."""
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
        raise ConfigError(say("cli.sample.beam_draws_nothing"))
    if beam is not None:
        check_width(beam)
    run = load(file)
    tokenizer = Tokenizer(run.uchars)
    beginning(prefix, tokenizer, run.config.block_size)  # raises before the tape is recorded
    compile_loops()
    say_size(run.config, tokenizer.vocab_size)
    with Waiting(say("cli.sample.recording"), total=1.0) as waiting:
        recording = record(run.config, tokenizer.vocab_size, waiting.share)
    sampler = Sampler(recording, loops(), run.flat_params)
    if beam is not None:
        with Waiting(say("cli.sample.searching")):
            continuations = search(sampler, tokenizer, beam, strategy.temperature, prefix)
        for each in continuations:
            people = sys.stdout.isatty()
            text = _readable(each.text) if people else each.text
            prob = small_percent(each.prob) if people else f"{each.prob:.6g}"
            click.echo("\t".join((prob, text, *(() if each.ended else (say("cli.sample.context_full"),)))))
        return
    generator = run.generator() if seed is None else random.Random(seed)
    drawn = draw_documents(sampler, tokenizer, generator, strategy, prefix)
    numbered = sys.stdout.isatty()
    for i, text in zip(range(1, 2 if strategy.greedy else number + 1), drawn, strict=False):
        click.echo(say("cli.sample.numbered", i=i, text=_readable(text)) if numbered else text)


def _readable(text: str) -> str:
    """A document as people see it: Korean letters with the syllables that they make."""
    made = syllables(text)
    return printable(text if made == text else f"{text}  {made}")
