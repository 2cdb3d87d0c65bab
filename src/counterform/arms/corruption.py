"""Critiques broken on purpose, each kind in one way alone, and proven to be broken.

step      another step is named, one that the step verifier calls right; verdict and hint stay
verdict   a wrong attempt is called right; of a sound one a right step is named, with another critique's hint
reason    verdict and step stay; the hint is another critique's, and comes to something else
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from msgspec.structs import replace

from counterform.arms.criticising import Criticised, worded
from counterform.errors import ControlError, unknown_name
from counterform.text import wording
from counterform.types import Criticism, Mark
from counterform.verify.answer import say_the_same

DRAWS = 100
"""How often a hint of another critique is drawn before there is taken to be none."""

_Spoil = Callable[[Criticised, Sequence[str], np.random.Generator], Criticism | None]
"""(row, hints of other critiques, rng) -> the broken criticism; None where there is nothing to spoil."""


def corrupt(
    rows: Sequence[Criticised], kind: str, *, share: float, rng: np.random.Generator
) -> tuple[list[Criticised], str]:
    """The rows with a share of them, counted over all, broken in one way; and what was done, in words.

    A larger share spoils the rows of a smaller one and more. Raises ControlError where there are too few that can be
    broken in this way, or where a broken one still says what it said.
    """
    if any(row.said.text for row in rows):
        raise ControlError(
            "critiques in a critic's own words cannot be broken in one way alone. Leave `corrupted` out, or take the critic "
            "'steps' or 'reference'."
        )
    count = int(share * len(rows) + 0.5)
    hints = sorted({row.said.hint for row in rows if row.said.hint})
    broken = list(rows)
    done = 0
    for at in rng.permutation(len(rows)).tolist():
        if done == count:
            break
        said = _KINDS[kind](rows[at], hints, rng)
        if said:
            broken[at] = rows[at]._replace(said=said)
            _prove(kind, rows[at], broken[at])
            done += 1
    if done < count:
        raise ControlError(
            f"{count} of {len(rows)} critiques should have a wrong {kind}, and {done} can: {_NEEDS[kind]}. Ask for "
            f"corrupted = {int(100 * done / len(rows)) / 100} at most, or for another kind of corruption."
        )
    return broken, f"{count} of {len(rows)} critiques have a wrong {kind} on purpose"


def kind_of(corruption: str) -> str:
    """The value, if it is a kind of corruption. Raises ValueError otherwise."""
    if corruption not in _KINDS:
        raise ValueError(unknown_name("corruption", corruption, _KINDS))
    return corruption


def ends_alike(one: str, other: str) -> bool:
    """Whether two hints come to the same: "7 + 5 = 12.", "5 + 7 = 12." and "24 / 2 = 12.0."."""
    return _end(one) == _end(other) or say_the_same(_end(one), _end(other))


def _wrong_step(row: Criticised, hints: Sequence[str], rng: np.random.Generator) -> Criticism | None:
    true = row.said.first_error
    others = [at for at in _right_steps(row) if at != true]
    if true is None or not others:
        return None
    named = int(rng.choice(others))
    # What it says of the steps before must fit: where a later step is named, the truly wrong one is called right.
    right = tuple(at for at in sorted({*others, true}) if at < named)
    return replace(row.said, first_error=named, right=right)


def _wrong_verdict(row: Criticised, hints: Sequence[str], rng: np.random.Generator) -> Criticism | None:
    if row.said.verdict is Mark.WRONG:
        read = [at for at, step in enumerate(row.shown.verdict.steps) if step.mark is not Mark.UNKNOWN]
        return replace(row.said, verdict=Mark.RIGHT, first_error=None, hint="", right=tuple(read))
    steps = _right_steps(row)
    if not steps:
        return None
    named = int(rng.choice(steps))
    return replace(
        row.said,
        verdict=Mark.WRONG,
        first_error=named,
        hint=_another(hints, row.shown.step_texts[named], rng),
        right=tuple(at for at in row.said.right if at < named),
    )


def _wrong_reason(row: Criticised, hints: Sequence[str], rng: np.random.Generator) -> Criticism | None:
    if row.said.first_error is None or not row.said.hint:
        return None
    other = _another(hints, row.said.hint, rng)
    return replace(row.said, hint=other) if other else None


_KINDS: Mapping[str, _Spoil] = {"step": _wrong_step, "verdict": _wrong_verdict, "reason": _wrong_reason}
_NEEDS = {
    "step": "the critique must name a step, and the step verifier must call another one right",
    "verdict": "of a sound attempt the step verifier must call some step right",
    "reason": "the critique must say what would be right, and another one something else",
}


def _prove(kind: str, row: Criticised, broken: Criticised) -> None:
    """Raises ControlError unless what was to be broken is gone and the rest is left, as a reader of the text sees it."""
    before, after = (wording.named_error(worded(one)) for one in (row, broken))
    verdicts = [wording.verdict_of(worded(one)) for one in (row, broken)]
    true = row.shown.verdict.first_error
    kept = {
        "step": before != after != true and verdicts[0] is verdicts[1],
        "verdict": verdicts[0] is not verdicts[1] and after != true,
        "reason": before == after and verdicts[0] is verdicts[1] and not ends_alike(row.said.hint, broken.said.hint),
    }[kind]
    if not kept:
        raise ControlError(f"a critique of {row.shown.attempt.id!r} still has its right {kind}: {worded(broken)!r}")


def _another(hints: Sequence[str], own: str, rng: np.random.Generator) -> str:
    """A hint that comes to something else than `own`; empty where DRAWS draws find none."""
    places = rng.integers(len(hints), size=DRAWS).tolist() if hints else []
    return next((hints[at] for at in places if not ends_alike(hints[at], own)), "")


def _right_steps(row: Criticised) -> list[int]:
    return [at for at, step in enumerate(row.shown.verdict.steps) if step.mark is Mark.RIGHT]


def _end(hint: str) -> str:
    return hint.strip().rstrip(".").rpartition(" ")[2].casefold()
