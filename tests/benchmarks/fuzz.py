"""Many random keys, to be run by hand: python tests/benchmarks/fuzz.py --actions 10000 --seed 1

Uses the program at random, in sessions of a few hundred actions, and compares it with a new one. Exits
with 1 if anything fails; each stretch can be had again with --seed SEED --only STRETCH.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from tests.support.fuzz_run import STRETCH, fuzz  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--actions", type=int, default=10_000)
    parser.add_argument("--seed", default="0")
    parser.add_argument("--only", type=int, help="one stretch, counted from 0")
    parser.add_argument("--between", type=int, default=100, help="actions from comparison to comparison")
    asked = parser.parse_args()
    warnings.simplefilter("error")
    failed = done = compared = 0
    start = time.perf_counter()
    for stretch in range(-(-asked.actions // STRETCH)) if asked.only is None else [asked.only]:
        actions = min(STRETCH, asked.actions - stretch * STRETCH)
        with tempfile.TemporaryDirectory() as folder:
            try:
                compared += asyncio.run(fuzz(f"{asked.seed} {stretch}", actions, Path(folder), asked.between))
            except (Exception, BaseExceptionGroup):
                failed += 1
                print(f"--- stretch {stretch}", traceback.format_exc(), sep="\n", flush=True)
        done += actions
        print(
            f"{done} actions, {time.perf_counter() - start:.0f} s, {compared} comparisons, {failed} failures",
            flush=True,
        )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
