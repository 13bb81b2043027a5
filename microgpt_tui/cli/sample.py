"""`microgpt-tui sample`: new documents from a saved run."""

from __future__ import annotations

import itertools
import random
import sys
from pathlib import Path

import rich_click as click

from microgpt_tui.cli.ending import printable
from microgpt_tui.cli.options import examples
from microgpt_tui.cli.running import warm_up
from microgpt_tui.cli.waiting import Waiting


@click.command(
    epilog=examples(
        "microgpt-tui sample names.safetensors",
        "microgpt-tui sample names.safetensors -n 1000 --seed 1 | sort | uniq -c | sort -n",
        "microgpt-tui sample names.safetensors --temperature 1.0",
    )
)
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE.safetensors")
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
def sample(file: Path, number: int, temperature: float, seed: int | None) -> None:
    """Print new documents that a trained model makes up.

    FILE.safetensors is a run that train --save has written; no data set is needed. On a terminal the documents are
    numbered; piped, there is one a line and nothing else.
    """
    from engine.checkpoint import load
    from engine.compiled import loops
    from engine.recording import record
    from engine.sampling import draw
    from engine.tokenizer import Tokenizer

    run = load(file)
    tokenizer = Tokenizer(run.uchars)
    generator = run.generator() if seed is None else random.Random(seed)
    warm_up()
    with Waiting("Recording the tape", total=1.0) as waiting:
        recording = record(run.config, tokenizer.vocab_size, waiting.share)
    drawn = draw(recording, loops(), run.flat_params, tokenizer, generator, temperature)
    numbered = sys.stdout.isatty()
    for i, text in enumerate(itertools.islice(drawn, number), 1):
        click.echo(f"sample {i:2d}: {printable(text)}" if numbered else text)
