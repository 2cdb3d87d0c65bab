"""Every figure of docs/answer.md stands in the recorded study that its sentence links to, and every sentence with a figure has a link.

docs/signals.md is of two studies: its intervals stand in those, and its large table says the first one's verdicts.
"""

import re
from functools import cache
from pathlib import Path

import pytest

from counterform.claims.published import CLAIMS
from counterform.claims.recorded import Recorded, read

DOCS = Path(__file__).parents[2] / "docs"
INTERVAL = re.compile(r"([+−]?\d+(?:\.\d+)?)(?: %| points)? \[([+−]?\d+(?:\.\d+)?), ([+−]?\d+(?:\.\d+)?)\]")
COUNT = re.compile(r"\b([\d,]+) (problems|seeds)")
SIZE = re.compile(r"\b(\d+\.\d) M\b")
LINK = re.compile(r"\[[\w.-]+\]\((?:studies/)?([\w.-]+)\.md\)")
NOT_FIGURES = re.compile(r"`[^`]*`|\bpass@\d|\bF1\b|\b[A-Za-z]+\d\S*|95 % interval|\b\d+ B\b")
"""Names with digits in them, and the level of all intervals."""


def sentences(text: str) -> list[str]:
    """The page's sentences, each with the links of its parentheses; a sentence that goes on in the next one's link is one with it."""
    paragraphs = [" ".join(block.split()) for block in text.split("\n\n") if not block.startswith("#")]
    return [sentence for block in paragraphs for sentence in re.split(r"(?<=[.:?]) (?=[A-Z*])", block)]


@cache
def recorded(name: str) -> Recorded:
    return read(DOCS / f"studies/{name}.json")


@cache
def rows(name: str) -> list[tuple[float, float, float, int, int]]:
    """Estimate and interval in per cent of every row of a study, with its problems and seeds."""
    study = recorded(name)
    of_results = [
        (r.estimate, r.low, r.high, r.n_items, r.n_seeds) for r in (*study.results.findings, *study.results.levels)
    ]
    shares = [(p.share, p.low, p.high, p.n_items, p.n_seeds) for p in study.results.form_shares]
    kept = [(k.kept, k.low, k.high, k.n_problems, k.n_seeds) for k in study.retained]
    return [
        (100 * value, 100 * low, 100 * high, items, seeds)
        for value, low, high, items, seeds in (*of_results, *shares, *kept)
        if value is not None
    ]


def number(text: str) -> float:
    return float(text.replace("−", "-").replace("+", "").replace(",", ""))


def shown(value: float, text: str) -> bool:
    """Whether a value is what the text says, at the digits that it says."""
    digits = len(text.partition(".")[2])
    return abs(value - number(text)) <= 0.5 * 10**-digits + 1e-3


def unfounded(sentence: str) -> list[str]:
    """The figures of a sentence that none of the studies it links to has; all of them where it links to none."""
    names = LINK.findall(sentence)
    studies = [name for name in names if name != "claims"]
    found = [row for name in studies for row in rows(name)]
    left = LINK.sub("", sentence)
    wrong = []
    for match in INTERVAL.finditer(left):
        if not any(all(map(shown, row, match.groups())) for row in found):
            wrong.append(match[0])
    left = INTERVAL.sub("", left)
    for match in COUNT.finditer(left):
        if not any(number(match[1]) in row[3:] for row in found):
            wrong.append(match[0])
    left = COUNT.sub("", left)
    for match in SIZE.finditer(left):
        if not any(recorded(name).size == match[0] for name in studies):
            wrong.append(match[0])
    left = NOT_FIGURES.sub("", SIZE.sub("", left))
    published = " ".join(claim.published for claim in CLAIMS) if "claims" in names else ""
    return wrong + [figure for figure in re.findall(r"\d[\d.,]*\d|\d", left) if figure not in published]


def test_every_figure_of_the_answer_stands_in_its_study():
    text = (DOCS / "answer.md").read_text(encoding="utf-8")
    assert {sentence: wrong for sentence in sentences(text) if (wrong := unfounded(sentence))} == {}
    assert sum(len(INTERVAL.findall(sentence)) for sentence in sentences(text)) >= 30


def test_every_interval_and_verdict_of_the_signals_page_stands_in_its_study():
    text = (DOCS / "signals.md").read_text(encoding="utf-8")
    intervals = [match.groups() for match in INTERVAL.finditer(text)]
    assert len(intervals) >= 120
    known = [*rows("signals"), *rows("self-distillation")]
    assert [shown_as for shown_as in intervals if not any(all(map(shown, row, shown_as)) for row in known)] == []
    of_arm: dict[str, list[str]] = {}
    for line in text.splitlines():
        name, *cells = (cell.strip(" *") for cell in line.strip("|").split("|"))
        of_arm[name] = [cell.rpartition(" ")[2].strip("*") for cell in cells]
    study = recorded("signals")
    for arm in study.recipes:
        found = {(f.probe, f.metric): f.verdict for f in study.results.findings if (f.arm, f.versus) == (arm, "base")}
        kept = {kept.trait: kept.verdict for kept in study.retained if kept.arm == arm}
        assert of_arm[arm][2:] == [
            found["accuracy", "pass@1"],
            found["accuracy", "pass@4"],
            found["repair", "repaired"],
            kept["all markers"],
            kept["entropy"],
        ]


def test_the_answer_is_two_pages():
    assert len((DOCS / "answer.md").read_text(encoding="utf-8").split()) < 1300


@pytest.mark.parametrize(
    ("sentence", "wrong"),
    [
        ("It gains +22.5 points [+17.1, +27.9] ([critique](studies/critique.md)).", []),
        ("It gains +22.5 points [+17.1, +27.8] ([critique](studies/critique.md)).", ["+22.5 points [+17.1, +27.8]"]),
        ("It gains +22.5 points [+17.1, +27.9] ([embedded](studies/embedded.md)).", ["+22.5 points [+17.1, +27.9]"]),
        ("It gains 22.5 points.", ["22.5"]),
        ("Of 134.5 M, 160 problems ([critique](studies/critique.md)).", ["134.5 M"]),
        ("Of 161 problems, 3 seeds ([critique](studies/critique.md)).", ["161 problems"]),
        ("It took 37.4 to 20.2 %, not 20.3 ([claims.md](claims.md)).", ["20.3"]),
    ],
)
def test_a_figure_that_is_not_there_is_seen(sentence, wrong):
    assert unfounded(sentence) == wrong
