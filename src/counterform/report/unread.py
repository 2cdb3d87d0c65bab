"""What nobody could grade, why, and what would mend it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct

from counterform.findings.checks import UNKNOWN
from counterform.report.outline import level_at, outline
from counterform.results import Results
from counterform.text.numbers import number, share
from counterform.types import Mark, Problem

MUCH = UNKNOWN[0]
"""Share of an arm's answers from which on the report opens with it."""


class Answered(Struct, frozen=True, kw_only=True):
    """What became of an arm's attempts: how many there are, and why some are UNKNOWN."""

    n: int
    unknown: int
    cut: int
    """UNKNOWN, and cut at the token limit."""
    unheard: int
    """UNKNOWN, since the model was not heard."""
    reason: str
    """The commonest of the other reasons."""


def answered(tables: Sequence[pa.Table], problems: Mapping[str, Problem]) -> Answered:
    """Counts over graded attempts at problems as in training."""
    finishes: list[str] = []
    reasons: Counter[str] = Counter()
    n = 0
    for table in tables:
        columns = [
            pc.struct_field(table["attempt"], "problem_id"),
            pc.struct_field(table["attempt"], ["completion", "finish"]),
            pc.struct_field(table["verdict"], "outcome"),
            pc.struct_field(table["verdict"], "reason"),
        ]
        for problem_id, finish, outcome, reason in zip(*(column.to_pylist() for column in columns), strict=True):
            if problem_id in problems and problems[problem_id].shift is not None:
                continue
            n += 1
            if outcome == Mark.UNKNOWN:
                finishes.append(finish)
                reasons[reason] += finish == "stop"
    common = reasons.most_common(1)
    return Answered(
        n=n,
        unknown=len(finishes),
        cut=finishes.count("length"),
        unheard=finishes.count("error"),
        reason=common[0][0] if common else "",
    )


def warnings(results: Results, answers: Mapping[str, Answered], max_tokens: int) -> tuple[str, ...]:
    """A sentence for each arm of which much is UNKNOWN, with the reason and the fix. max_tokens: of an answer of an arm that was asked here."""
    o = outline(results)
    units = next(iter((*o.gained.values(), *o.contrasts)), None)
    found = []
    for arm in dict.fromkeys([*answers, *(level.arm for level in results.levels)]):
        level = level_at(results, units, arm) if units else None
        known = answers.get(arm)
        part = max(level.unknown if level else 0.0, known.unknown / known.n if known and known.n else 0.0)
        if part <= MUCH:
            continue
        limit = "" if arm in results.existing else f" = {max_tokens}"
        why = f": {_reasons(known, limit)}" if known and known.unknown else "."
        found.append(f"{arm}: {share(part)} of what is read of its right answers is UNKNOWN{why}")
    return tuple(found)


def _reasons(known: Answered, limit: str) -> str:
    """Every reason with its count, the largest first, and the fix of that one."""
    rest = known.unknown - known.cut - known.unheard
    reasons = [
        (known.cut, f"cut at max_tokens{limit}", "Raise max_tokens in [probe], or ask for shorter answers."),
        (known.unheard, "never heard", "Run the same command again: these calls failed."),
        (rest, known.reason or "no reason given", "State the form of an answer in the template of [problems]."),
    ]
    told = sorted((reason for reason in reasons if reason[0]), reverse=True)
    counts = ", ".join(f"{number(n)} of {number(known.n)} {what}" for n, what, _ in told)
    return f"{counts}. {told[0][2]}"
