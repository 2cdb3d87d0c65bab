"""How fast markers are counted, against the ways in which it is usually done. MB of text a second, one core, medians.

    python bench/traits.py [--data FILE.jsonl]

Text: worked solutions of all kinds of problem with markers put in at the rate given, or the strings in a JSONL file.
Peers: one compiled expression a term (the study this follows counts term by term), one alternation of all terms in `re`,
and substring counts by str.count, which are not word-bounded. All find the same terms; the peers' counts are compared.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from counterform.problems.ledger import Ledger
from counterform.text.lexicon import load_lexicon

RUNS = 5
TARGET = 50
LEXICON = load_lexicon()
TERMS = [term for terms in LEXICON.terms.values() for term in terms]


def strings(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    rows = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for row in rows for text in strings(row)]


def made_up(megabytes: float, per_thousand: float) -> list[str]:
    """Ledger solutions, twenty a text, with markers between their steps."""
    rng = np.random.default_rng(0)
    solutions = [problem.solution for problem in Ledger().generate(2_000, rng=rng)]
    texts: list[str] = []
    while sum(map(len, texts)) < megabytes * 1e6:
        words = " ".join(solutions[int(at)] for at in rng.integers(len(solutions), size=20)).split(" ")
        for at in rng.integers(len(words), size=int(len(words) * per_thousand / 1000)):
            words[at] = f"{TERMS[int(rng.integers(len(TERMS)))]} {words[at]}"
        texts.append(" ".join(words))
    return texts


def speed(work: Callable[[Sequence[str]], int], texts: Sequence[str]) -> tuple[float, int]:
    size = sum(len(text.encode()) for text in texts) / 1e6
    speeds = []
    for _ in range(RUNS):
        started = time.process_time()
        found = work(texts)
        speeds.append(size / (time.process_time() - started))
    return statistics.median(speeds), found


def report(name: str, texts: Sequence[str]) -> None:
    small = texts[: max(1, len(texts) // 40)]
    alternation = re.compile(
        rf"\b(?:{'|'.join(map(re.escape, sorted(TERMS, key=len, reverse=True)))})\b", re.IGNORECASE | re.ASCII
    )
    each = [re.compile(rf"\b{re.escape(term)}\b", re.IGNORECASE | re.ASCII) for term in TERMS]
    print(f"{name}: {sum(len(text.encode()) for text in texts) / 1e6:.1f} MB, {len(texts):,} texts, {len(TERMS)} terms")
    ours, found = speed(lambda rows: int(LEXICON.counts(rows).sum()), texts)
    print(
        f"  counts by kind (Arrow's RE2)    {ours:8.1f} MB/s  {found:,} markers  target {TARGET}: {'reached' if ours >= TARGET else 'MISSED'}"
    )
    peers: dict[str, Callable[[Sequence[str]], int]] = {
        "one alternation in re": lambda rows: sum(len(alternation.findall(text)) for text in rows),
        "one expression a term": lambda rows: sum(len(one.findall(text)) for one in each for text in rows),
        "substrings, str.count": lambda rows: sum(low.count(term) for low in map(str.lower, rows) for term in TERMS),
    }
    for peer, work in peers.items():
        theirs, found = speed(work, small)
        print(
            f"  {peer:<31} {theirs:8.1f} MB/s  {found:,} in {len(small):,} texts; ours is {ours / theirs:.0f} times as fast"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    data = parser.parse_args().data
    if data:
        texts = [
            text
            for line in data.read_text("utf-8").splitlines()
            for text in strings(json.loads(line))
            if len(text) > 200
        ]
        report(data.name, texts * 10)
    for per_thousand in (0, 5, 50):
        report(f"made up, {per_thousand} markers per 1,000 words", made_up(10, per_thousand))


if __name__ == "__main__":
    main()
