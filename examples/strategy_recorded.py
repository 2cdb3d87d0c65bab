"""How do recorded answers search, right against wrong? And does the segmentation agree with a reader? Read without a model.

    python examples/strategy_recorded.py --data DIR > docs/studies/strategy-recorded.md

DIR holds math500/qwen25_math_100x8.jsonl and math500/test.jsonl, and gsm8k/example_model_solutions.jsonl (as for
traits_recorded.py). The reader's labels stand in tests/text/strategy_labels.json, by the id of the answer.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct
from traits_recorded import GSM8K_MODELS, Answer, gsm8k, math500, rows_of

from counterform.errors import CounterformError
from counterform.findings import stats
from counterform.findings.stats import Floats
from counterform.text.search import TextSearch, search_of

LABELS = Path(__file__).parents[1] / "tests" / "text" / "strategy_labels.json"
ORDERS = ("breadth", "depth", "none")
HALVES = ("development", "test")
READINGS: dict[str, Callable[[TextSearch], float | None]] = {
    "breadth first": lambda found: found.trace.breadth,
    "candidates before the first is followed, of all": lambda found: found.trace.candidates,
    "depth at first switch, of all steps": lambda found: found.trace.depth,
    "switches an answer": lambda found: float(found.switches),
    "revisits an answer": lambda found: float(found.revisits),
}


class Labelled(Struct, frozen=True):
    """One answer with what the reader said of it."""

    source: str
    problem: str
    half: str
    stratum: str
    text: str
    order: str
    switches: int

    @property
    def read(self) -> tuple[str, int]:
        """Order and switches by the segmentation."""
        found = search_of(self.text)
        return (found.order, found.switches) if found else ("none", 0)


def labelled(data: Path) -> Iterator[Labelled]:
    """Every answer that was labelled; which half it is of hangs on its problem, so that none is in both."""
    labels: Any = msgspec.json.decode(LABELS.read_bytes())
    samples = {f"{row['idx']}": row for row in rows_of(data / "math500" / "qwen25_math_100x8.jsonl")}
    solutions = list(rows_of(data / "math500" / "test.jsonl"))
    for source in ("samples", "solutions"):
        for name, (stratum, order, switches) in labels[source]["labels"].items():
            if source == "samples":
                idx, sample = name.split("/")
                problem, text = samples[idx]["question"], samples[idx]["code"][int(sample)]
            else:
                problem, text = solutions[int(name)]["problem"], solutions[int(name)]["solution"]
            half = HALVES[blake2b(problem.encode(), digest_size=8).digest()[0] % 2]
            yield Labelled(source, problem, half, stratum, text, order, switches)


def agreement(pairs: Sequence[tuple[str, str]]) -> float:
    """The share of pairs that agree."""
    return float(np.mean([a == b for a, b in pairs])) if pairs else np.nan


def kappa(pairs: Sequence[tuple[str, str]]) -> float:
    """Agreement beyond chance (Cohen 1960); not a number where chance alone would agree throughout."""
    n = len(pairs)
    hand, read = (Counter(pair[at] for pair in pairs) for at in (0, 1))
    chance = sum(hand[order] * read[order] for order in hand) / n**2 if n else 1.0
    return (agreement(pairs) - chance) / (1 - chance) if chance < 1 else np.nan


def jackknifed(of: Callable[[Sequence[Any]], float], rows: Sequence[Any], problems: Sequence[str]) -> str:
    """A figure with its 95 % interval over problems, which are left out one by one."""
    names = list(dict.fromkeys(problems))
    whole, n = of(rows), len(names)
    without = [of([row for row, problem in zip(rows, problems, strict=True) if problem != name]) for name in names]
    values = n * whole - (n - 1) * np.array(without)
    if not np.isfinite(values).all():
        return "undefined"
    e = stats.estimate(values[:, None], None, [], bounds=stats.UNBOUNDED)
    return f"{whole:.2f} [{max(e.low, -1.0):.2f}, {min(e.high, 1.0):.2f}]"


def agreement_section(rows: Sequence[Labelled]) -> Iterator[str]:
    """How far the segmentation and the reader agree, each half and source."""
    yield "## Agreement with a reader\n"
    yield "| Half | Answers of | n | Problems | Same strategy | Kappa (3) | Kappa, any strategy or none | Same switches, where both see some |"
    yield "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    for half in HALVES:
        for source in (("samples", "solutions"), ("samples",), ("solutions",)):
            some = [row for row in rows if row.half == half and row.source in source]
            pairs, problems = [(row.order, row.read[0]) for row in some], [row.problem for row in some]
            any_pairs = [(str(a != "none"), str(b != "none")) for a, b in pairs]
            both = [row for row in some if "none" not in (row.order, row.read[0])]
            switches = [(str(row.switches), str(row.read[1])) for row in both]
            cells = [
                half,
                {1: {"samples": "the model", "solutions": "people"}[source[0]], 2: "both"}[len(source)],
                str(len(some)),
                str(len(set(problems))),
                jackknifed(agreement, pairs, problems),
                jackknifed(kappa, pairs, problems),
                jackknifed(kappa, any_pairs, problems),
                f"{jackknifed(agreement, switches, [row.problem for row in both])} of {len(both)}",
            ]
            yield f"| {' | '.join(cells)} |"
    yield "\n| Half | Reader | Segmentation: breadth | depth | none |"
    yield "| --- | --- | ---: | ---: | ---: |"
    for half in HALVES:
        counts = Counter((row.order, row.read[0]) for row in rows if row.half == half)
        for order in ORDERS:
            yield f"| {half} | {order} | {' | '.join(str(counts[order, read]) for read in ORDERS)} |"
    yield ""


def reading_section(name: str, answers: Sequence[Answer]) -> Iterator[str]:
    """What the segmentation reads in right and in wrong answers."""
    found = [search_of(answer.text) for answer in answers]
    shows = sum(one is not None for one in found)
    breadth = sum(one is not None and one.order == "breadth" for one in found)
    yield (
        f"## {name}\n\n{len(answers):,} answers to {len({a.problem for a in answers}):,} problems. Two candidates or more in {shows:,} "
        f"(breadth first {breadth:,}, depth first {shows - breadth:,}); no strategy, UNKNOWN, in {len(answers) - shows:,}.\n"
    )
    yield "| Reading | Wrong | 95 % | n | Right | 95 % | n | Right − wrong | 95 % | MDE | p |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    yield line("shows a strategy, of all", answers, [float(one is not None) for one in found])
    for reading, of in READINGS.items():
        yield line(reading, answers, [None if one is None else of(one) for one in found])
    yield ""


def line(name: str, answers: Sequence[Answer], values: Sequence[float | None]) -> str:
    """One reading of wrong and of right answers, and their difference."""
    seen = [answer.problem for answer, value in zip(answers, values, strict=True) if value is not None]
    place = {problem: at for at, problem in enumerate(dict.fromkeys(seen))}
    cells, pseudo = [name], []
    for right in (False, True):
        sums = np.zeros((2, len(place)))
        for answer, value in zip(answers, values, strict=True):
            if answer.right == right and value is not None:
                sums[:, place[answer.problem]] += (value, 1.0)
        pseudo.append(stats.ratio_pseudo_values(*sums)[:, None] if len(place) > 1 else np.full((1, 1), np.nan))
        # A level is of the problems that have such an answer.
        cells += [*level(_of_those_seen(sums)), f"{sums[1].sum():.0f}"]
    if not all(np.isfinite(one).all() for one in pseudo):
        return f"| {' | '.join([*cells, 'undefined', '', '', ''])} |"
    e = stats.estimate(pseudo[1], pseudo[0], [], bounds=stats.COUNT)
    cells += [f"{e.value:+.3g}", f"[{e.low:+.3g}, {e.high:+.3g}]", f"{e.mde:.3g}"]
    cells.append("<0.001" if e.p < 0.001 else f"{e.p:.3f}")
    return f"| {' | '.join(cells)} |".replace("-", "−")


def _of_those_seen(sums: Floats) -> Floats:
    seen = sums[:, sums[1] > 0]
    return stats.ratio_pseudo_values(*seen)[:, None] if seen.shape[1] > 1 else np.zeros((0, 1))


def level(values: Floats) -> tuple[str, str]:
    """A mean with its interval."""
    if len(values) < 2 or not np.isfinite(values).all():
        return "undefined", ""
    e = stats.estimate(values, None, [], bounds=stats.COUNT)
    return f"{e.value:.3g}", f"[{e.low:.3g}, {e.high:.3g}]"


def page(data: Path) -> Iterator[str]:
    """The whole page."""
    rows = list(labelled(data))
    yield "# Strategies of recorded answers, right against wrong\n"
    yield (
        "`python examples/strategy_recorded.py --data DIR` writes this page; no model is run and no figure is typed by hand. The segmentation "
        "is that of `counterform.text.search`. Intervals are jackknifed over problems. p: of no difference, not corrected for being several. MDE: "
        "the smallest true difference that would be found four times out of five. Right and wrong answers differ by the problem too: this "
        "says nothing of cause.\n"
    )
    yield (
        f"One reader (a language model) read {len(rows)} traces whole and labelled them by the guide in `tests/text/strategy_labels.json` before the "
        "segmentation was written: samples of a model, drawn at random within three strata of words (most answers have no cue at all), and, as the "
        "model hardly ever searches breadth first, worked solutions that people wrote. The segmentation was developed on one half of the problems; the other half was "
        "run once, when it was done. Agreement is of the traces as they were drawn, in which cues are far commoner than among all. Who wrote it had read both halves, so the test half is not as blind as one labelled by another hand. A label that "
        "turned out a slip of the reader (71/0) was left as it was.\n"
    )
    yield from agreement_section(rows)
    yield from reading_section("MATH-500, Qwen2.5-Math, 100 problems, 8 samples each", math500(data))
    yield from reading_section("GSM8K, four models together", gsm8k(data, *GSM8K_MODELS))


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    try:
        print("\n".join(page(parser.parse_args().data)).rstrip())
    except CounterformError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
