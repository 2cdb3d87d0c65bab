"""Cases and the match card: which problems every arm shares, and what is equal between the arms."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec.structs import replace

from counterform.errors import DataError
from counterform.results import ArmCard, MatchCard
from counterform.text.answers import NO_ANSWER
from counterform.types import Arm, Case, Example, Graded, Mark, Problem

TokenCounter = Callable[[Sequence[Example]], tuple[list[int], list[int]]]
"""Prompt tokens and loss tokens of each example, as the trainer will count them."""


def choose_pairs(verdicts: pa.Table, *, cases: int, seed: int, pairs: int = 1) -> tuple[pa.Table, dict[str, int]]:
    """At most `cases` pairs of one right and one wrong attempt, at most `pairs` of one problem, drawn evenly by seed.

    verdicts: columns attempt_id, problem_id, outcome, located (the attempt has a nameable first wrong step).
    Returns a table (problem_id, right, wrong: attempt ids) and counts for the match card. No attempt is in two pairs. Among a
    problem's wrong attempts those with a located error are taken first, so that a critique has something to name.
    Columns stay in Arrow until the choice is made: a pool of a million attempts is never a million objects.
    Raises DataError when no problem has both.
    """
    rng = np.random.default_rng(seed)
    shuffled = verdicts.take(rng.permutation(len(verdicts)))
    right = _first_of_each(shuffled.filter(pc.equal(shuffled["outcome"], Mark.RIGHT.value)), pairs)
    wrong = shuffled.filter(pc.equal(shuffled["outcome"], Mark.WRONG.value))
    wrong = pa.concat_tables([wrong.filter(wrong["located"]), wrong.filter(pc.invert(wrong["located"]))])
    wrong = _first_of_each(wrong, pairs)
    if not len(right) or not len(wrong):
        missing = "right" if not len(right) else "wrong"
        raise DataError(
            f"the pool has no {missing} attempts (of {len(verdicts):,} attempts: {_count(verdicts)}). An arm needs a "
            "right and a wrong attempt of one problem: sample more ($.attempts.samples), at a higher temperature, on "
            f"{'easier' if missing == 'right' else 'harder'} problems, or check the grader with `counterform audit`."
        )
    both = right.join(wrong, keys=["problem_id", "rank"], join_type="inner", right_suffix="_wrong")
    both = both.sort_by([("problem_id", "ascending"), ("rank", "ascending")])
    with_right, with_wrong, with_both = (
        len(table.filter(pc.equal(table["rank"], 0))) for table in (right, wrong, both)
    )
    if not len(both):
        raise DataError(
            f"no problem has both a right and a wrong attempt ({with_right:,} problems have a right one, {with_wrong:,} a "
            "wrong one). Sample more attempts a problem ($.attempts.samples)."
        )
    counts = {"right_only": with_right - with_both, "wrong_only": with_wrong - with_both}
    chosen = both.take(rng.permutation(len(both))[:cases])
    table = pa.table(
        {"problem_id": chosen["problem_id"], "right": chosen["attempt_id"], "wrong": chosen["attempt_id_wrong"]}
    )
    return table, counts


def make_cases(pairs: pa.Table, problems: dict[str, Problem], graded: dict[str, Graded]) -> list[Case]:
    """The cases of the chosen pairs, in their order."""
    return [
        Case(problem=problems[row["problem_id"]], right=graded[row["right"]], wrong=graded[row["wrong"]])
        for row in pairs.to_pylist()
    ]


def require_uncut(cases: Sequence[Case]) -> None:
    """Raises DataError where every wrong attempt was cut: nobody knows what it would have come to, and no arm can learn from its error.

    Of a recorded attempt nobody knows how it ended: one that states no answer, where right ones do, and in which no wrong step is seen,
    counts as cut.
    """
    if not cases:
        return
    if all(_cut(case) for case in cases):
        how = "was cut at max_tokens"
    elif all(_cut(case) or (_unanswered(case.wrong) and case.wrong.verdict.first_error is None) for case in cases):
        if 2 * sum(_unanswered(case.right) for case in cases) > len(cases):
            return  # no answer of this pool is read, whatever it is worth
        how = "states no answer, and no wrong step is seen in it: it may have been cut"
    else:
        return
    raise DataError(
        f"in all {len(cases)} cases the wrong attempt {how}, so it is wrong for want of room and not by an error. Raise "
        "$.attempts.max_tokens, or record whole attempts."
    )


def match(arms: Sequence[Arm], *, by: str, count: TokenCounter) -> list[Arm]:
    """Arms with equal numbers of examples (as they come), or of loss tokens.

    By loss tokens, the arm that has most sets the measure, and the others go over their cases again, in order,
    until the next example would take them past it: nothing is thrown away, and the repetition is on the card.
    An arm that samples for itself has no loss tokens before it is trained, and stays as it is.
    """
    if by == "examples":
        return list(arms)
    tokens = [count(arm.examples)[1] for arm in arms]
    budget = max((sum(loss) for loss in tokens), default=0)
    return [
        replace(arm, examples=_fill(arm.examples, loss, budget)) if any(loss) else arm
        for arm, loss in zip(arms, tokens, strict=True)
    ]


def match_card(
    arms: Sequence[Arm], cases: Sequence[Case], *, by: str, counts: dict[str, int], count: TokenCounter
) -> MatchCard:
    """What is equal between these arms and what is not."""
    rows = []
    for arm in arms:
        prompt, loss = count(arm.examples)
        rows.append(
            ArmCard(
                arm=arm.name,
                differs_by=arm.differs_by,
                examples=len(arm.examples),
                problems=len({e.problem_id for e in arm.examples}),
                prompt_tokens=sum(prompt),
                loss_tokens=sum(loss),
            )
        )
    return MatchCard(
        by="loss_tokens" if by == "loss_tokens" else "examples",
        cases=len(cases),
        problems_with_right_only=counts["right_only"],
        problems_with_wrong_only=counts["wrong_only"],
        wrong_with_located_error=sum(case.wrong.verdict.first_error is not None for case in cases),
        wrong_cut=sum(_cut(case) for case in cases),
        wrong_unanswered=sum(_unanswered(case.wrong) for case in cases),
        same_texts=sum(case.one_text for case in cases),
        arms=tuple(rows),
    )


def _cut(case: Case) -> bool:
    return case.wrong.attempt.completion.finish == "length"


def _unanswered(graded: Graded) -> bool:
    return graded.verdict.reason == NO_ANSWER


def _first_of_each(table: pa.Table, most: int) -> pa.Table:
    """At most so many first rows of each problem, in table order, with their rank in it from 0."""
    problems = table["problem_id"].combine_chunks().dictionary_encode().indices.to_numpy()
    order = np.argsort(problems, kind="stable")
    starts = np.searchsorted(problems[order], problems[order], side="left")
    ranks = np.empty(len(order), dtype=np.int64)
    ranks[order] = np.arange(len(order)) - starts
    rows = table.select(["problem_id", "attempt_id"]).append_column("rank", pa.array(ranks))
    return rows.filter(pa.array(ranks < most))


def _fill(examples: tuple[Example, ...], loss: list[int], budget: int) -> tuple[Example, ...]:
    filled: list[Example] = []
    spent = at = 0
    while spent + loss[at % len(loss)] <= budget:
        filled.append(examples[at % len(loss)])
        spent += loss[at % len(loss)]
        at += 1
    return tuple(filled)


def _count(verdicts: pa.Table) -> str:
    counts = {row["values"]: row["counts"] for row in pc.value_counts(verdicts["outcome"]).to_pylist()}
    return ", ".join(f"{counts.get(mark.value, 0):,} {mark.value}" for mark in Mark)
